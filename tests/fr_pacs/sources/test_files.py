"""Files and folders as a source: what is sent, what is passed over, what fails and why."""

import itertools
import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from common.domain.types import hash_voxels
from common.errors import SettingsError, SourceError
from fr_pacs.sources.base import Source
from fr_pacs.sources.files import NOT_AN_IMAGE, FileSource, printable

DICOM = Path(pydicom.__file__).parent / "data" / "test_files"
CT = DICOM / "dicomdirtests/98892001/CT5N"
EXAMPLE_4D = Path(nib.__file__).parent / "tests" / "data" / "example4d.nii.gz"

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(name: str = "a.nii", data: npt.NDArray[Any] | None = None) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4) if data is None else data
        image = nib.Nifti1Image(voxels, np.diag([1, 2, 3, 1]))  # type: ignore[no-untyped-call]
        nib.save(image, path)
        return path

    return write


def outcomes(path: Path, **options: Any) -> dict[str, str]:
    """What becomes of each task: 'sent', or why not."""
    told = {}
    for task in FileSource(path, pacs="site-a", **options):
        try:
            task.load()
            told[task.label] = "sent"
        except SourceError as error:
            told[task.label] = str(error)
    return told


def test_a_scan_carries_its_voxels_in_fortran_order_under_one_id(save: Save) -> None:
    path = save()
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    source: Source = FileSource(path, pacs="site-a")
    assert (source.total, source.waits) == (1, True)
    [task] = source
    loaded = task.load()
    scan = loaded.scan
    assert isinstance(loaded.voxels, memoryview)
    assert (loaded.voxels.format, loaded.voxels.ndim, loaded.voxels.readonly) == ("B", 1, True)
    assert scan.voxels_hash == hash_voxels(loaded.voxels)
    np.testing.assert_array_equal(
        scan.array(loaded.voxels), np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    )
    assert (scan.pacs, scan.scan_type, scan.subject) == ("site-a", "volume", None)
    assert scan.voxel_size_mm == (1, 2, 3)
    assert scan.acquired_at == datetime.fromtimestamp(1_700_000_000, UTC).replace(
        microsecond=123000
    )
    assert task.load().scan == scan


def test_each_volume_of_a_series_is_a_scan_with_an_id_of_its_own() -> None:
    source = FileSource(EXAMPLE_4D, pacs="site-a")
    assert source.total == 2
    tasks = list(source)
    assert [task.label for task in tasks] == [f"example4d.nii.gz [volume {n}]" for n in (1, 2)]
    scans = [task.load().scan for task in tasks]
    assert scans[0].scan_id != scans[1].scan_id
    assert scans[0].voxels_hash != scans[1].voxels_hash


def test_the_tasks_come_once(save: Save) -> None:
    source = FileSource(save(), pacs="site-a")
    assert len(list(source)) == 1
    assert list(source) == []
    assert source.total == 1


def test_a_bids_folder_does_not_fail_for_its_sidecars(save: Save, tmp_path: Path) -> None:
    save("sub-01/anat/sub-01_T1w.nii.gz")
    for name in ("README", "participants.tsv", "dataset_description.json", ".bidsignore"):
        (tmp_path / name).write_text("text")
    for suffix in ("json", "bval", "bvec"):
        (tmp_path / f"sub-01/anat/sub-01_T1w.{suffix}").write_text("text")
    source = FileSource(tmp_path, pacs="site-a")
    assert [task.label for task in source] == ["sub-01/anat/sub-01_T1w.nii.gz"]
    assert source.skipped == 6


