"""Series that are part of a fuller one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from common.formats.dicom.copies import Digests
from common.formats.dicom.partial_copies import KnownSeries
from common.formats.dicom.series import group_series
from common.formats.dicom.slices import Slice
from common.formats.dicom.stack_voxels import slice_digests
from tests.common.formats.dicom.dicom_files import Write, slices_of

NEW = "2.25.1"
OTHER_PIXELS = bytes(range(24))


def planes(*paths: Path) -> list[Slice]:
    return [plane for path in paths for plane in slices_of(path)]


def partial_copies(
    groups: Sequence[Sequence[Slice]], digests: Digests, most: int = 1000
) -> dict[int, Mapping[int, Slice]]:
    """What each slice is a copy of, by the number of the series."""
    known = KnownSeries(digests, most)
    for group in groups:
        known.add(group)
    return {n: found for n, group in enumerate(groups) if (found := known.originals_of(group))}


def found_in(*series: list[Slice]) -> dict[str, str]:
    """The files that are copies, by what they are copies of."""
    groups = group_series([plane for one in series for plane in one])
    assert len(groups) == len(series)
    return {
        plane.path.name: originals[id(plane)].path.name
        for number, originals in partial_copies(groups, slice_digests).items()
        for plane in groups[number]
    }


def test_a_copy_that_broke_off_is_found_whatever_its_series_uid_and_numbers(write: Write) -> None:
    whole = planes(*(write(k, f"{k}.dcm") for k in range(1, 6)))
    part = planes(
        *(write(k, f"new {k}.dcm", SeriesInstanceUID=NEW, InstanceNumber=k + 40) for k in (2, 3, 4))
    )
    expected = {f"new {k}.dcm": f"{k}.dcm" for k in (2, 3, 4)}
    assert found_in(whole, part) == expected
    assert found_in(part, whole) == expected


def test_a_part_of_a_part_is_a_copy_of_the_whole(write: Write) -> None:
    whole = planes(*(write(k, f"{k}.dcm") for k in range(1, 6)))
    part = planes(*(write(k, f"b{k}.dcm", SeriesInstanceUID=NEW) for k in (1, 2, 3)))
    less = planes(*(write(k, f"c{k}.dcm", SeriesInstanceUID="2.25.2") for k in (1, 2)))
    names = ("b1", "b2", "b3", "c1", "c2")
    assert found_in(less, part, whole) == {f"{name}.dcm": f"{name[1]}.dcm" for name in names}


@pytest.mark.parametrize(
    ("number", "attributes"),
    [
        (3, {"PixelData": OTHER_PIXELS}),  # another image at the same places
        (9, {}),  # a place that the other one has not
        (3, {"PatientID": "another"}),
        (3, {"StudyInstanceUID": "2.25.3"}),
        (3, {"RescaleSlope": "2"}),
    ],
)
def test_a_shorter_series_with_one_slice_of_its_own_is_a_scan(
    write: Write, number: int, attributes: dict[str, object]
) -> None:
    whole = planes(*(write(k, f"{k}.dcm") for k in range(1, 6)))
    part = planes(
        *(write(k, f"new {k}.dcm", SeriesInstanceUID=NEW, **shared(attributes)) for k in (1, 2)),
        write(number, "new 3.dcm", SeriesInstanceUID=NEW, **attributes),
    )
    assert found_in(whole, part) == {}


def shared(attributes: dict[str, object]) -> dict[str, object]:
    """Those that all slices of a series have."""
    return {name: value for name, value in attributes.items() if name != "PixelData"}


def test_a_whole_copy_is_no_partial_one(write: Write) -> None:
    whole = planes(*(write(k, f"{k}.dcm") for k in range(1, 4)))
    copy = planes(*(write(k, f"new {k}.dcm", SeriesInstanceUID=NEW) for k in range(1, 4)))
    assert found_in(whole, copy) == {}


def test_only_the_first_slice_of_another_image_is_compared(write: Write) -> None:
    whole = planes(*(write(k, f"{k}.dcm") for k in range(1, 6)))
    new = {"SeriesInstanceUID": NEW, "PixelData": OTHER_PIXELS}
    part = planes(*(write(k, f"new {k}.dcm", **new) for k in (1, 2, 3)))
    asked: list[int] = []

    def digests(slices: Sequence[Slice]) -> Sequence[str | None]:
        asked.append(len(slices))
        return slice_digests(slices)

    assert partial_copies(group_series([*whole, *part]), digests) == {}
    assert asked == [2]


def test_the_oldest_series_are_forgotten(write: Write) -> None:
    whole = planes(*(write(k, f"{k}.dcm") for k in range(1, 6)))
    other = planes(*(write(k, f"b{k}.dcm", SeriesInstanceUID="2.25.9") for k in range(11, 14)))
    part = planes(*(write(k, f"new {k}.dcm", SeriesInstanceUID=NEW) for k in (1, 2)))
    groups = group_series([*whole, *other, *part])
    assert set(partial_copies(groups, slice_digests, 10)) == {2}
    assert set(partial_copies(groups, slice_digests, 9)) == set()


def test_a_series_that_has_grown_replaces_what_was_known_of_it(write: Write) -> None:
    part = planes(*(write(k, f"new {k}.dcm", SeriesInstanceUID=NEW) for k in (1, 2)))
    whole = planes(*(write(k, f"{k}.dcm") for k in range(1, 6)))
    known = KnownSeries(slice_digests, 7)
    known.add(whole[:1])
    assert known.originals_of(part) is None
    known.add(whole)
    known.add(part)
    assert known.originals_of(part) is not None
    assert known.originals_of(whole[:3]) is None  # it is not a copy of itself
