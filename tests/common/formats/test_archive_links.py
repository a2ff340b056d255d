"""Links in tar archives stand for files of the archive, or are refused."""

import io
import tarfile
from pathlib import Path

import pytest

from common.errors import SourceError
from common.formats.archives import Archive

HARD, SYMBOLIC = tarfile.LNKTYPE, tarfile.SYMTYPE


def packed(path: Path, *links: tuple[str, bytes, str]) -> Archive:
    """An archive of the file ``a/image``, then links to it: name, type and target of each."""
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("./a/image")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"image"))
        for name, kind, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    return Archive(path)


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("hard", HARD, "a/image"),
        ("hard", HARD, "./a/image"),
        ("b/hard", HARD, "a/image"),
        ("a/soft", SYMBOLIC, "image"),
        ("b/c/soft", SYMBOLIC, "../../a/image"),
    ],
)
def test_a_link_to_a_file_of_the_archive_is_a_member_with_its_content(
    tmp_path: Path, name: str, kind: bytes, target: str
) -> None:
    archive = packed(tmp_path / "a.tar", (name, kind, target), ("again", SYMBOLIC, name))
    assert [one.name for one in archive.members] == ["./a/image", name, "again"]
    for member in archive.members:
        assert (member.size, archive.packed_size(member.number)) == (5, 5)
        with archive.open(member.number) as file:
            assert file.read() == b"image"
    archive.close()


@pytest.mark.parametrize("kind", [HARD, SYMBOLIC])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../a/image", "gone", "link", ""])
def test_a_link_that_leads_to_no_file_of_the_archive_is_refused(
    tmp_path: Path, kind: bytes, target: str
) -> None:
    archive = packed(tmp_path / "a.tar", ("link", kind, target))
    assert [one.name for one in archive.members] == ["./a/image", "link"]
    with pytest.raises(SourceError, match="a link in an archive"):
        archive.open(1)
    archive.close()


def test_a_link_to_a_folder_of_the_archive_is_no_member(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.tar", ("b", SYMBOLIC, "a"), ("c/d", SYMBOLIC, "../b"))
    assert [one.name for one in archive.members] == ["./a/image"]
    archive.close()


def test_links_that_lead_to_each_other_are_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.tar", ("b", SYMBOLIC, "c"), ("c", SYMBOLIC, "b"))
    for number in (1, 2):
        with pytest.raises(SourceError, match="a link in an archive"):
            archive.open(number)
    archive.close()


def test_links_have_the_budget_of_an_archive_together(tmp_path: Path) -> None:
    links = [(f"link {n}", SYMBOLIC, "big") for n in range(400)]
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("big")
        info.size = 1 << 20
        tar.addfile(info, io.BytesIO(bytes(1 << 20)))
        for name, kind, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    with pytest.raises(SourceError, match="MiB together"):
        Archive(path)
