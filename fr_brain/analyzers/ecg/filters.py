"""Running means, maxima and medians."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def running_mean(values: Array, width: int) -> Array:
    """Means over an odd number of samples around each, along the first axis; 0 outside."""
    half = width // 2
    total = np.zeros((len(values) + width, *values.shape[1:]))
    np.cumsum(values, axis=0, out=total[half + 1 : half + 1 + len(values)])
    total[half + 1 + len(values) :] = total[half + len(values)]
    return (total[width:] - total[:-width]) / width


def running_max(values: Array, half: int) -> Array:
    """Maxima over 2 half + 1 samples around each (doubling: log2 of the width passes)."""
    width = 2 * half + 1
    padded = np.full(len(values) + 2 * half, -np.inf, values.dtype)
    padded[half : half + len(values)] = values
    span = 1
    while span < width:
        step = min(span, width - span)
        padded = np.maximum(padded[:-step], padded[step:])
        span += step
    return padded


def running_median(values: Array, half: int) -> Array:
    """Medians over 2 half + 1 values around each; fewer at the ends. NaN counts as no value."""
    padded = np.concatenate([np.full(half, np.nan), values, np.full(half, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    ordered = np.sort(windows, axis=1)  # NaN last
    counts = np.count_nonzero(~np.isnan(windows), axis=1)
    rows = np.arange(len(values))
    low = ordered[rows, np.maximum(counts - 1, 0) // 2]
    high = ordered[rows, np.minimum(counts // 2, 2 * half)]
    return np.where(counts == 0, np.nan, (low + high) / 2)


def local_maxima(values: Array, half: int) -> Array:
    """Places of values above 0 that are the largest within ``half`` samples; the first of equal
    neighbours alone."""
    places = np.flatnonzero((values == running_max(values, half)) & (values > 0))
    if len(places) > 1:
        places = places[np.concatenate([[True], np.diff(places) > half])]
    return places
