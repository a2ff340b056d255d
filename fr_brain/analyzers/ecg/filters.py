"""Running means, maxima and medians, and medians of rows."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def running_mean(values: Array, width: int) -> Array:
    """Means over an odd number of samples around each, along the last axis; 0 outside."""
    half, count = width // 2, values.shape[-1]
    total = np.zeros((*values.shape[:-1], count + width))
    np.cumsum(values, axis=-1, out=total[..., half + 1 : half + 1 + count])
    total[..., half + 1 + count :] = total[..., half + count, None]
    return np.asarray((total[..., width:] - total[..., :-width]) / width)


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
    return median_of_known(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1))


def median_of_known(rows: Array) -> Array:
    """Medians along the last axis of what is not NaN; NaN where nothing is."""
    ordered = np.sort(rows, axis=-1)  # NaN last
    counts = np.count_nonzero(~np.isnan(ordered), axis=-1)[..., None]
    low = np.take_along_axis(ordered, np.maximum(counts - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(counts // 2, rows.shape[-1] - 1), axis=-1)
    return np.asarray(((low + high) / 2)[..., 0])


def local_maxima(values: Array, half: int) -> Array:
    """Places of values above 0 that are the largest within ``half`` samples; the first of equal
    neighbours alone."""
    places = np.flatnonzero((values == running_max(values, half)) & (values > 0))
    if len(places) > 1:
        places = places[np.concatenate([[True], np.diff(places) > half])]
    return places


def starts_of(length: int, parts: int) -> Array:
    """First places of parts of about the same length; ``parts`` is at most ``length``."""
    return np.arange(parts) * length // parts


def largest_median(rows: Array, counts: Array) -> Array:
    """Medians of the largest values along the last axis.

    Args:
        rows: values; sorted in place.
        counts: how many of each row's largest values count; the median of none is the largest.
    """
    rows.sort(axis=-1)
    last = rows.shape[-1] - 1
    low = np.minimum(last - counts // 2, last)
    high = np.minimum(last - (counts - 1) // 2, last)
    values = [np.take_along_axis(rows, at[..., None], axis=-1)[..., 0] for at in (low, high)]
    return np.asarray((values[0] + values[1]) / 2)