def test_a_sidecar_that_is_sent_by_name_fails(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("text")
    assert outcomes(tmp_path / "README.txt") == {"README.txt": NOT_AN_IMAGE}


def test_what_fails_is_named_and_the_rest_goes_on(save: Save, tmp_path: Path) -> None:
    save("a.nii.gz")
    save("e.nii", np.zeros((2, 2, 2, 1, 3), np.float32))
    (tmp_path / "b.png").write_bytes(b"\x89PNG" * 99)
    (tmp_path / "c.nii").write_bytes(b"x" * 999)
    (tmp_path / "Makefile").write_text("all:\n" * 99)
    (tmp_path / "empty.dcm").touch()
    save("z/z.nii")
    told = outcomes(tmp_path)
    assert list(told) == ["Makefile", "a.nii.gz", "b.png", "c.nii", "e.nii", "empty.dcm", "z/z.nii"]
    assert told["a.nii.gz"] == told["z/z.nii"] == "sent"
    assert told["Makefile"] == told["b.png"] == NOT_AN_IMAGE
    assert "not a NIfTI file" in told["c.nii"]
    assert "5-D data" in told["e.nii"]
    assert told["empty.dcm"] == "the file is empty"


def test_a_failed_task_keeps_its_cause(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"x" * 999)
    [task] = FileSource(tmp_path, pacs="site-a")
    for _ in range(2):
        with pytest.raises(SourceError, match="not a NIfTI file") as caught:
            task.load()
        assert isinstance(caught.value.__cause__, SourceError)


def test_nothing_to_send_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"absent cannot be read: No such file"):
        FileSource(tmp_path / "absent", pacs="site-a")
    with pytest.raises(SourceError, match="no image in"):
        FileSource(tmp_path, pacs="site-a")
    (tmp_path / "README").write_text("text")
    with pytest.raises(SourceError, match="no image in"):
        FileSource(tmp_path, pacs="site-a")


def test_a_wrong_pseudonym_key_is_refused(save: Save) -> None:
    with pytest.raises(SettingsError, match="32 bytes are needed, not 3"):
        FileSource(save(), pacs="site-a", pseudonym_key=b"abc")


def test_links_are_followed_and_loops_end(save: Save, tmp_path: Path) -> None:
    save("in/a.nii")
    (tmp_path / "in" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "in" / "b.nii").symlink_to(tmp_path / "in" / "a.nii")
    (tmp_path / "in" / "gone.nii").symlink_to(tmp_path / "nowhere")
    assert outcomes(tmp_path) == {
        "in/a.nii": "sent",
        "in/b.nii": "sent",
        "in/gone.nii": "a link to a file that is not there: fetch it first",
    }


def test_hidden_files_and_folders_are_not_sent(save: Save, tmp_path: Path) -> None:
    save("a.nii")
    save(".b.nii")
    save(".git/c.nii")
    assert list(outcomes(tmp_path)) == ["a.nii"]


def test_a_pipe_fails_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.dcm")
    assert outcomes(tmp_path) == {"a.dcm": NOT_AN_IMAGE}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_says_so(save: Save, tmp_path: Path) -> None:
    save("a.nii").chmod(0)
    save("locked/b.nii")
    (tmp_path / "locked").chmod(0)
    told = outcomes(tmp_path)
    (tmp_path / "locked").chmod(0o700)
    assert told == {
        "a.nii": "cannot be read: Permission denied",
        "locked": "the folder cannot be listed: Permission denied",
    }


