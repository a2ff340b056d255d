"""Outlines of labelled regions, as stencils: how much of each pixel the outline's colour covers."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Stencil = npt.NDArray[np.uint8]
"""0 (nothing) to 255 (all) for each pixel."""

BORDER = 127.5
"""``depth`` at the border of a mask."""

_REACH = 1.5  # of the longer edge of a voxel: as far as distances are looked at
_VOXELS_MAX = 32  # the same along an axis, so that thin voxels take no longer
_WIDTH_PX = 1.5
# The line lies just outside the border, so that it hides none of a small lesion.
_OUTSIDE_PX = 0.5
_RIMS = ((0, slice(None)), (-1, slice(None)), (slice(None), 0), (slice(None), -1))


def depth(mask: npt.NDArray[np.bool_], pixels: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """How deep each voxel lies inside a mask: above ``BORDER`` inside, below it outside.

    Between the centres of voxels, values may be interpolated: the border found so is smooth also
    across thick slices, and passes no centre on its wrong side.

    Args:
        mask: rows x columns.
        pixels: of a voxel, down and across.
    """
    reach = _REACH * max(pixels)
    inwards = _distance(~mask, pixels, reach) - _distance(mask, pixels, reach)
    return (inwards * np.float32(BORDER / reach) + np.float32(BORDER + 0.5)).astype(np.uint8)


def _distance(
    mask: npt.NDArray[np.bool_], pixels: tuple[float, float], reach: float
) -> npt.NDArray[np.float32]:
    """Distance of each voxel to the nearest one of a mask, pixels; ``reach`` at most."""
    squared = np.where(mask, np.float32(0), np.float32(reach**2))
    for edge in pixels:  # along one axis, then the other
        nearest = squared.copy()
        for n in range(1, min(int(reach / edge), _VOXELS_MAX, len(squared) - 1) + 1):
            more = np.float32((n * edge) ** 2)
            np.minimum(nearest[n:], squared[:-n] + more, out=nearest[n:])
            np.minimum(nearest[:-n], squared[n:] + more, out=nearest[:-n])
        squared = nearest.T
    return np.sqrt(squared)


def contour(depths: npt.NDArray[np.uint8]) -> Stencil:
    """A line with soft edges around where depths are above ``BORDER``. At the rim of the picture it
    lies inside, because there is no outside.

    Args:
        depths: of pixels (rows x columns), with a frame of one pixel that is not drawn.

    Returns:
        The stencil without the frame.
    """
    down, across = _steepest(depths.T).T, _steepest(depths)
    inner = depths[1:-1, 1:-1]
    # Depths change within reach of the border: in a few pixels of all.
    near = np.flatnonzero(down | across)
    slope = np.hypot(down.reshape(-1)[near], across.reshape(-1)[near], dtype=np.float32)
    away = (np.float32(BORDER) - inner.reshape(-1)[near]) / slope  # pixels outwards
    cover = 0.5 + _WIDTH_PX / 2 - np.abs(away - _OUTSIDE_PX)
    stencil = np.zeros(inner.shape, np.uint8)
    stencil.reshape(-1)[near] = np.clip(cover, 0, 1) * 255 + 0.5
    for rim in _RIMS:
        stencil[rim] |= np.uint8(255) * (inner[rim] > BORDER)
    return stencil


def _steepest(depths: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The larger of a pixel's differences to its neighbours in the row, without the frame: where
    the slope changes, that of the neighbours to each other would be too small."""
    rows = depths[1:-1]
    steps = np.maximum(rows[:, 1:], rows[:, :-1]) - np.minimum(rows[:, 1:], rows[:, :-1])
    found: npt.NDArray[np.uint8] = np.maximum(steps[:, 1:], steps[:, :-1])
    return found


def edges(labels: Array) -> Stencil:
    """Lines of one pixel around each region, outside it; at the rim of the picture inside it.

    Args:
        labels: integers (rows x columns); 0 is outside.
    """
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        for one, other in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
            here = tuple(one if a == axis else slice(None) for a in (0, 1))
            there = tuple(other if a == axis else slice(None) for a in (0, 1))
            edge[here] |= (labels[here] < labels[there]) & (labels[there] > 0)
    for rim in _RIMS:
        edge[rim] |= labels[rim] > 0
    return edge * np.uint8(255)


def touch(labels: Array) -> bool:
    """Whether two regions touch along a row or column."""
    return any(
        bool(((one != other) & (one != 0) & (other != 0)).any())
        for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1]))
    )
