"""When a series is complete."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.formats.dicom.slices import NO_CLAIMS, Slice
from fr_pacs.sources.watching.open_series import OpenSeries
from tests.common.formats.dicom.dicom_files import Write, slices_of

FOLDER, OTHER = Path("/x"), Path("/y")


@pytest.fixture
def planes(write: Write) -> list[Slice]:
    """Three slices of one series."""
    return [plane for k in (1, 2, 3) for plane in slices_of(write(k))]


def counted(plane: Slice, images: int | None) -> Slice:
    return replace(plane, claims=replace(NO_CLAIMS, images=images))


def opened(planes: list[Slice], images: int | None = None) -> OpenSeries:
    """A series whose slices came at 0, 1, 2, … seconds."""
    series = OpenSeries(10, 100)
    for time, plane in enumerate(planes):
        series.add(plane.path, [counted(plane, images)], FOLDER, time)
    return series


def due(series: OpenSeries, now: float, unread: set[Path] | None = None) -> list[int]:
    """How many slices each complete series has."""
    complete = series.due(now, unread or set())
    return [len(group) for groups in complete for group in groups]


def test_a_series_without_a_count_is_complete_when_it_is_quiet(planes: list[Slice]) -> None:
    series = opened(planes)
    assert (due(series, 11.9), due(series, 12)) == ([], [3])


def test_a_series_with_its_count_is_complete_at_once(planes: list[Slice]) -> None:
    assert due(opened(planes, 3), 2) == [3]
    assert due(opened(planes[:2], 3), 50) == []
    assert due(opened(planes[:2], 3), 101) == [2]


def test_a_count_that_is_too_small_says_nothing(planes: list[Slice]) -> None:
    """As that of one acquisition of several."""
    series = opened(planes, 2)
    assert (due(series, 11.9), due(series, 12)) == ([], [3])


def test_a_damaged_image_does_not_count_as_come(planes: list[Slice]) -> None:
    series = opened([*planes[:2], replace(planes[2], damage="truncated")], 3)
    assert (due(series, 50), due(series, 102)) == ([], [3])


def test_files_that_were_not_read_hold_the_series_of_their_folder(planes: list[Slice]) -> None:
    for images in (None, 3):
        series = opened(planes, images)
        assert due(series, 50, {FOLDER}) == []
        assert due(series, 50, {OTHER}) == [3]
        assert due(series, 102, {FOLDER}) == [3]  # but not for ever


def test_series_are_complete_one_by_one(planes: list[Slice]) -> None:
    series = opened([planes[0], replace(planes[1], series="1.2.3"), planes[2]])
    assert due(series, 11) == [1]
    assert due(series, 12) == [2, 1]


def test_series_that_share_a_file_come_together(planes: list[Slice]) -> None:
    series = OpenSeries(10, 100)
    one, two, three = planes
    names = "abcd"
    others = [replace(one, frame=n, series=f"1.2.{name}") for n, name in enumerate(names)]
    series.add(one.path, others[:2], FOLDER, 0)
    series.add(two.path, [replace(other, path=two.path) for other in others[2:]], FOLDER, 0)
    series.add(three.path, [replace(others[n], path=three.path) for n in (1, 2)], FOLDER, 5)
    assert series.due(14, set()) == []
    (together,) = series.due(15, set())
    assert sorted(len(group) for group in together) == [1, 1, 2, 2]


def test_slices_that_are_gone_are_not_waited_for(planes: list[Slice]) -> None:
    series = opened(planes)
    assert planes[2].path in series
    series.remove([planes[2].path, Path("/absent")])
    assert planes[2].path not in series
    assert len(series) == 2
    assert due(series, 11) == [2]
