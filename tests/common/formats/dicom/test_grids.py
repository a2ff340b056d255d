"""Slices of one plane, size and spacing belong together, whatever the last digit says."""

from typing import Any

from common.formats.dicom.grids import by_grid, names_of
from tests.common.formats.dicom.dicom_files import Write, slices_of


def test_planes_sizes_and_spacings_are_told_apart_and_rounding_is_not(write: Write) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"Rows": 2, "Columns": 6},
        {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
        {"PixelSpacing": [2.0, 1.6]},
        {"ImageOrientationPatient": [1, 0.0004, 0, 0, 1, 0]},
        {},
    ]
    slices = [plane for n, one in enumerate(changes) for plane in slices_of(write(n, **one))]
    assert [[plane.instance for plane in grid] for grid in by_grid(slices)] == [
        [0, 4, 5],
        [1],
        [2],
        [3],
    ]


def test_grids_are_told_apart_by_their_plane_or_by_a_number(write: Write) -> None:
    axial, coronal = [1, 0, 0, 0, 1, 0], [1, 0.01, 0, 0, 0.02, -1]
    sagittal = [0, 1, 0, 0, 0, -1]
    grids = [slices_of(write(1, ImageOrientationPatient=one)) for one in (axial, coronal, sagittal)]
    assert names_of(grids) == ["axial", "coronal", "sagittal"]
    assert names_of(grids[:1]) == [""]
    other = slices_of(write(1, PixelSpacing=[2.0, 1.6]))
    assert names_of([grids[0], other]) == ["grid 1 of 2", "grid 2 of 2"]
