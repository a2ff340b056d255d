"""Volumes that lack slices, or whose positions cannot be right, are told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.formats.dicom.completeness import (
    expected_images,
    has_all_images,
    missing_of,
    problems_of,
)
from common.formats.dicom.slices import NO_CLAIMS, Slice
from common.formats.dicom.stack import Stack
from tests.common.formats.dicom.dicom_files import Write, found, reason, slices_of, volume
from tests.common.formats.dicom.multiframe_files import voxels
from tests.common.formats.dicom.scaling_files import write_enhanced


@pytest.fixture
def planes(write: Write) -> list[Slice]:
    """Five slices, 5 mm apart, 4 mm thick."""
    return [plane for k in range(1, 6) for plane in slices_of(write(k))]


def claimed(planes: list[Slice], **claims: object) -> list[Slice]:
    return [replace(plane, claims=replace(NO_CLAIMS, **claims)) for plane in planes]  # type: ignore[arg-type]


def test_fewer_images_than_the_file_counts_are_missed(planes: list[Slice]) -> None:
    for count, missing in ((None, False), (4, False), (5, False), (6, True)):
        counted = claimed(planes, images=count)
        assert missing_of([counted], 0) is missing


def test_a_whole_volume_that_was_never_sent_is_no_gap(planes: list[Slice]) -> None:
    for count, missing in ((15, False), (14, True), (5, False)):  # 5 is the count of one volume
        counted = claimed(planes, images=count)
        assert missing_of([counted, counted], 0) is missing
    assert not missing_of([counted], 1)


def test_fewer_slices_than_a_volume_has_are_missed(planes: list[Slice]) -> None:
    assert [*problems_of(claimed(planes, slices=6))] == ["slices_missing"]
    assert [*problems_of(claimed(planes, slices=5))] == []


def test_a_slice_alone_needs_a_thickness(planes: list[Slice]) -> None:
    one = planes[:1]
    assert [*problems_of(claimed(one))] == ["thickness_unknown"]
    assert [*problems_of(claimed(one, thickness=4.0))] == []
    assert [*problems_of(claimed(one, spacing=5.0))] == []
    assert [*problems_of(claimed(planes))] == []


def test_every_second_slice_is_missed(planes: list[Slice]) -> None:
    assert [*problems_of(claimed(planes, spacing=2.5, thickness=2.5))] == ["slices_missing"]
    assert [*problems_of(claimed(planes, spacing=5.0, thickness=4.0))] == []
    # A gap of 1 mm between slices of 4 mm, which some devices write.
    assert [*problems_of(claimed(planes, spacing=1.0, thickness=4.0))] == []
    odd = [replace(plane, instance=2 * (plane.instance or 0)) for plane in planes]
    assert [*problems_of(claimed(odd, thickness=2.5))] == ["slices_missing"]
    assert [*problems_of(claimed(odd, thickness=5.0))] == []


def test_locations_that_contradict_the_positions_are_told(planes: list[Slice]) -> None:
    def located(*locations: float) -> list[str]:
        pairs = zip(planes, locations, strict=True)
        return [*problems_of([claimed([one], location=mm)[0] for one, mm in pairs])]

    assert located(0, 5, 10, 15, 20) == located(20, 15, 10, 5, 0) == located(3, 3, 3, 3, 3) == []
    assert located(0, 10, 5, 15, 20) == ["positions_contradict"]
    assert located(0, 1, 2, 3, 4) == ["positions_contradict"]


def test_a_series_has_all_images_if_whole_ones_are_as_many_as_the_headers_count(
    planes: list[Slice],
) -> None:
    for count, whole in ((None, None), (4, None), (5, True), (6, False)):
        counted = claimed(planes, images=count)
        assert (has_all_images(counted), expected_images(counted)) == (whole, count)
    five = claimed(planes, images=5)
    assert has_all_images([*five[:4], replace(five[4], damage="truncated")]) is False
    assert has_all_images([*five[:4], five[3]]) is False  # a copy
    # Frames of one file, of which either may be counted.
    frames = [replace(plane, uid="1.2", frame=k) for k, plane in enumerate(planes)]
    assert has_all_images(claimed(frames, images=5)) is has_all_images(claimed(frames, images=1))


def parts(folder: Path, *numbers: int, of: int = 3) -> list[Path]:
    """Files of a concatenation of two slices each, of which only these are there."""
    return [
        write_enhanced(
            folder / f"{n}.dcm",
            voxels(2 * of)[:, :, 2 * n : 2 * n + 2],
            first=2 * n,
            SeriesInstanceUID="1.2.3",
            ConcatenationUID="1.2.4",
            InConcatenationNumber=n + 1,
            InConcatenationTotalNumber=of,
        )
        for n in numbers
    ]


def test_the_parts_of_a_concatenation_are_one_volume(tmp_path: Path) -> None:
    paths = parts(tmp_path, 2, 0, 1)
    np.testing.assert_array_equal(volume(*paths)[0], voxels(6))
    [(_, stack)] = found(*paths)
    assert isinstance(stack, Stack)
    assert stack.problems == ()
    assert has_all_images(stack.slices) is None


@pytest.mark.parametrize("there", [(0, 1), (1, 2), (1,)])
def test_a_part_that_is_missing_at_an_end_is_noticed(
    tmp_path: Path, there: tuple[int, ...]
) -> None:
    [(_, stack)] = found(*parts(tmp_path, *there))
    assert isinstance(stack, Stack)
    assert stack.problems == ("slices_missing",)
    assert has_all_images(stack.slices) is False


def test_a_part_that_is_missing_in_the_middle_costs_the_volume(tmp_path: Path) -> None:
    assert "slice missing" in reason(*parts(tmp_path, 0, 2))
