"""Confidence intervals of 95 %."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

_Z = 1.959964
_RESAMPLES = 1000
_SEED = 20_261

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure with its interval; None if it could not be measured."""

    value: float | None
    low: float | None = None
    high: float | None = None


def wilson(hits: int, of: int) -> Figure:
    """A proportion with its Wilson score interval (1927)."""
    if not of:
        return Figure(None)
    share, square = hits / of, _Z * _Z / of
    middle = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of)) / (1 + square)
    return Figure(share, max(0.0, middle - half), min(1.0, middle + half))


def bootstrap(scans: Sequence[T], measure: Callable[[Sequence[T]], float | None]) -> Figure:
    """A measure over scans, with its percentile bootstrap interval; the random draws are fixed."""
    value = measure(scans)
    if value is None:
        return Figure(None)
    generator = np.random.default_rng(_SEED)
    drawn = []
    for _ in range(_RESAMPLES):
        picks = generator.integers(0, len(scans), len(scans))
        again = measure([scans[pick] for pick in picks])
        if again is not None:
            drawn.append(again)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(value, float(low), float(high))
