"""Copies of slices: the whole one is kept, from the fullest folder."""

from pathlib import Path

from common.formats.dicom.copies import sift
from common.formats.dicom.slices import Slice
from common.formats.dicom.stack_voxels import slice_digests
from tests.common.formats.dicom.dicom_files import Write, slices_of


def planes(*paths: Path) -> list[Slice]:
    return [plane for path in paths for plane in slices_of(path)]


def names(slices: list[Slice]) -> list[str]:
    return [f"{plane.path.parent.name}/{plane.path.name}" for plane in slices]


def test_equal_pixels_are_copies_and_others_are_not(write: Write) -> None:
    found = planes(
        *(write(k, f"A/{k}.dcm") for k in (1, 2)),
        write(1, "B/1.dcm"),
        write(2, "B/2.dcm", PixelData=bytes(24)),
    )
    sifted = sift(found, slice_digests)
    assert names(sifted.kept) == ["A/1.dcm", "A/2.dcm"]
    assert names(sifted.copies) == ["B/1.dcm"]
    assert names([sifted.originals[id(one)] for one in sifted.copies]) == ["A/1.dcm"]
    assert [names(other) for other in sifted.others] == [["B/2.dcm"]]


def test_pixels_that_cannot_be_read_are_no_copy_to_keep(write: Write) -> None:
    found = planes(write(1, "A/1.dcm"), write(1, "B/1.dcm"))
    sifted = sift(found, lambda slices: [None, *["x" for _ in slices[1:]]])
    assert (names(sifted.kept), names(sifted.copies)) == (["B/1.dcm"], ["A/1.dcm"])
    assert names([sifted.originals[id(sifted.copies[0])]]) == ["B/1.dcm"]
    sifted = sift(found, lambda slices: [None for _ in slices])
    assert (sifted.kept, names(sifted.damaged)) == ([], ["A/1.dcm"])
    assert names([sifted.originals[id(sifted.copies[0])]]) == ["A/1.dcm"]


def test_nothing_is_compared_where_nothing_is_twice(write: Write) -> None:
    def never(_: object) -> list[str]:
        raise AssertionError

    assert len(sift(planes(write(1), write(2)), never).kept) == 2
