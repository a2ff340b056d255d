"""Grey matter, white matter and fluid: their levels, volumes with partial volumes, and labels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.bitmask import Bitmask, dilate_axis
from fr_brain.analyzers.volume.field import Doubles
from fr_brain.analyzers.volume.intracranial import IntracranialMasks
from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import INTENSITY_LEVELS, NormalizedImage
from fr_brain.analyzers.volume.thresholds import TissueThresholds

CSF, GREY, WHITE_MATTER = 1, 2, 3
"""Labels of tissue; 0 is outside of the intracranial space."""

_DEEP_MM = 12.0
_FLUID_QUANTILE = 0.005  # of the deep brain: what is darkest there is the ventricles' fluid
# On FLAIR a voxel of grey matter and fluid is as bright as white matter: where fluid is this near,
# there is no white matter.
_NEAR_MM = 1.2
# Where grey matter's peak is looked for on T1, over that of white matter, and what is taken where
# it has none of its own.
_GREY_T1 = (-420, -130, -300)
# On FLAIR grey matter's peak is low and to the left of it by what fluid takes from it, and where
# contrast is low it has none of its own. Its bright flank is its own: nothing healthy is brighter.
# Half of its height is 1.1774 sigma from its level, the height is that at the level.
_GREY_RANGE, _GREY_FIRST, _GREY_ROUNDS = (40, 260), 110, 4
_HALF_SIGMAS = 1.1774


@dataclass(frozen=True)
class TissueIntensities:
    """Levels in codes."""

    csf: int
    grey: int
    white: int


def find_tissues(
    normalized: NormalizedImage, masks: CoarseMasks, thresholds: TissueThresholds, *, t1_like: bool
) -> TissueIntensities:
    """Levels of the tissues.

    Args:
        evened: the box.
        masks: head and brain.
        levels: level and spread of white matter.
        dark: whether grey matter is darker than white, as on T1.
    """
    histogram, darkest = normalized.histograms(masks.brain, masks.depth >= _DEEP_MM)
    white = thresholds.white
    smooth = np.convolve(histogram, np.ones(25) / 25, mode="same")
    grey = _darker(smooth, white) if t1_like else _brighter(smooth, white, thresholds.sigma)
    counts = np.cumsum(darkest)
    csf = int(np.searchsorted(counts, _FLUID_QUANTILE * counts[-1])) if counts[-1] else 0
    return TissueIntensities(csf=min(csf, grey // 2), grey=grey, white=white)


def _darker(smooth: Doubles, white: int) -> int:
    """Level of grey matter on T1."""
    low, high, otherwise = _GREY_T1
    part = smooth[white + low : white + high]
    peak = int(np.argmax(part))
    return white + (low + peak if 0 < peak < len(part) - 1 else otherwise)


def _brighter(smooth: Doubles, white: int, sigma: float) -> int:
    """Level of grey matter on FLAIR."""
    low, high = _GREY_RANGE
    grey = white + _GREY_FIRST
    for _ in range(_GREY_ROUNDS):
        high_enough = np.flatnonzero(smooth[: white + 2 * high] >= smooth[grey] / 2)
        grey = round(int(high_enough[-1]) - _HALF_SIGMAS * sigma)
        grey = min(max(grey, white + low), white + high)
    return grey


def find_csf_adjacent(
    normalized: NormalizedImage,
    intracranial_masks: IntracranialMasks,
    tissues: TissueIntensities,
    spacing_mm: tuple[float, ...],
) -> Bitmask:
    """Where fluid is near; packed."""
    fluid = np.empty_like(intracranial_masks.intracranial)
    level = (tissues.csf + 2 * tissues.grey) // 3
    for part in normalized.slabs():
        fluid[part] = np.packbits(normalized.intensities[part] < level, axis=-1, bitorder="little")
    for axis, edge in enumerate(spacing_mm):
        for _ in range(max(1, round(_NEAR_MM / edge))):
            fluid = dilate_axis(fluid, axis)
    return fluid


def tissue_volumes(
    normalized: NormalizedImage,
    intracranial_masks: IntracranialMasks,
    tissues: TissueIntensities,
    csf_adjacent: Bitmask | None,
    lesions: npt.NDArray[np.uint16],
) -> dict[str, float]:
    """Voxels of ``csf``, ``grey``, ``white`` and ``intracranial``; fractions counted.

    A voxel between two levels is shared by its distance to each: what noise adds on one side it
    takes on the other.
    """
    apart = np.zeros((2, INTENSITY_LEVELS), np.int64)
    total = 0
    for part in normalized.slabs():
        inside = intracranial_masks.of(intracranial_masks.intracranial, part)
        total += int(np.count_nonzero(inside))
        if lesions[part].any():
            inside &= lesions[part] == 0
        intensities = normalized.intensities[part]
        if csf_adjacent is not None:
            intensities = intensities + intracranial_masks.of(csf_adjacent, part) * np.uint16(
                INTENSITY_LEVELS
            )
        apart += np.bincount(intensities[inside], minlength=2 * INTENSITY_LEVELS).reshape(
            2, INTENSITY_LEVELS
        )
    level = np.arange(INTENSITY_LEVELS)
    csf = np.clip((tissues.grey - level) / max(1, tissues.grey - tissues.csf), 0, 1)
    white = np.clip((tissues.grey - level) / (tissues.grey - tissues.white), 0, 1)
    if csf_adjacent is None:
        shares = {"csf": float(apart[0] @ csf), "white": float(apart[0] @ white)}
    else:
        shares = {"csf": float(apart[1] @ csf), "white": float(apart[0] @ white)}
    return {
        "intracranial": float(total),
        **shares,
        "grey": float(apart.sum()) - shares["csf"] - shares["white"],
    }


def tissue_labels(
    normalized: NormalizedImage,
    intracranial_masks: IntracranialMasks,
    tissues: TissueIntensities,
    csf_adjacent: Bitmask | None,
) -> npt.NDArray[np.uint8]:
    """The most likely tissue of each voxel of the box."""
    out = np.zeros(normalized.intensities.shape, np.uint8)
    middle = (tissues.grey + tissues.white) // 2
    fluid = (tissues.csf + tissues.grey) // 2
    for part in normalized.slabs():
        intensities = normalized.intensities[part]
        white = (
            intensities > middle
            if csf_adjacent is None
            else (intensities < middle) & ~intracranial_masks.of(csf_adjacent, part)
        )
        own = np.where(white, np.uint8(WHITE_MATTER), np.uint8(GREY))
        own[intensities < fluid] = CSF
        own[~intracranial_masks.of(intracranial_masks.intracranial, part)] = 0
        out[part] = own
    return out
