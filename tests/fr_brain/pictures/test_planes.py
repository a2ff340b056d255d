"""Slices lie as radiologists look at them, and show the intensities of tissue."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fr_brain.pictures.planes import PLANES, AnatomicalAxes, intensity_window, slice_at
from tests.factories import make_scan

Array = npt.NDArray[Any]


def axes_of(array: Array, affine: Array | None) -> AnatomicalAxes:
    rows = None if affine is None else tuple(tuple(map(float, row)) for row in affine[:3])
    scan, _ = make_scan(shape=array.shape, voxels_bytes=array.size, affine=rows)
    return AnatomicalAxes(scan)


def test_right_is_left_front_is_up_or_left_and_up_is_up() -> None:
    voxels = np.zeros((5, 6, 7), np.int16)
    voxels[4, :, :] += 1  # the person's right
    voxels[:, 5, :] += 10  # the front
    voxels[:, :, 6] += 100  # the top
    middle = (2.0, 2.0, 3.0)
    view = axes_of(voxels, np.eye(4)).to_anatomical(voxels)
    axial, coronal, sagittal = (slice_at(view, plane, middle) for plane in PLANES)
    assert (axial.shape, coronal.shape, sagittal.shape) == ((6, 5), (7, 5), (7, 6))
    assert (axial[3, 0], axial[0, 3], axial[3, 3]) == (1, 10, 0)
    assert (coronal[3, 0], coronal[0, 3], coronal[3, 3]) == (1, 100, 0)
    assert (sagittal[3, 0], sagittal[0, 3], sagittal[3, 3]) == (10, 100, 0)


def test_the_window_fits_tissue_and_ignores_a_few_bright_voxels() -> None:
    voxels = np.random.default_rng(4).normal(100, 5, (60, 60, 60))
    voxels[:20] = 0
    voxels[30, 30, 30] = 1e6
    low, high = intensity_window(voxels)
    assert low == pytest.approx(0, abs=1)
    assert 105 < high < 125
    inside = np.zeros(voxels.shape, bool)
    inside[40:50] = True
    voxels[40:50] += 200
    assert 300 < intensity_window(voxels, inside)[1] < 330


def test_an_index_and_its_position_follow_the_axes() -> None:
    voxels = np.zeros((5, 6, 7), np.uint8)
    affine = np.diag([-2.0, 3.0, 1.0, 1.0])  # the first axis runs to the left
    affine[:3, 3] = (10, -20, 30)
    axes = axes_of(voxels, affine)
    assert axes.index((1.0, 2.0, 3.0)) == (3.0, 2.0, 3.0)
    at = axes.index((1.0, 2.0, 3.0))
    assert [axes.position_text(at, axis) for axis in range(3)] == ["R 8 mm", "P 14 mm", "S 33 mm"]
    assert axes.extent_mm(1) == 18
    assert axes.tilt_degrees == 0
    assert axes_of(voxels, None).position_text((1.0, 2.0, 3.0), 2) == "voxel 3"


def test_a_turned_scan_tells_its_tilt() -> None:
    angle = np.radians(12)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert axes_of(np.zeros((5, 6, 7), np.uint8), turn).tilt_degrees == pytest.approx(12)
