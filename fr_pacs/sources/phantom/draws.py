"""Random numbers that are bit-for-bit the same on any machine.

NumPy's ``uniform`` and ``normal`` use floating-point operations that a compiler may fuse, and
logarithms of a C library, so their last bits differ between machines. Here everything is made of
the generator's integers (PCG64), of single operations of Python and NumPy, which IEEE 754 defines
to the last bit, and of tables that are rounded far more coarsely than any library errs.
"""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]

_BITS = 1 << 32
_ENTRIES = 1 << 16
_ROUNDED = 1 << 12


class Draws:
    """One stream of random numbers."""

    def __init__(self, stream: np.random.SeedSequence) -> None:
        self._generator = np.random.PCG64(stream)

    def uniform(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * (int(self._generator.random_raw()) >> 32) / _BITS

    def integer(self, low: int, high: int) -> int:
        """A uniform integer from ``low`` to ``high``, both included."""
        return low + ((int(self._generator.random_raw()) >> 32) * (high - low + 1) >> 32)

    def uniforms(self, count: int, low: float, high: float) -> Float64Array:
        """``count`` numbers, uniform in [low, high): shape (count,)."""
        raw = self._generator.random_raw(count) >> np.uint64(32)
        return low + raw.astype(np.float64) * (1 / _BITS) * (high - low)

    def uniforms_signed(self, count: int) -> list[float]:
        """``count`` numbers, uniform in [-1, 1)."""
        return [self.uniform(-1, 1) for _ in range(count)]

    def indices(self, count: int) -> npt.NDArray[np.uint16]:
        """``count`` uniform indices of the tables below: shape (count,)."""
        raw = self._generator.random_raw((count + 3) // 4)
        shorts: npt.NDArray[np.uint16] = raw.astype("<u8", copy=False).view("<u2")
        return shorts[:count]

    def rotation(self) -> Float64Array:
        """A uniform random rotation matrix, 3 x 3: that of a quaternion drawn in the unit ball
        (Marsaglia 1972, by rejection)."""
        while True:
            w, x, y, z = self.uniforms_signed(4)
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
def normal_table() -> Float32Array:
    """65,536 quantiles of the standard normal distribution, up to 4.3 sigma: a uniform index gives
    a normal number. The sum of two over the square root of 2 has tails up to 6 sigma."""
    quantile = NormalDist().inv_cdf
    upper = [quantile((n + 0.5) / _ENTRIES) for n in range(_ENTRIES // 2, _ENTRIES)]
    half = (np.rint(np.array(upper) * _ROUNDED) / _ROUNDED).astype(np.float32)
    return np.concatenate([-half[::-1], half])


@lru_cache(maxsize=1)
def rayleigh_table() -> Float32Array:
    """65,536 quantiles of the Rayleigh distribution of sigma 1: Rician noise without a signal."""
    left = (np.arange(_ENTRIES) + 0.5) / _ENTRIES
    values: Float64Array = np.rint(np.sqrt(-2 * np.log(left)) * _ROUNDED) / _ROUNDED
    return values.astype(np.float32)


def polynomials(mm: Float64Array, span_mm: float) -> list[Float64Array]:
    """The first four Chebyshev polynomials of u = ``mm`` / ``span_mm``: 1, u, 2u^2 - 1, 4u^3 - 3u.

    Returns:
        Four arrays of the shape of ``mm``.
    """
    u = mm / span_mm
    square = u * u
    return [np.ones_like(u), u, 2 * square - 1, u * (4 * square - 3)]