def test_a_folder_that_cannot_be_listed_is_a_failed_task(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.nii")
    save("locked/b.nii")
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert outcomes(tmp_path) == {
        "a.nii": "sent",
        "locked": "the folder cannot be listed: Permission denied",
    }


def test_a_volume_over_the_limit_is_refused_before_it_is_read(save: Save) -> None:
    path = save("a.nii.gz", np.zeros((512, 512, 8), np.uint8))
    [told] = outcomes(path, max_bytes=1 << 20).values()
    assert told == "its header declares 2.0 MiB, the limit is 1.0 MiB"
    assert list(outcomes(path, max_bytes=2 << 20).values()) == ["sent"]


def test_a_dicom_series_over_the_limit_is_refused_before_it_is_read() -> None:
    [told] = outcomes(CT, max_bytes=100).values()
    assert "its header declares" in told


def test_a_volume_without_a_finite_value_is_refused_and_others_are_sent(save: Save) -> None:
    data = np.full((2, 2, 2), np.nan, np.float32)
    assert list(outcomes(save("a.nii", data)).values()) == [
        "an empty volume: no voxel has a finite value"
    ]
    data[1, 1, 1] = 3
    assert list(outcomes(save("a.nii", data)).values()) == ["sent"]
    assert list(outcomes(save("a.nii", np.ones((2, 2, 2), np.uint8))).values()) == ["sent"]


def test_a_real_series_is_one_scan_in_the_place_of_its_first_file(
    save: Save, tmp_path: Path
) -> None:
    save("a.nii")
    save("z.nii")
    for path in CT.iterdir():
        (tmp_path / "ct").mkdir(exist_ok=True)
        (tmp_path / "ct" / path.name).write_bytes(path.read_bytes())
    source = FileSource(tmp_path, pacs="site-a", pseudonym_key=bytes(32))
    tasks = list(source)
    label = "ct/2062 (series of 5 slices)"
    assert [task.label for task in tasks] == ["a.nii", "z.nii", label]
    scan = tasks[-1].load().scan
    assert (scan.shape, scan.dtype, scan.orientation) == ((16, 16, 5), "int16", "LPS")
    assert scan.acquired_at.year == 2001
    assert scan.subject is not None
    assert tasks[-1].load().scan == scan


def test_dicomdir_files_are_passed_over_in_a_folder_and_fail_by_name(tmp_path: Path) -> None:
    index = DICOM / "dicomdirtests" / "DICOMDIR"
    told = outcomes(DICOM / "dicomdirtests" / "98892003")
    assert told
    (tmp_path / "DICOMDIR").write_bytes(index.read_bytes())
    with pytest.raises(SourceError, match="no image in"):
        FileSource(tmp_path, pacs="site-a")
    assert "is an index" in outcomes(tmp_path / "DICOMDIR")["DICOMDIR"]


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_all_the_test_files_of_pydicom_are_sent_or_say_why_not() -> None:
    told = outcomes(DICOM)
    assert len(told) > 80
    assert told["CT_small.dcm"] == "sent"
    assert told["dicomdirtests/98892001/CT5N/2062 (series of 5 slices)"] == "sent"
    assert told["zipMR.gz"] == NOT_AN_IMAGE
    assert told["waveform_ecg.dcm"] == "contains no image (ECG)"
    assert not any("DICOMDIR" in label for label in told)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_no_patient_is_in_a_label_a_reason_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = outcomes(DICOM)
    header = pydicom.dcmread(DICOM / "CT_small.dcm")
    for secret in (str(header.PatientName), str(header.PatientID)):
        assert secret not in str(told)
        assert secret not in caplog.text
        scan = next(iter(FileSource(DICOM / "CT_small.dcm", pacs="site-a"))).load().scan
        assert secret not in scan.model_dump_json()


def test_a_key_makes_pseudonyms_that_stay_and_without_one_they_differ() -> None:
    def subject(key: bytes | None) -> str | None:
        [task] = FileSource(DICOM / "CT_small.dcm", pacs="site-a", pseudonym_key=key)
        return task.load().scan.subject

    assert subject(bytes(32)) == subject(bytes(32))
    assert len({subject(bytes(32)), subject(b"x" * 32), subject(None), subject(None)}) == 4


def test_threads_load_the_scans_of_one_source(save: Save, tmp_path: Path) -> None:
    for n in range(12):
        save(f"{n:02}.nii.gz", np.full((5, 5, 5, 4), n, np.int16))
    source, lock, sent = FileSource(tmp_path, pacs="site-a"), threading.Lock(), list[str]()
    tasks = iter(source)

    def work() -> None:
        while True:
            with lock:
                task = next(tasks, None)
            if task is None:
                return
            loaded = task.load()
            value = int(task.label[:2])
            assert (loaded.scan.array(loaded.voxels) == value).all()
            sent.append(task.label)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = itertools.product(range(12), range(1, 5))
    assert sorted(sent) == [f"{n:02}.nii.gz [volume {k}]" for n, k in expected]


def test_names_that_would_break_a_log_are_escaped() -> None:
    assert printable("sub-Ä/a.nii") == "sub-Ä/a.nii"
    assert printable("a\nb\x1b[31m.nii") == "a\\nb\\x1b[31m.nii"
    assert printable(os.fsdecode(b"caf\xe9.nii")) == "caf\\xe9.nii"
