"""Where healthy tissue ends: levels of lesions, from the histograms of brain and white matter."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools, CoarseImage, Floats, distance_to
from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import WHITE, Counts, Intensities, NormalizedImage

MARGIN_MM = 4.0
"""Blocks at the brain's surface are mixed with what is not brain."""

# A histogram bin this high over the highest still belongs to healthy tissue: grey matter on
# FLAIR is a peak of its own above white matter's, lesions are a thousandth.
_FLANK_SHARE = 0.05
_SEED_SIGMAS = 1.75
# White matter's blocks, by their mean over white matter; closed by a block so that lesions in it
# are inside.
_ZONE = (0.9, 1.05)
_ZONE_T1 = (0.92, 1.08)
# White matter's peak on FLAIR: what is brighter than this is grey matter's, which in coarse voxels
# is higher.
_WHITE_MAX = WHITE + 30
_ZONE_GROW_SIGMAS, _ZONE_SEED_SIGMAS = 3.5, 6.0


@dataclass(frozen=True)
class TissueThresholds:
    """Where healthy tissue ends, in codes (mirrored on T1)."""

    grow: int
    """A lesion anywhere in the brain reaches as far as this."""
    seed: int
    """... and has a voxel of at least this."""
    zone_grow: int
    """A lesion inside of white matter reaches as far as this."""
    zone_seed: int
    below_grey: int
    """On T1, a lesion darker than grey matter reaches as far as this."""
    sigma: float
    """Half-width of white matter's peak: its noise after smoothing."""
    white: int
    """White matter's peak."""


def white_matter_zone(
    blocks: Floats, masks: CoarseMasks, coarse: CoarseImage, *, t1_like: bool
) -> Bools:
    """White matter's blocks with what they enclose."""
    low, high = _ZONE_T1 if t1_like else _ZONE
    white = (blocks > low) & (blocks < high) & masks.brain & (masks.depth > MARGIN_MM)
    step = max(coarse.spacing_mm) + 0.1
    dilated = distance_to(white, coarse.spacing_mm, 2 * step) <= step
    return (distance_to(~dilated, coarse.spacing_mm, 2 * step) > step) & masks.brain


def find_thresholds(
    normalized: NormalizedImage, masks: CoarseMasks, zone: Bools, *, t1_like: bool
) -> TissueThresholds | None:
    """Read from the histograms of the inner brain and of white matter."""
    inner = masks.brain & (masks.depth > MARGIN_MM)
    of_inner, of_zone = normalized.histograms(inner, zone & inner)
    if t1_like:
        of_inner, of_zone = _mirrored_counts(of_inner), _mirrored_counts(of_zone)
    if of_inner.sum() < 1000:
        return None
    smooth = _smoothed(of_inner)
    peak = int(np.argmax(smooth))
    # The steeper side is white matter's own: the other is mixed with grey matter or fluid.
    of_white = _smoothed(of_zone if of_zone.sum() > 1000 else of_inner)
    white, sigma = _peak(of_white, len(of_white) if t1_like else _WHITE_MAX)
    grey = 1180 + int(np.argmax(smooth[1180:1450]))
    grow = int(np.flatnonzero(smooth >= _FLANK_SHARE * smooth[peak])[-1])
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
    """The highest point below ``end`` and the half-width of its steeper side."""
    peak = int(np.argmax(smooth[:end]))
    half = smooth >= smooth[peak] / 2
    left = peak - int(np.argmin(half[peak::-1]))
    right = peak + int(np.argmin(half[peak:]))
    return peak, max(1.0, min(peak - left, right - peak) / 1.1774)


def _smoothed(histogram: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
    box = np.ones(11) / 11
    return np.convolve(np.convolve(histogram, box, mode="same"), box, mode="same")


def mirrored(intensities: Intensities) -> Intensities:
    """Dark as bright: white matter keeps its code."""
    return np.asarray(np.uint16(2 * WHITE) - np.minimum(intensities, np.uint16(2 * WHITE)))


def _mirrored_counts(histogram: Counts) -> Counts:
    """The histogram of the mirrored codes."""
    out = np.zeros_like(histogram)
    out[1 : 2 * WHITE + 1] = histogram[2 * WHITE - 1 :: -1]
    out[0] = histogram[2 * WHITE :].sum()
    return out
