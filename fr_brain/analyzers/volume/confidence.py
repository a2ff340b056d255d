"""The probability that a finding is a lesion: a logistic model of a few measures.

Own method. The weights were fitted on realistic tuning heads; ``METHOD.md`` says how, and
``make evaluate`` compares the confidence with the share of lesions on other heads.
"""

import math
from dataclasses import dataclass

import numpy as np

from fr_brain.analyzers.volume.image import Bools
from fr_brain.analyzers.volume.normalize import Intensities
from fr_brain.analyzers.volume.outline import OUTLINE_MM, REGROW_MM, tissue_of
from fr_brain.analyzers.volume.segment import Segmentation
from fr_brain.analyzers.volume.shapes import dilate, is_thick, steps_of, surface_over_ball
from fr_brain.analyzers.volume.thresholds import mirrored

_INTERCEPT = 14.2
_CNR, _CONTRAST, _SPREAD, _SURFACE, _THICK = 2.4, 8.4, -23.8, -14.6, -1.9
_SMALL, _SMALL_LOGIT = 2.7, 0.3  # of a finding of the search for small faint lesions
_BOUNDS = 0.01, 0.99  # nothing was measured that would justify more certainty


@dataclass(frozen=True)
class Evidence:
    """What tells lesions from other findings."""

    cnr: float
    """Contrast-to-noise ratio: rise of its brighter half over the noise after smoothing."""
    contrast: float
    """The brighter half over the tissue around it, minus 1."""
    spread: float
    """Share of the ring around it that is above half of its rise: an edge that fades out."""
    surface: float
    """Voxels on its surface over those of a ball of its size: sheets have more. 1 where it is too
    small to tell, or slices are thick."""
    thick: bool
    """Whether slices are thick."""
    small_logit: float | None = None
    """Logarithm of the odds that it is a lesion, if the search for small faint ones found it."""


def confidence_of(evidence: Evidence) -> float:
    """The probability that a finding is a lesion, 0 to 1."""
    logit = (
        _INTERCEPT
        + _CNR * math.log(max(evidence.cnr, 1.0))
        + _CONTRAST * evidence.contrast
        + _SPREAD * evidence.spread
        + _SURFACE * evidence.surface
        + _THICK * evidence.thick
    )
    if evidence.small_logit is not None:
        logit += _SMALL + _SMALL_LOGIT * evidence.small_logit
    low, high = _BOUNDS
    return min(high, max(low, 1 / (1 + math.exp(-logit))))


def evidence_of(segmentation: Segmentation, number: int) -> Evidence:
    """Measure lesion ``number`` (from 1) of a segmentation."""
    lesion, normalized = segmentation.lesions[number - 1], segmentation.normalized
    spacing_mm = segmentation.image.spacing_mm
    box = tuple(
        slice(max(0, corner - part.start - margin), corner - part.start + extent + margin)
        for corner, extent, part, margin in zip(
            lesion.corner, lesion.extent, normalized.box, margins_of(spacing_mm), strict=True
        )
    )
    intensities, labels = normalized.intensities[box], segmentation.labels[box]
    if segmentation.t1_like:
        intensities = mirrored(intensities)
    return measured(
        intensities, labels == number, labels != 0, spacing_mm, segmentation.thresholds.white,
        lesion.cnr, lesion.small_logit,
    )  # fmt: skip


def margins_of(spacing_mm: tuple[float, float, float]) -> list[int]:
    """Voxels along z, y, x around a lesion that its evidence is measured in."""
    return [math.ceil(OUTLINE_MM / edge) for edge in spacing_mm]


def measured(
    intensities: Intensities,
    mask: Bools,
    taken: Bools,
    spacing_mm: tuple[float, float, float],
    white: int,
    cnr: float,
    small_logit: float | None = None,
) -> Evidence:
    """The evidence of a lesion in its part of the box; axes z, y, x.

    Args:
        intensities: normalized; on T1 mirrored.
        mask: its voxels.
        taken: voxels of lesions, its own or others.
        spacing_mm: distance between voxels, mm.
        white: intensity of white matter.
        cnr: as the search measured it.
        small_logit: the same.
    """
    inside = np.sort(intensities[mask])
    plateau = float(inside[len(inside) // 2 :].mean())
    reach = dilate(mask, steps_of(REGROW_MM, spacing_mm))
    around = intensities[~dilate(reach, [1, 1, 1]) & ~taken]
    surroundings = float(np.median(tissue_of(around, white))) if around.size else float(white)
    ring = intensities[reach & ~taken]
    spread = np.count_nonzero(ring >= (plateau + surroundings) / 2) / max(1, ring.size)
    return Evidence(
        cnr=cnr,
        contrast=plateau / max(surroundings, 1.0) - 1,
        spread=float(spread),
        surface=surface_over_ball(mask, spacing_mm) or 1.0,
        thick=is_thick(spacing_mm),
        small_logit=small_logit,
    )
