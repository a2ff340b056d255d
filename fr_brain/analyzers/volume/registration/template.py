"""The head that scans are registered to: MNI152's tissues at 4 mm, in mm of MNI space.

The channels are text in ``template_data.py``, because analyzers read no files. ``make template``
makes them; ``template.txt`` has their notice. They are symmetric about the middle, as the atlas is.
"""

import base64
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Floats
from fr_brain.analyzers.volume.registration.template_data import PACKED

CHANNELS = ("grey", "white", "inside", "ventricles", "infratentorial")
"""Shares of grey and white matter, of all inside the skull, of the lateral ventricles, and of
cerebellum and brain stem with the fluid around them."""
LEVELS = 15
"""A share of 1 in the packed data."""
SPACING_MM = 4.0
"""Distance between grid points along each axis, mm."""
SHAPE = (41, 51, 42)
"""Grid points along x (right), y (front) and z (up)."""
HALF_SHAPE = (21, 51, 42)
"""Those from the middle to the right, which are stored."""
ORIGIN_MM = (-80.0, -116.0, -72.0)
"""MNI position of the first grid point, mm. Below it, the atlas has nothing."""

Points = npt.NDArray[np.float32]
"""Positions (n, 3): x, y, z, mm."""


BELOW_MM = 4.0
"""The atlas ends at its lower end, so points this near to it are not compared."""


class Field:
    """Several channels on a grid, that of the template or another one.

    Args:
        channels: arrays with the axes x, y, z of the grid.
        origin_mm: position of the first grid point.
        spacing_mm: distance between grid points along each axis.
        known: whether the channels are right to the grid's edges and 0 outside, as those of the
            template are but for its lower end; if not, only points inside the grid are known.
    """

    def __init__(
        self,
        channels: Sequence[Floats],
        origin_mm: tuple[float, float, float] = ORIGIN_MM,
        spacing_mm: tuple[float, float, float] = (SPACING_MM,) * 3,
        *,
        known: bool = True,
    ) -> None:
        shape = np.array(channels[0].shape, np.float32)
        padded = np.pad(np.stack(channels), ((0, 0), *((0, 1),) * 3), mode="edge")
        self._values = padded.reshape(len(channels), -1)
        self._steps = (padded.shape[2] * padded.shape[3], padded.shape[3], 1)
        self._origin = np.array(origin_mm, np.float32)
        self._per_mm = np.asarray(1 / np.array(spacing_mm), np.float32)
        self._last = shape - 1
        last_mm = self._origin + self._last / self._per_mm
        endless = np.full(3, np.inf, np.float32)
        self._from = np.append(-endless[:2], origin_mm[2] + BELOW_MM) if known else self._origin
        self._to = endless if known else last_mm

    def knows(self, points: Points) -> npt.NDArray[np.bool_]:
        """Whether the channels say what is at these points (n, 3), mm."""
        return np.asarray(((points > self._from) & (points < self._to)).all(axis=1))

    def at(self, points: Points) -> tuple[Floats, Floats]:
        """Values and gradients, interpolated linearly; outside the grid, those at its edge.

        Args:
            points: (n, 3), mm in the grid's space.

        Returns:
            Values (channels, n) and gradients (3, channels, n), per mm.
        """
        index = (points - self._origin) * self._per_mm
        np.clip(index, 0, self._last, out=index)
        corner = index.astype(np.int32)
        x, y, z = (index - corner).T.astype(np.float32)
        first = corner @ np.array(self._steps, np.intp)
        corners = np.empty((2, 2, 2, len(self._values), len(points)), np.float32)
        for dx, dy, dz in np.ndindex(2, 2, 2):
            step = dx * self._steps[0] + dy * self._steps[1] + dz
            corners[dx, dy, dz] = self._values.take(first + step, axis=1)
        along_z = corners[:, :, 1] - corners[:, :, 0]
        planes = corners[:, :, 0] + along_z * z
        along_y = planes[:, 1] - planes[:, 0]
        along_z = along_z[:, 0] + (along_z[:, 1] - along_z[:, 0]) * y
        lines = planes[:, 0] + along_y * y
        along_x = lines[1] - lines[0]
        slopes = np.stack(
            [
                along_x,
                along_y[0] + (along_y[1] - along_y[0]) * x,
                along_z[0] + (along_z[1] - along_z[0]) * x,
            ]
        )
        return lines[0] + along_x * x, slopes * self._per_mm[:, None, None]


@lru_cache(maxsize=1)
def channels() -> dict[str, Floats]:
    """The channels by name; axes x, y, z, 0 to 1. They are unpacked once per process."""
    raw = np.frombuffer(zlib.decompress(base64.b85decode(PACKED)), np.uint8)
    halves = raw.reshape(len(CHANNELS), *HALF_SHAPE).astype(np.float32) / LEVELS
    whole = np.concatenate([halves[:, :0:-1], halves], axis=1)
    return dict(zip(CHANNELS, whole, strict=True))


def smoothed(channel: Floats, rounds: int) -> Floats:
    """A copy, smoothed by (1, 2, 1) / 4 along each axis, several times."""
    out = channel
    for _ in range(rounds):
        for axis in range(3):
            edge = [(1, 1) if axis == other else (0, 0) for other in range(3)]
            wide = np.pad(out, edge, mode="edge").swapaxes(0, axis)
            out = ((wide[:-2] + wide[2:] + 2 * wide[1:-1]) * np.float32(0.25)).swapaxes(0, axis)
    return out
