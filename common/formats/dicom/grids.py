"""Slices of one grid: the same rows, columns, cells, tiles of a mosaic, plane and pixel spacing."""

from collections.abc import Sequence

import numpy as np

from common.formats.dicom.slices import Slice

_TOLERANCE = 1e-3  # by which direction cosines and pixel spacings (mm) of one series may differ

_PLANES = ("sagittal", "coronal", "axial")
"""The plane whose normal is nearest to the patient's x, y or z."""

_Grid = tuple[tuple[int, int, int, int], tuple[float, ...]]


def by_grid(slices: Sequence[Slice]) -> list[list[Slice]]:
    """The slices of each grid, in the order of their first ones; all of them have a geometry."""
    groups: dict[_Grid, list[Slice]] = {}
    for plane in slices:
        groups.setdefault(_grid(plane), []).append(plane)
    merged: dict[_Grid, list[Slice]] = {}
    for grid, members in groups.items():
        # With a tolerance instead of rounding, which can separate values that are nearly equal.
        near = next((seen for seen in merged if _near(seen, grid)), grid)
        merged.setdefault(near, []).extend(members)
    if len(merged) < len(groups):
        order = {id(plane): n for n, plane in enumerate(slices)}
        for members in merged.values():
            members.sort(key=lambda plane: order[id(plane)])
    return list(merged.values())


def _grid(plane: Slice) -> _Grid:
    place = plane.geometry
    numbers = () if place is None else (*place.row, *place.column, *place.spacing)
    return (plane.rows, plane.columns, plane.bits, plane.tiles), numbers


def _near(one: _Grid, two: _Grid) -> bool:
    return one[0] == two[0] and all(
        abs(a - b) <= _TOLERANCE for a, b in zip(one[1], two[1], strict=True)
    )


def names_of(grids: Sequence[Sequence[Slice]]) -> list[str]:
    """What tells the grids of a series apart, in words for people: the plane if that is enough,
    else a number; empty if there is one grid."""
    if len(grids) < 2:
        return ["" for _ in grids]
    planes = [_plane(grid[0]) for grid in grids]
    if len(set(planes)) == len(planes):
        return planes
    return [f"grid {number} of {len(grids)}" for number in range(1, len(grids) + 1)]


def _plane(plane: Slice) -> str:
    place = plane.geometry
    if place is None:
        return ""
    return _PLANES[int(np.argmax(np.abs(np.cross(place.row, place.column))))]
