"""Ellipsoids and a smooth bias field on the voxel grid of a phantom."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom.draws import Draws, Float32Array, Float64Array, polynomials

UInt16Array = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Blend:
    """An ellipsoid on the voxel grid."""

    start: tuple[int, int, int]
    """First voxel of its box: z, y, x."""
    filled: Float32Array
    """Share of each voxel of the box that it fills, 0 to 1: (z, y, x)."""
    intensity: float
    """Relative to white matter."""


def ellipsoid(
    axes: list[Float64Array],
    spacing_mm: tuple[float, float, float],
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    rotation: Float64Array,
    intensity: float,
) -> Blend | None:
    """Compute which share of each voxel an ellipsoid fills; None if it lies outside the grid.

    Args:
        axes: centres of the voxels along x, y and z, mm.
        spacing_mm: of the voxels along x, y and z.
        centre: x, y, z, mm.
        radii: semi-axes, mm.
        rotation: 3 x 3; its columns are the directions of the semi-axes.
        intensity: relative to white matter.
    """
    start, parts, points = [], [], []
    for mm, edge, middle, row in zip(axes, spacing_mm, centre, rotation.tolist(), strict=True):
        reach = math.sqrt(
            sum((share * radius) ** 2 for share, radius in zip(row, radii, strict=True))
        )
        first = max(0, int(np.searchsorted(mm, middle - reach - edge)))
        last = min(len(mm), int(np.searchsorted(mm, middle + reach + edge)))
        if first >= last:
            return None
        split = min(8, max(2, round(edge) + 1))
        within = (np.arange(split) + 0.5) / split - 0.5
        start.append(first)
        parts.append(split)
        offsets = (mm[first:last, None] - middle) + within * edge
        points.append(offsets.astype(np.float32).ravel())
    x, y, z = points[0][None, None, :], points[1][None, :, None], points[2][:, None, None]
    inside = _squared(rotation[:, 0], radii[0], x, y, z)
    for axis in (1, 2):
        inside += _squared(rotation[:, axis], radii[axis], x, y, z)
    nz, ny, nx = (part.size // split for part, split in zip(points[::-1], parts[::-1], strict=True))
    split_up = (inside <= 1).reshape(nz, parts[2], ny, parts[1], nx, parts[0])
    counts = split_up.sum(axis=(1, 3, 5), dtype=np.uint16)
    filled = counts.astype(np.float32) * np.float32(1 / math.prod(parts))
    return Blend((start[2], start[1], start[0]), filled, intensity)


def _squared(
    axis: Float64Array, radius: float, x: Float32Array, y: Float32Array, z: Float32Array
) -> Float32Array:
    a, b, c = (np.float32(share / radius) for share in axis.tolist())
    along: Float32Array = (a * x + b * y) + c * z
    along *= along
    return along


def blend_into(
    slab: Float32Array, corner: tuple[int, int, int], blend: Blend, intensity: float
) -> None:
    """Blend the part of an ellipsoid that lies in a slab into it, in place.

    Args:
        slab: intensities (z, y, x).
        corner: the slab's first voxel in the volume (z, y, x).
        blend: the ellipsoid.
        intensity: of the ellipsoid, in units of the slab.
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


class SyntheticBias:
    """A smooth field between ``1 - span`` and ``1 + span`` inside a head: the sum of two products
    of one polynomial per axis.

    Args:
        draws: the random numbers.
        span: largest deviation from 1.
        axes: centres of the voxels along x, y and z, mm.
        unit: a factor of the whole field.
    """

    _TERMS = 2
    _SPAN_MM = 100.0
    _BRAIN_MM = (66.0, 82.0, 70.0)

    def __init__(self, draws: Draws, span: float, axes: list[Float64Array], unit: float) -> None:
        mixes = [[self._mix(draws) for _ in range(3)] for _ in range(self._TERMS)]
        low, high = self._extremes(mixes)
        scale = 2 * span / (high - low)
        self._base = np.float32(unit * (1 - span - low * scale))
        factors = [[self._along(mm, m) for mm, m in zip(axes, mix, strict=True)] for mix in mixes]
        self._planes = [
            (unit * scale * (y[:, None] * x[None, :])).astype(np.float32) for x, y, _ in factors
        ]
        self._along_z = [z.astype(np.float32) for _, _, z in factors]

    def apply(
        self,
        box: tuple[slice, slice, slice],
        slab: Float32Array,
        field: Float32Array,
        scratch: Float32Array,
    ) -> None:
        """Multiply a box by the field, in place.

        Args:
            box: planes, rows and columns in the volume.
            slab: the values of the box (z, y, x).
            field: memory of the same shape.
            scratch: memory of the same shape.
        """
        where, rows, columns = box
        field.fill(self._base)
        for plane, z in zip(self._planes, self._along_z, strict=True):
            np.multiply(plane[rows, columns], z[where, None, None], out=scratch)
            field += scratch
        slab *= field

    @staticmethod
    def _mix(draws: Draws) -> list[float]:
        # Smaller weights for polynomials that bend more.
        return [
            sign * size
            for sign, size in zip(draws.uniforms_signed(4), (1, 1, 0.5, 0.2), strict=True)
        ]

    def _along(self, mm: Float64Array, mix: list[float]) -> Float64Array:
        total = np.zeros_like(mm)
        for share, part in zip(mix, polynomials(mm, self._SPAN_MM), strict=True):
            total = total + share * part
        return total

    def _extremes(self, mixes: list[list[list[float]]]) -> tuple[float, float]:
        """The minimum and maximum of the sum in an ellipsoid of the size of a brain."""
        probe = np.linspace(-1.0, 1.0, 17)
        inside = probe[:, None, None] ** 2 + probe[:, None] ** 2 + probe**2 <= 1
        total = np.zeros(inside.shape)
        for mix in mixes:
            x, y, z = (
                self._along(probe * reach, m) for reach, m in zip(self._BRAIN_MM, mix, strict=True)
            )
            total = total + z[:, None, None] * y[:, None] * x
        seen = total[inside]
        return float(seen.min()), float(seen.max())
