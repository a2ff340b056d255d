"""Slices in space: the affine is right, and what does not lie evenly is named."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.formats.dicom.stack import Stack
from tests.common.formats.dicom.dicom_files import (
    DATA,
    Write,
    enhanced,
    found,
    read_voxels,
    reason,
    volume,
)

# pydicom warns of padding and wrong VRs in its odd test files; in use a filter of the module
# silences that, which pytest's own filters overrule here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def test_slices_are_stacked_by_position_whatever_their_names_and_numbers(write: Write) -> None:
    paths = [write(k, f"{name}.dcm") for k, name in zip((3, 1, 2, 4), "abcd", strict=True)]
    voxels, affine = volume(*paths)
    assert voxels.shape == (4, 3, 4)
    assert voxels.flags.f_contiguous
    assert [int(value) for value in voxels[0, 0]] == [100, 200, 300, 400]
    assert affine[2].tolist() == [0, 0, 5, 5]


def test_the_first_axis_runs_along_a_row_and_the_second_down_a_column(write: Write) -> None:
    voxels, affine = volume(write(1))
    assert voxels[:, 0, 0].tolist() == [100, 101, 102, 103]
    assert voxels[0, :, 0].tolist() == [100, 104, 108]
    # Column index 3 is 3 * 1.5 mm to the left of (10, 20, 5) LPS, row index 2 is 2 * 2 mm back.
    assert (affine @ [3, 2, 0, 1]).tolist() == [-14.5, -24, 5]


def test_a_slice_that_is_alone_is_as_thick_as_its_header_says(write: Write) -> None:
    assert volume(write(1))[1][2, 2] == 4
    assert volume(write(1, SpacingBetweenSlices=-6.0))[1][2, 2] == 6
    assert volume(write(1, SliceThickness=None))[1][2, 2] == 1


def test_an_oblique_series_lands_on_hand_computed_points(write: Write) -> None:
    # A row points left and down a 3-4-5 triangle, a column to the back; normal = row x column.
    turned = {"ImageOrientationPatient": [0.8, 0, -0.6, 0, 1, 0]}
    normal = np.array([0.6, 0, 0.8])
    first = np.array([-30.0, 7.0, 11.0])
    paths = [
        write(k, ImagePositionPatient=(first + (k - 1) * 2.5 * normal).tolist(), **turned)
        for k in (2, 3, 1)
    ]
    _, affine = volume(*paths)
    lps = first + 1.5 * 2 * np.array([0.8, 0, -0.6]) + 2.0 * 1 * np.array([0, 1, 0]) + 2.5 * normal
    np.testing.assert_allclose(affine @ [2, 1, 1, 1], lps * [-1, -1, 1], atol=1e-9)


def test_a_tilted_gantry_shears_the_affine(write: Write) -> None:
    paths = [write(k, ImagePositionPatient=[0, 1.25 * k, 5.0 * k]) for k in (1, 2, 3)]
    assert volume(*paths)[1][:, 2].tolist() == [0, -1.25, 5]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    origin=st.tuples(*[st.floats(-200, 200)] * 3),
    step=st.floats(0.5, 10),
    order=st.permutations([1, 2, 3, 4]),
)
def test_any_orientation_puts_each_corner_where_dicom_says(
    write: Write,
    angles: tuple[float, ...],
    origin: tuple[float, ...],
    step: float,
    order: list[int],
) -> None:
    (ca, cb, cc), (sa, sb, sc) = np.cos(angles), np.sin(angles)
    turn: npt.NDArray[np.float64] = (
        np.array([[ca, -sa, 0], [sa, ca, 0], [0, 0, 1]])
        @ np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
        @ np.array([[1, 0, 0], [0, cc, -sc], [0, sc, cc]])
    ).round(9)
    row, column, normal = turn[:, 0], turn[:, 1], turn[:, 2]
    places = {k: (np.array(origin) + k * step * normal).round(6) for k in order}
    paths = [
        write(
            k,
            ImageOrientationPatient=[f"{x:.9f}" for x in (*row, *column)],
            ImagePositionPatient=[f"{x:.6f}" for x in places[k]],
        )
        for k in order
    ]
    voxels, affine = volume(*paths)
    for k in order:
        [index] = np.argwhere(voxels == 100 * k + 11)  # the last pixel of slice k
        lps = places[k] + 3 * 1.5 * row + 2 * 2.0 * column
        np.testing.assert_allclose(affine @ [*index, 1], lps * [-1, -1, 1], atol=1e-3)


def test_a_missing_slice_is_named_by_its_neighbours(write: Write) -> None:
    told = reason(*(write(k) for k in (1, 2, 3, 4, 6, 7)))
    assert told.startswith("slice missing between instance 4 and instance 6 (10.00 mm apart)")


def test_a_missing_slice_among_three_is_found(write: Write) -> None:
    assert "between instance 1 and instance 3" in reason(write(1), write(3), write(4))


def test_files_name_a_gap_where_there_are_no_instance_numbers(write: Write) -> None:
    paths = [write(k, InstanceNumber=None) for k in (1, 2, 4)]
    assert "between 002.dcm and 004.dcm" in reason(*paths)


def test_uneven_spacing_is_refused_and_rounding_is_not(write: Write) -> None:
    at = {1: 5.0, 2: 10.1, 3: 15.0, 4: 19.95}
    volume(*(write(k, ImagePositionPatient=[0, 0, z]) for k, z in at.items()))
    at[3] = 16.2
    told = reason(*(write(k, ImagePositionPatient=[0, 0, z]) for k, z in at.items()))
    assert "not evenly spaced" in told
    assert "instance 3 is off by" in told


def test_a_slice_that_is_shifted_sideways_is_refused(write: Write) -> None:
    paths = [write(k, ImagePositionPatient=[7 * (k == 2), 0, 5 * k]) for k in (1, 2, 3)]
    assert "instance 2 is off by 7.00 mm" in reason(*paths)


@pytest.mark.parametrize(
    "changes",
    [
        {"ImagePositionPatient": None},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]},
        {"PixelSpacing": [1, 0]},
    ],
)
def test_without_geometry_only_a_file_that_the_user_named_is_sent(
    write: Write, changes: dict[str, Any]
) -> None:
    path = write(1, **changes)
    assert "no geometry" in reason(path)
    [(label, stack)] = found(path, single_file=True)
    assert label == "001.dcm"
    assert isinstance(stack, Stack)
    assert stack.affine is None
    assert read_voxels(stack)[0].shape == (4, 3, 1)


def test_a_gap_between_frames_names_the_frames(write: Write) -> None:
    told = reason(enhanced(write(1), [0.0, 3.0, 6.0, 12.0]))
    assert "between frame 3 and frame 4" in told


def test_a_real_ct_series_with_a_gap_is_refused() -> None:
    paths = sorted((DATA / "dicomdirtests/77654033/CT2").iterdir())
    assert "slice missing between instance 18 and instance 180" in reason(*paths)


def test_each_plane_of_a_real_localizer_is_a_volume() -> None:
    volumes = found(*(DATA / "dicomdirtests/98892001/CT2N").iterdir())
    assert [isinstance(stack, Stack) and stack.role for _, stack in volumes] == ["localizer"] * 2
