"""How often a signal crosses zero.

A crossing is a change of sign from one sample that has a sign to the next one that has:

* A sample that is exactly zero (also -0.0) has no sign. A signal that touches zero and turns back
  does not cross it; one that stays at zero for a while and goes on to the other side crosses once.
* A sample that is not a number (NaN) is a gap. Nobody knows what the signal did there, so the
  samples on its two sides are not compared.
* An infinite sample has a sign.

So ``[1, 0, -1, 0, 1, 0, 0, 1]`` has two crossings: from 1 to -1, and back to 1.
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 20
"""Samples that are looked at together, so that a day of them takes little memory."""


class ZeroCrossings(Protocol):
    """Counts the zero crossings of a signal, as the module defines them."""

    def count(self, samples: npt.NDArray[Any]) -> int | None:
        """Count.

        Args:
            samples: real numbers, one axis.

        Returns:
            The number of crossings; None if no sample is a number.
        """


class LoopZeroCrossings:
    """The definition, as a plain loop over the samples."""

    def count(self, samples: npt.NDArray[Any]) -> int | None:
        """Count; see ``ZeroCrossings``."""
        crossings, is_known = 0, False
        positive: bool | None = None  # whether the last sample with a sign was; None after a gap
        for sample in samples.tolist():
            if sample != sample:  # only NaN is not equal to itself
                positive = None
                continue
            is_known = True
            if sample == 0:
                continue
            if positive is not None and positive != (sample > 0):
                crossings += 1
            positive = sample > 0
        return crossings if is_known else None


class NumpyZeroCrossings:
    """The same by numpy, some hundred times as fast."""

    def count(self, samples: npt.NDArray[Any]) -> int | None:
        """Count; see ``ZeroCrossings``."""
        crossings, is_known, last = 0, False, np.float32(np.nan)
        for start in range(0, len(samples), _BLOCK):
            block = np.ascontiguousarray(samples[start : start + _BLOCK])
            if (np.abs(block) > 0).all():
                # Each sample has a sign: the usual case, and the fast one.
                positive = block > 0
                crossings += int(np.count_nonzero(positive[1:] != positive[:-1]))
                crossings += bool(last == (-1 if positive[0] else 1))
                is_known, last = True, np.float32(1 if positive[-1] else -1)
                continue
            # As float32: the sign of an unsigned integer cannot become negative.
            signs = np.sign(block).astype(np.float32)
            is_known = is_known or not bool(np.isnan(signs).all())
            signs = signs[signs != 0]  # NaN is not 0, and stays
            signs = np.concatenate(([last], signs))
            # A product with NaN is NaN, which is not -1.
            crossings += int(np.count_nonzero(signs[1:] * signs[:-1] == -1))
            last = signs[-1]
        return crossings if is_known else None
