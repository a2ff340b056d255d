"""Thresholds between healthy tissue and lesions, from the histograms of brain and white matter.

Own method: intensities are normalized (white matter 1000), mirrored on T1. ``METHOD.md`` explains
the constants.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools, CoarseImage, Floats, distance_to
from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import WHITE, Counts, Intensities, NormalizedImage

MARGIN_MM = 4.0
"""Depth from which blocks are not mixed with what lies outside the brain, mm."""

_FLANK_FRACTION = 0.05  # of the highest bin: the least that healthy tissue has
_SEED_SIGMAS = 1.75  # from where lesions may reach to where they must reach
_ZONE, _ZONE_T1 = (0.9, 1.05), (0.92, 1.08)  # block means of white matter over white matter
_WHITE_MAX = WHITE + 30  # white matter's peak on FLAIR lies below
_ZONE_GROW_SIGMAS, _ZONE_SEED_SIGMAS = 3.5, 6.0  # over white matter's peak, inside white matter


@dataclass(frozen=True)
class TissueThresholds:
    """Where healthy tissue ends, in normalized intensities (mirrored on T1).

    Each lesion is a region above a ``grow`` threshold with a voxel above the ``seed`` threshold
    (hysteresis thresholding; Canny, IEEE PAMI 8, 1986).
    """

    grow: int
    """Extent of lesions anywhere in the brain."""
    seed: int
    """Seeds of lesions anywhere in the brain."""
    zone_grow: int
    """Extent of lesions inside white matter."""
    zone_seed: int
    """Seeds of lesions inside white matter."""
    below_grey: int
    """On T1, extent and seeds of lesions that are darker than grey matter."""
    sigma: float
    """Standard deviation of white matter after smoothing, from its peak's half-width."""
    white: int
    """White matter's peak."""


def white_matter_zone(
    blocks: Floats, masks: CoarseMasks, coarse: CoarseImage, *, t1_like: bool
) -> Bools:
    """White matter with the lesions in it.

    Args:
        blocks: block means over white matter, without the bias field; shape of ``coarse.mean``.
        masks: head and brain.
        coarse: the blocks.
        t1_like: whether grey matter is darker than white, as on T1.

    Returns:
        Booleans, a block each: blocks of white matter, closed by one block.
    """
    low, high = _ZONE_T1 if t1_like else _ZONE
    white = (blocks > low) & (blocks < high) & masks.brain & (masks.depth > MARGIN_MM)
    step = max(coarse.spacing_mm) + 0.1
    dilated = distance_to(white, coarse.spacing_mm, 2 * step) <= step
    return (distance_to(~dilated, coarse.spacing_mm, 2 * step) > step) & masks.brain


def find_thresholds(
    normalized: NormalizedImage, masks: CoarseMasks, zone: Bools, *, t1_like: bool
) -> TissueThresholds | None:
    """Read the thresholds from the histograms of the inner brain and of white matter.

    Args:
        normalized: the box.
        masks: head and brain, a block each.
        zone: blocks of white matter.
        t1_like: whether grey matter is darker than white, as on T1.

    Returns:
        The thresholds; None if the brain is too small for a histogram.
    """
    inner = masks.brain & (masks.depth > MARGIN_MM)
    of_inner, of_zone = normalized.histograms(inner, zone & inner)
    if t1_like:
        of_inner, of_zone = _mirrored_counts(of_inner), _mirrored_counts(of_zone)
    if of_inner.sum() < 1000:
        return None
    smooth = _smoothed(of_inner)
    peak = int(np.argmax(smooth))
    # The steeper side is white matter alone; the other is mixed with grey matter or fluid.
    of_white = _smoothed(of_zone if of_zone.sum() > 1000 else of_inner)
    white, sigma = _peak(of_white, len(of_white) if t1_like else _WHITE_MAX)
    grey = 1180 + int(np.argmax(smooth[1180:1450]))
    grow = int(np.flatnonzero(smooth >= _FLANK_FRACTION * smooth[peak])[-1])
    return TissueThresholds(
        grow=grow,
        seed=grow + math.ceil(_SEED_SIGMAS * sigma),
        zone_grow=white + max((grey - white) // 2, math.ceil(_ZONE_GROW_SIGMAS * sigma)),
        zone_seed=white + max(2 * (grey - white) // 3, math.ceil(_ZONE_SEED_SIGMAS * sigma)),
        below_grey=grey + math.ceil(_ZONE_GROW_SIGMAS * sigma),
        sigma=sigma,
        white=white,
    )


def _peak(smooth: npt.NDArray[np.floating], end: int) -> tuple[int, float]:
    """The peak below ``end``, and the sigma of a normal distribution as wide as its steeper
    side."""
    peak = int(np.argmax(smooth[:end]))
    half = smooth >= smooth[peak] / 2
    left = peak - int(np.argmin(half[peak::-1]))
    right = peak + int(np.argmin(half[peak:]))
    return peak, max(1.0, min(peak - left, right - peak) / 1.1774)


def _smoothed(histogram: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
    box = np.ones(11) / 11
    return np.convolve(np.convolve(histogram, box, mode="same"), box, mode="same")


def mirrored(intensities: Intensities) -> Intensities:
    """Intensities mirrored at white matter, so that dark lesions become bright; same shape."""
    return np.asarray(np.uint16(2 * WHITE) - np.minimum(intensities, np.uint16(2 * WHITE)))


def _mirrored_counts(histogram: Counts) -> Counts:
    """The histogram of the mirrored intensities."""
    out = np.zeros_like(histogram)
    out[1 : 2 * WHITE + 1] = histogram[2 * WHITE - 1 :: -1]
    out[0] = histogram[2 * WHITE :].sum()
    return out
