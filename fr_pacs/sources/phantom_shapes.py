"""What a phantom is made of: smooth random fields, and ellipsoids that partly fill voxels.

Positions are in mm from the centre of the volume, arrays have the axes z, y, x.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.floating]  # float64 where made; numpy's stubs lose it in arithmetic

FIELD_OF_VIEW_MM = 192.0
"""Edge of the imaged cube. A voxel's edges are this over the shape."""


@dataclass(frozen=True, slots=True)
class LowRank:
    """A field that is a constant and a sum of products of one factor an axis."""

    constant: np.float32
    z: Floats  # terms x planes
    planes: Floats  # terms x rows x columns

    def add_to(self, slab: Floats, first: int, scratch: Floats) -> None:
        """Add its planes from ``first`` on to the slab; ``scratch`` has the slab's shape."""
        slab += self.constant
        for factors, plane in zip(self.z, self.planes, strict=True):
            np.multiply(factors[first : first + len(slab), None, None], plane, out=scratch)
            slab += scratch


class Waves:
    """A smooth random field: a sum of products of one cosine an axis, which on a coarse grid over
    the field of view spans ``-span`` to ``span``."""

    def __init__(
        self,
        generator: np.random.Generator,
        terms: int,
        frequency: tuple[float, float],
        span: float,
    ) -> None:
        # Cycles over half of the field of view, and phases: terms x axes.
        self._frequency = generator.uniform(*frequency, (terms, 3))
        self._phase = generator.uniform(0, 2 * math.pi, (terms, 3))
        coarse = np.linspace(-FIELD_OF_VIEW_MM / 2, FIELD_OF_VIEW_MM / 2, 13)
        x, y, z = (self._cosines(coarse, axis) for axis in range(3))
        field = (z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :]).sum(axis=0)
        low, high = float(field.min()), float(field.max())
        self._scale = 2 * span / (high - low)
        self._offset = -span * (high + low) / (high - low)

    def over(self, axes: list[Doubles]) -> LowRank:
        """On the grid of these positions in mm along x, y and z."""
        x, y, z = (self._cosines(mm, axis) for axis, mm in enumerate(axes))
        planes = (y[:, :, None] * x[:, None, :]).astype(np.float32)
        return LowRank(np.float32(self._offset), (z * self._scale).astype(np.float32), planes)

    def at(self, point: Doubles) -> float:
        """At one point, mm."""
        factors = [self._cosines(point[axis : axis + 1], axis)[:, 0] for axis in range(3)]
        return float((factors[0] * factors[1] * factors[2]).sum() * self._scale) + self._offset

    def _cosines(self, mm: Doubles, axis: int) -> Doubles:
        turns = self._frequency[:, axis, None] * mm[None, :] * (2 * math.pi / FIELD_OF_VIEW_MM)
        return np.asarray(np.cos(2 * turns + self._phase[:, axis, None]))


@dataclass(frozen=True, slots=True)
class Blend:
    """An ellipsoid inside its bounding box: how much of each voxel it fills."""

    start: tuple[int, int, int]  # first voxel of the box along z, y, x
    filled: Floats  # 0 to 1, axes z, y, x
    intensity: float


def ellipsoid(
    axes: list[Doubles], centre: Doubles, unit: Doubles, reach: float, intensity: float
) -> Blend | None:
    """The blend of {p : |unit (p - centre)| <= 1}; None where no voxel is touched.

    Each voxel is sampled at the centres of its eight parts; the quadratic form is expanded
    around the voxel's centre, so a sample costs three multiplications.
    """
    edges = [float(mm[1] - mm[0]) for mm in axes]
    start, offsets = [], []
    for mm, edge, middle in zip(axes, edges, centre, strict=True):
        low = max(0, int(np.searchsorted(mm, middle - reach - edge)))
        high = min(len(mm), int(np.searchsorted(mm, middle + reach + edge)))
        if low >= high:
            return None
        start.append(low)
        offsets.append((mm[low:high] - middle).astype(np.float32))
    x, y, z = offsets[0][None, None, :], offsets[1][None, :, None], offsets[2][:, None, None]
    form = (unit[:, :, None] * unit[:, None, :]).sum(axis=0).astype(np.float32)
    slope = [form[axis, 0] * x + form[axis, 1] * y + form[axis, 2] * z for axis in range(3)]
    square = slope[0] * x + slope[1] * y + slope[2] * z
    filled = np.zeros(square.shape, np.float32)
    quarters = [(np.float32(-edge / 4), np.float32(edge / 4)) for edge in edges]
    for dx, dy, dz in itertools.product(*quarters):
        step = np.array([dx, dy, dz])
        own = np.float32((form * step[:, None] * step[None, :]).sum())
        filled += square + 2 * (dx * slope[0] + dy * slope[1] + dz * slope[2]) + own <= 1
    filled *= np.float32(1 / 8)
    return Blend((start[2], start[1], start[0]), filled, intensity)


def mix(slab: Floats, first: int, blend: Blend, white: float) -> None:
    """Put what of the ellipsoid lies in the slab into it."""
    z, y, x = blend.start
    depth, height, width = blend.filled.shape
    low, high = max(z, first), min(z + depth, first + len(slab))
    if low >= high:
        return
    filled = blend.filled[low - z : high - z]
    part = slab[low - first : high - first, y : y + height, x : x + width]
    part += filled * (np.float32(blend.intensity * white) - part)


def rotation(generator: np.random.Generator) -> Doubles:
    """A uniform random rotation: that of a unit quaternion drawn from four normals."""
    quaternion: npt.NDArray[Any] = generator.standard_normal(4)
    w, x, y, z = quaternion / math.sqrt(float((quaternion**2).sum()))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
