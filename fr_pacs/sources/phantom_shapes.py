"""What phantoms are made of: lines of sight through the template, ellipsoids, a smooth field."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom_draws import Doubles, Draws, Floats, polynomials

Wholes = npt.NDArray[np.int64]
Shorts = npt.NDArray[np.uint16]

STEPS = 16
"""Weights of a voxel's template cells are whole and sum to this: three axes fill 16 bits."""


@dataclass(frozen=True, slots=True)
class Taps:
    """Which cells of the template each voxel covers along one axis, and how much of each."""

    cells: Wholes
    """Lines x taps x voxels; ascending along the taps and the voxels."""
    weights: Shorts
    """The same shape; sums to ``STEPS`` along the taps."""

    def reach(self, line: int, low: int, high: int) -> tuple[int, int]:
        """The voxels (first, last + 1) that cover any of the cells ``low`` to ``high - 1``."""
        cells = self.cells[line]
        first = int(np.searchsorted(cells[-1], low))
        return first, max(first, int(np.searchsorted(cells[0], high)))


def taps(centres: Doubles, width: float, cells: int) -> Taps:
    """Cells under voxels of ``width`` cells (at least one is covered) around ``centres``
    (lines x voxels, in cells: the middle of cell 0 is 0)."""
    width = max(1.0, width)
    count = math.ceil(width) + 1
    low = (centres + (0.5 - width / 2))[:, None, :]
    first = np.floor(low)
    steps = np.arange(count, dtype=np.float64)[None, :, None]
    # Where each cell ends, as a share of the voxel; rounded there, so that the sum is kept.
    ends = np.clip((first + steps + 1 - low) / width, 0, 1)
    ends[:, -1] = 1
    rounded = np.rint(ends * STEPS).astype(np.uint16)
    weights = np.diff(rounded, axis=1, prepend=np.uint16(0))
    index = np.clip(first + steps, 0, cells - 1).astype(np.int64)
    return Taps(index, weights)


@dataclass(frozen=True, slots=True)
class Blend:
    """An ellipsoid on the voxel grid."""

    start: tuple[int, int, int]
    """First voxel of its box: z, y, x."""
    filled: Floats
    """Share of each voxel of the box that it fills."""
    intensity: float
    """Over that of white matter."""


def ellipsoid(
    axes: list[Doubles],
    edges: tuple[float, float, float],
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    turn: Doubles,
    intensity: float,
) -> Blend | None:
    """An ellipsoid as shares of voxels; None where it lies outside of the grid.

    Args:
        axes: middles of the voxels along x, y and z, mm.
        edges: of a voxel, mm.
        centre: mm.
        radii: semi-axes, mm.
        turn: rotation of its axes.
        intensity: over that of white matter.
    """
    reach = max(radii)
    start, offsets = [], []
    for mm, edge, middle in zip(axes, edges, centre, strict=True):
        first = max(0, int(np.searchsorted(mm, middle - reach - edge)))
        last = min(len(mm), int(np.searchsorted(mm, middle + reach + edge)))
        if first >= last:
            return None
        parts = min(8, max(2, math.ceil(edge / 0.5)))
        within = (np.arange(parts) + 0.5) / parts - 0.5
        start.append(first)
        offsets.append(((mm[first:last, None] - middle) + within * edge).ravel())
    x, y, z = offsets[0][None, None, :], offsets[1][None, :, None], offsets[2][:, None, None]
    square: Doubles = np.zeros((z.size, y.size, x.size))
    for axis in range(3):
        along = (turn[0, axis] * x + turn[1, axis] * y + turn[2, axis] * z) / radii[axis]
        square += along * along
    counts = (square <= 1).astype(np.uint16)
    total = 1
    for axis, mm in ((2, 0), (1, 1), (0, 2)):
        voxels = counts.shape[axis]
        parts = min(8, max(2, math.ceil(edges[mm] / 0.5)))
        split = [*counts.shape[:axis], voxels // parts, parts, *counts.shape[axis + 1 :]]
        counts = counts.reshape(split).sum(axis=axis + 1, dtype=np.uint16)
        total *= parts
    filled = counts.astype(np.float32) * np.float32(1 / total)
    return Blend((start[2], start[1], start[0]), filled, intensity)


def blend_into(slab: Floats, corner: tuple[int, int, int], blend: Blend, intensity: float) -> None:
    """Put what of the ellipsoid lies in the slab into it.

    Args:
        slab: axes z, y, x.
        corner: the slab's first voxel in the volume.
        blend: the ellipsoid.
        intensity: what it is filled with.
    """
    slabs, own = [], []
    for first, n, begin, size in zip(
        corner, slab.shape, blend.start, blend.filled.shape, strict=True
    ):
        low, high = max(first, begin), min(first + n, begin + size)
        if low >= high:
            return
        slabs.append(slice(low - first, high - first))
        own.append(slice(low - begin, high - begin))
    part = slab[tuple(slabs)]
    part += blend.filled[tuple(own)] * (np.float32(intensity) - part)


class BiasField:
    """A smooth field between ``1 - span`` and ``1 + span`` inside of a head: a sum of three
    products of one polynomial an axis."""

    _TERMS = 3
    _SPAN_MM = 100.0

    def __init__(self, draws: Draws, span: float, axes: list[Doubles]) -> None:
        mixes = [[self._mix(draws) for _ in range(3)] for _ in range(self._TERMS)]
        probe = np.linspace(-80.0, 80.0, 9)
        seen = self._sum([[self._along(probe, m) for m in mix] for mix in mixes])
        low, high = float(seen.min()), float(seen.max())
        scale = 2 * span / (high - low)
        self._base = np.float32(1 - span - low * scale)
        factors = [[self._along(mm, m) for mm, m in zip(axes, mix, strict=True)] for mix in mixes]
        self._planes = [
            (scale * (y[:, None] * x[None, :])).astype(np.float32) for x, y, _ in factors
        ]
        self._along_z = [z.astype(np.float32) for _, _, z in factors]

    def over(self, box: tuple[slice, slice, slice], out: Floats, scratch: Floats) -> None:
        """The field in a box (z, y, x); both arrays have its shape."""
        out.fill(self._base)
        for plane, z in zip(self._planes, self._along_z, strict=True):
            np.multiply(plane[box[1], box[2]], z[box[0], None, None], out=scratch)
            out += scratch

    @staticmethod
    def _mix(draws: Draws) -> list[float]:
        # Less of what bends more.
        return [sign * size for sign, size in zip(draws.signs(4), (1, 1, 0.5, 0.2), strict=True)]

    def _along(self, mm: Doubles, mix: list[float]) -> Doubles:
        total = np.zeros_like(mm)
        for share, part in zip(mix, polynomials(mm, self._SPAN_MM), strict=True):
            total = total + share * part
        return total

    @staticmethod
    def _sum(factors: list[list[Doubles]]) -> Doubles:
        total = np.zeros(())
        for x, y, z in factors:
            total = total + z[:, None, None] * y[None, :, None] * x[None, None, :]
        return np.asarray(total)
