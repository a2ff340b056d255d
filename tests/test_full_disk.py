"""A full disk, as a small tmpfs: nothing acknowledged is lost, and what was refused comes again."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import Refusal, StoreError
from common.mongod.embedded import find_mongod, start_mongod
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.wire.messages import Report
from fr_pacs.report_files import write_report
from tests.factories import make_report, make_scan, migrate
from tests.fr_pacs.streams import pacs_settings
from tests.fr_pacs.test_server import hub_of, serving
from tests.label_maps import header_of, label_messages, labels_of, packed
from tests.running import acked, answer, refusal

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/bin/mount").exists(),
    reason="only root may mount a tmpfs, with mount",
)

MIB = 2**20


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of ``request.param`` MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={request.param}m"
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=False
    )
    if mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["/bin/umount", "--lazy", folder], check=True)


def fill(folder: Path, leave: int) -> Path:
    """A file that leaves so many bytes of the disk free, also while others write there."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        while (size := _free(folder) - leave) > 0:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                file.truncate(0)  # some file systems keep a part of it
            else:
                break
    return filler


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def add_for_ever(store: DBManager, acknowledged: list[str]) -> None:
    """Store scans, noting what is acknowledged; far more than there is room for."""
    for _ in range(2000):
        scan, voxels = make_scan(shape=(250, 250), voxels=os.urandom(250 * 250))
        store.scans.add([NewScan(scan, voxels)])
        acknowledged.append(scan.key)


@pytest.mark.parametrize("small_disk", [2], indirect=True)
def test_a_disk_of_which_less_is_free_than_a_moment_ago_is_filled(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [4 << 20]
    free = _free
    monkeypatch.setattr(f"{__name__}._free", lambda disk: said.pop() if said else free(disk))
    fill(small_disk, 1 << 20)
    assert not said
    assert free(small_disk) == 1 << 20


@pytest.mark.parametrize("small_disk", [2], indirect=True)
def test_a_report_for_which_there_is_no_room_is_not_kept_in_part(small_disk: Path) -> None:
    filler = fill(small_disk, 0)
    report = make_report(make_scan()[0])
    with pytest.raises(OSError, match="No space left"):
        write_report(small_disk, report)
    assert list(small_disk.iterdir()) == [filler]
    filler.unlink()
    write_report(small_disk, report)
    names = sorted(path.name for path in small_disk.iterdir())
    assert names == [f"{report.scan_id}.json", f"{report.scan_id}.txt"]


@pytest.mark.parametrize("small_disk", [2], indirect=True)
@pytest.mark.parametrize("left", [0, 200_000, 700_000], ids=["none", "little", "for the packed"])
def test_label_maps_for_which_there_is_no_room_leave_neither_a_part_nor_their_report(
    small_disk: Path, left: int
) -> None:
    """Neither before their report has come nor while it is written."""
    filler = fill(small_disk, left)
    scan, _ = make_scan(voxels=bytes(1500 * 1000), shape=(1500, 1000))
    report, maps = make_report(scan), packed(lesions=labels_of(scan))
    begin, *chunks = label_messages(header_of(report, maps), maps.payload)
    settings = pacs_settings(reports=small_disk, label_maps=True)
    with serving(settings), hub_of(settings) as channel:
        channel.send(begin, *chunks, Report(report))
        assert refusal(answer(channel)).code is Refusal.UNAVAILABLE
        assert {path for path in small_disk.iterdir() if "index.csv" not in path.name} == {filler}
        filler.unlink()
        channel.send(begin, *chunks, Report(report))
        assert acked(answer(channel)) == (report.scan_id,)
    assert (small_disk / f"{report.scan_id}.lesions.nii.gz").exists()


@pytest.mark.long
@pytest.mark.parametrize("small_disk", [512], indirect=True)
def test_what_was_acknowledged_before_mongodb_had_no_room_is_there_when_it_has(
    small_disk: Path,
) -> None:
    mongod = start_mongod(small_disk, find_mongod())
    store = DBManager(mongod.uri, "fr", timeout_s=2)
    migrate(mongod.uri, "fr")
    filler = fill(small_disk, 24 * MIB)
    acknowledged: list[str] = []
    try:
        with pytest.raises(StoreError):
            add_for_ever(store, acknowledged)
    finally:
        store.close()
        mongod.kill()
    assert acknowledged
    filler.unlink()
    mongod = start_mongod(small_disk, find_mongod())
    store = DBManager(mongod.uri, "fr", timeout_s=10)
    try:
        assert {state for state, _ in store.queries.states_of(acknowledged).values()} == {"To Do"}
        scan, voxels = make_scan()
        store.scans.add([NewScan(scan, voxels)])
    finally:
        store.close()
        mongod.stop()
