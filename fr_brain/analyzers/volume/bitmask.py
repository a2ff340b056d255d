"""Binary morphology on masks with one bit per voxel, packed along x, lowest bit first.

A bitmask takes an eighth of the memory of a mask of bytes, and one operation handles eight voxels.
Bits past the end of a row may be set. Dilation and closing are textbook morphology (Serra, Image
Analysis and Mathematical Morphology, 1982); the packed implementation is our own.
"""

import math

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools

Bitmask = npt.NDArray[np.uint8]
"""Axes z, y, x; along x a byte holds eight voxels."""
Spacing = tuple[float, float, float]
"""Distance between voxels along z, y, x, mm."""

_CLOSING_EDGE_MM = 2.0  # edge of the blocks in which a mask is closed
_CORNER_STEPS = 1.25  # voxel edges beyond which a single step goes over corners too


def pack(mask: Bools) -> Bitmask:
    """A mask (booleans, axes z, y, x) with one bit per voxel."""
    return np.packbits(mask, axis=-1, bitorder="little")


def unpack(bitmask: Bitmask, columns: int) -> Bools:
    """The booleans of a bitmask that has ``columns`` voxels along x; axes z, y, x."""
    return np.unpackbits(bitmask, axis=-1, count=columns, bitorder="little").view(np.bool_)


def dilate_axis(bitmask: Bitmask, axis: int) -> Bitmask:
    """Dilate by one voxel to both sides along an axis (0: z, 1: y, 2: x)."""
    if axis == 2:
        # All rows as one long row, which is faster; no bit may pass from one row to the next.
        flat = bitmask.reshape(-1)
        out = flat | flat << np.uint8(1)
        out |= flat >> np.uint8(1)
        over = bitmask >> np.uint8(7)
        over[..., -1] = 0
        out[1:] |= over.reshape(-1)[:-1]
        over = bitmask << np.uint8(7)
        over[..., 0] = 0
        out[:-1] |= over.reshape(-1)[1:]
        return out.reshape(bitmask.shape)
    out = bitmask.copy()
    ahead: list[slice] = [slice(None)] * 3
    behind: list[slice] = [slice(None)] * 3
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    out[tuple(ahead)] |= bitmask[tuple(behind)]
    out[tuple(behind)] |= bitmask[tuple(ahead)]
    return out


def dilate_box(
    bitmask: Bitmask,
    reach: float,
    spacing_mm: Spacing,
    allowed: Bitmask | None = None,
    *,
    least: int = 0,
) -> Bitmask:
    """Dilate by a box, one voxel at a time.

    Args:
        bitmask: the mask.
        reach: half of the box's edge, mm.
        spacing_mm: distance between voxels along z, y, x, mm.
        allowed: the voxels that may be added; None allows all.
        least: the least reach along each axis, voxels.
    """
    for axes in _steps(reach, spacing_mm, least):
        for axis in axes:
            more = dilate_axis(bitmask, axis)
            bitmask = more if allowed is None else bitmask | more & allowed
    return bitmask


def dilate_octahedron(bitmask: Bitmask, reach: float, spacing_mm: Spacing) -> Bitmask:
    """Dilate by about an octahedron that reaches ``reach`` mm along the axes."""
    return _dilate_in_steps(bitmask, _steps(reach, spacing_mm), [_needs_box(reach, spacing_mm)])


def dilate_ball(bitmask: Bitmask, reach: float, spacing_mm: Spacing) -> Bitmask:
    """Dilate by about a ball of radius ``reach`` mm: octahedron and box steps in turn."""
    steps = _steps(reach, spacing_mm)
    return _dilate_in_steps(
        bitmask, steps, [_needs_box(reach, spacing_mm)] if len(steps) < 2 else [False, True]
    )


def _needs_box(reach: float, spacing_mm: Spacing) -> bool:
    """Whether a single step falls short of the reach unless it also goes over corners."""
    return round(reach / min(spacing_mm)) < 2 and reach > _CORNER_STEPS * min(spacing_mm)


def _dilate_in_steps(bitmask: Bitmask, steps: list[list[int]], boxes: list[bool]) -> Bitmask:
    for step, axes in enumerate(steps):
        out = dilate_axis(bitmask, axes[0])
        for axis in axes[1:]:
            if boxes[step % len(boxes)]:
                out = dilate_axis(out, axis)
            else:
                out |= dilate_axis(bitmask, axis)
        bitmask = out
    return bitmask


def close_ball(bitmask: Bitmask, columns: int, reach: float, spacing_mm: Spacing) -> Bitmask:
    """Close by about a ball, on blocks of about 2 mm (or one voxel) that the mask fills by half.

    Args:
        bitmask: the mask.
        columns: voxels along x.
        reach: radius of the ball, mm.
        spacing_mm: distance between voxels along z, y, x, mm.
    """
    depth, rows, width = bitmask.shape[0], bitmask.shape[1], 8 * bitmask.shape[2]
    factor = [max(1, round(_CLOSING_EDGE_MM / edge)) for edge in spacing_mm]
    blocks = [math.ceil(n / f) for n, f in zip((depth, rows, columns), factor, strict=True)]
    whole = np.zeros((blocks[0] * factor[0], blocks[1] * factor[1], bitmask.shape[2]), np.uint8)
    whole[:depth, :rows] = bitmask
    counts = np.zeros((blocks[0], blocks[1], max(width, blocks[2] * factor[2])), np.uint8)
    for plane in range(factor[0]):
        for row in range(factor[1]):
            part = whole[plane :: factor[0], row :: factor[1]]
            counts[..., :columns] += unpack(part, columns).view(np.uint8)
    wide = counts[..., 0 : blocks[2] * factor[2] : factor[2]].copy()
    for column in range(1, factor[2]):
        wide += counts[..., column : blocks[2] * factor[2] : factor[2]]
    edges = (spacing_mm[0] * factor[0], spacing_mm[1] * factor[1], spacing_mm[2] * factor[2])
    room = [math.ceil(reach / edge) + 1 for edge in edges]
    half = np.pad(wide >= math.prod(factor) / 2, [(n, n) for n in room])
    out = dilate_ball(pack(half), reach, edges)
    out = ~dilate_ball(~out, reach, edges)
    inner = tuple(slice(n, -n) for n in room)
    spread = unpack(out, half.shape[2])[inner]
    spread = np.repeat(spread, factor[2], axis=2)[..., :columns]
    return np.repeat(np.repeat(pack(spread), factor[1], axis=1)[:, :rows], factor[0], axis=0)[
        :depth
    ]


def _steps(reach: float, spacing_mm: Spacing, least: int = 0) -> list[list[int]]:
    """The axes of each step, so that every axis reaches equally far in mm."""
    counts = [max(least, round(reach / edge)) for edge in spacing_mm]
    most = max(counts)
    steps = [
        [
            axis
            for axis, count in enumerate(counts)
            if (step + 1) * count // most > step * count // most
        ]
        for step in range(most)
    ]
    return [axes for axes in steps if axes]
