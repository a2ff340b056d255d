"""Archives, read by the numbers of their members."""

import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from common.errors import SourceError
from common.formats import archives
from common.formats.archives import Archive, member_path, on_disk
from tests.common.formats.archive_files import FORMATS, pack

FILES = {"a/1": b"one", "../../b": b"two" * 999, "/c": b""}


def contents(path: Path) -> dict[str, bytes]:
    archive = Archive(path)
    try:
        found = {}
        for member in archive.members:
            with archive.open(member.number) as file:
                found[member.name] = file.read()
            assert member.size == len(found[member.name])
        return found
    finally:
        archive.close()


@pytest.mark.parametrize("name", FORMATS)
def test_members_come_by_number_whatever_their_names(tmp_path: Path, name: str) -> None:
    assert contents(pack(tmp_path / name, FILES)) == FILES


def test_devices_and_folders_are_no_members(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("device", tarfile.CHRTYPE), ("pipe", tarfile.FIFOTYPE),
                           ("folder", tarfile.DIRTYPE)):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type = kind
            tar.addfile(info)
        info = tarfile.TarInfo("file")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    assert contents(path) == {"file": b"abc"}


def test_a_link_of_a_zip_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(SourceError, match="a link in an archive"):
        contents(path)


def test_a_sparse_member_that_is_longer_than_its_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("bomb")
        info.size = 512
        info.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.map": "0,512",
            "GNU.sparse.size": str(1 << 40),
        }
        tar.addfile(info, io.BytesIO(bytes(512)))
    with pytest.raises(SourceError, match="take over"):
        contents(path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_archive_is_a_source_error(tmp_path: Path, name: str) -> None:
    noise = random.Random(1).randbytes(9000)  # noqa: S311 - no secret
    path = pack(tmp_path / name, {"a": noise})
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SourceError, match=r"damaged|cannot be read"):
        contents(path)


def test_a_folder_of_a_zip_archive_that_has_content_is_a_member(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.nii/": b"image", "b/": b""})
    assert contents(path) == {"a.nii/": b"image"}


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", FILES)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1  # its flags in the index
    path.write_bytes(data)
    with pytest.raises(SourceError, match="encrypted"):
        contents(path)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.bz2"])
def test_a_bomb_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "unpacked_max", lambda _: 1 << 20)
    with pytest.raises(SourceError, match="over 1 MiB"):
        contents(pack(tmp_path / name, {"a": bytes(3 << 20)}))


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_the_members_of_an_archive_have_one_budget_together(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "unpacked_max", lambda _: 1 << 20)
    with pytest.raises(SourceError, match="over 1 MiB"):
        Archive(pack(tmp_path / name, {"a": bytes(600 << 10), "b": bytes(600 << 10)}))


def test_an_archive_of_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MEMBERS_MAX", 2)
    for name in ("a.zip", "a.tar"):
        with pytest.raises(SourceError, match="over 2 files"):
            Archive(pack(tmp_path / name, FILES))


def test_zip_by_a_method_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", FILES)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 10] = 97  # its method in the index: WavPack
    path.write_bytes(data)
    with pytest.raises(SourceError, match="unpack the archive"):
        contents(path)


def test_a_members_path_has_its_archive(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", FILES)
    assert on_disk(member_path(path, 2)) == path
    assert on_disk(path) == path
    assert on_disk(tmp_path / "absent") == tmp_path / "absent"
    assert zipfile.is_zipfile(path)
