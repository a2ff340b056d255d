"""Partial copies of series that an earlier run sent."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.common.formats.archive_files import pack
from tests.common.formats.dicom.dicom_files import Write
from tests.fr_pacs.sources.watching.watched import Watch, Watched, written_anew

NEW = "2.25.1"
"""Another series UID."""

WHOLE = [f"{k}.dcm" for k in range(1, 6)]


def sent_before(watch: Watch, write: Write, root: Path, *, archive: bool = False) -> Watched:
    """A run that comes after one that sent a series of five slices, of which 1 to 3 are in an
    archive if ``archive``."""
    paths = [write(k, f"whole/{k}.dcm") for k in range(1, 6)]
    if archive:
        pack(root / "study.zip", {path.name: path.read_bytes() for path in paths[:3]})
        for path in paths[:3]:
            path.unlink()
    watched = watch()
    assert len(watched.settled()) == 1
    (loaded,) = watched.load().values()
    assert not isinstance(loaded, str)
    assert loaded.scan.shape[2] == 5
    return watch()


@pytest.mark.parametrize("archive", [False, True])
def test_a_partial_copy_is_skipped_by_name(
    watch: Watch, write: Write, root: Path, archive: bool
) -> None:
    watched = sent_before(watch, write, root, archive=archive)
    for k in (3, 4):
        write(k, f"part/{k}.dcm", SeriesInstanceUID=NEW, InstanceNumber=k + 40)
    assert watched.settled(root / "part") == []
    third = "study.zip/3.dcm" if archive else "whole/3.dcm"
    assert [(one.label, one.kind, one.detail) for one in watched.skipped] == [
        ("part/3.dcm", "copy", third),
        ("part/4.dcm", "copy", "whole/4.dcm"),
    ]


def test_other_images_at_the_same_places_are_sent(watch: Watch, write: Write, root: Path) -> None:
    watched = sent_before(watch, write, root)
    for k in (3, 4):
        write(k, f"part/{k}.dcm", SeriesInstanceUID=NEW, PixelData=bytes(range(k, 24 + k)))
    assert watched.settled(root / "part") == ["part/3.dcm (series of 2 slices)"]


def test_a_partial_copy_of_what_has_changed_or_gone_is_sent(
    watch: Watch, write: Write, root: Path
) -> None:
    watched = sent_before(watch, write, root)
    (root / "whole" / "3.dcm").unlink()
    written_anew(root / "whole" / "4.dcm")
    for k in (3, 4):
        write(k, f"part/{k}.dcm", SeriesInstanceUID=NEW)
    assert "part/3.dcm (series of 2 slices)" in watched.settled(root / "part")


def test_an_earlier_series_is_read_once_a_run(
    watch: Watch, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = sent_before(watch, write, root)
    read: list[Path] = []
    expect_files = watched.files.expect_files

    def expect_noted(paths: Iterable[Path]) -> None:
        noted = list(paths)
        read.extend(noted)
        expect_files(noted)

    monkeypatch.setattr(watched.files, "expect_files", expect_noted)
    for number in (1, 2, 3):
        write(3, f"{number}/3.dcm", SeriesInstanceUID=f"2.25.{number}")
        assert watched.settled(root / f"{number}") == []
    assert sorted(path.name for path in read) == WHOLE
