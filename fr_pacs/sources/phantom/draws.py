"""Draws and fields that are the same on any machine.

The generator's own ``uniform`` and ``normal`` end in floating point operations that a compiler may
fuse and in a C library's logarithms, whose last bits differ between machines. Here all is made of
the generator's integers, of Python's and NumPy's single operations, which IEEE 754 fixes to the
last bit, and of tables that are rounded far coarser than any library errs.
"""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

_BITS = 1 << 32
_ENTRIES = 1 << 16
_ROUNDED = 1 << 12


class Draws:
    """One stream of draws."""

    def __init__(self, stream: np.random.SeedSequence) -> None:
        self._bits = np.random.PCG64(stream)

    def uniform(self, low: float, high: float) -> float:
        """Between the two."""
        return low + (high - low) * (int(self._bits.random_raw()) >> 32) / _BITS

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both possible."""
        return low + ((int(self._bits.random_raw()) >> 32) * (high - low + 1) >> 32)

    def uniforms(self, count: int, low: float, high: float) -> Doubles:
        """``count`` numbers between the two."""
        raw = self._bits.random_raw(count) >> np.uint64(32)
        return low + raw.astype(np.float64) * (1 / _BITS) * (high - low)

    def signs(self, count: int) -> list[float]:
        """``count`` numbers between -1 and 1."""
        return [self.uniform(-1, 1) for _ in range(count)]

    def indices(self, count: int) -> npt.NDArray[np.uint16]:
        """``count`` indices of the tables below."""
        raw = self._bits.random_raw((count + 3) // 4)
        shorts: npt.NDArray[np.uint16] = raw.astype("<u8", copy=False).view("<u2")
        return shorts[:count]

    def rotation(self) -> Doubles:
        """A uniform random rotation: that of a unit quaternion drawn in a ball."""
        while True:
            w, x, y, z = self.signs(4)
            square = w * w + x * x + y * y + z * z
            if 0.01 < square <= 1:
                break
        s = 2 / square
        return np.array(
            [
                [1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)],
                [s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)],
                [s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)],
            ]
        )


@lru_cache(maxsize=1)
def normal_table() -> Floats:
    """65,536 quantiles of the standard normal distribution (sigma 1, up to 4.3): an index drawn
    evenly gives a normal number. The sum of two over the root of 2 has its tails to 6."""
    quantile = NormalDist().inv_cdf
    upper = [quantile((n + 0.5) / _ENTRIES) for n in range(_ENTRIES // 2, _ENTRIES)]
    half = (np.rint(np.array(upper) * _ROUNDED) / _ROUNDED).astype(np.float32)
    return np.concatenate([-half[::-1], half])


@lru_cache(maxsize=1)
def rayleigh_table() -> Floats:
    """65,536 quantiles of the Rayleigh distribution of sigma 1: noise where there is no signal."""
    left = (np.arange(_ENTRIES) + 0.5) / _ENTRIES
    values: Doubles = np.rint(np.sqrt(-2 * np.log(left)) * _ROUNDED) / _ROUNDED
    return values.astype(np.float32)


def polynomials(mm: Doubles, span_mm: float) -> list[Doubles]:
    """Chebyshev's first four polynomials, of ``mm`` over ``span_mm``: 1, u, 2u^2 - 1, 4u^3 - 3u."""
    u = mm / span_mm
    square = u * u
    return [np.ones_like(u), u, 2 * square - 1, u * (4 * square - 3)]
