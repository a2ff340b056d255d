"""Grey matter, white matter and fluid: intensities, volumes with partial volume, and labels.

Own method; sharing a voxel between two tissues by its intensity follows the partial-volume model of
Santago and Gage (IEEE TMI 12, 1993). ``METHOD.md`` explains the constants.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.bitmask import Bitmask, dilate_axis, pack
from fr_brain.analyzers.volume.field import Doubles
from fr_brain.analyzers.volume.intracranial import IntracranialMasks
from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import INTENSITY_LEVELS, WHITE, NormalizedImage
from fr_brain.analyzers.volume.thresholds import TissueThresholds

CSF, GREY, WHITE_MATTER = 1, 2, 3
"""Labels of tissues; 0 is outside the intracranial space."""
CSF_ADJACENT_MM = 1.2
"""Distance from fluid within which FLAIR shows no white matter."""

_DEEP_MM = 12.0  # depth of the deep brain
_FLUID_QUANTILE = 0.005  # of the deep brain: the fluid of the ventricles
_GREY_T1 = (-420, -200, -300)  # grey over white matter on T1: range of the peak, default
_GREY_RANGE, _GREY_FIRST, _GREY_ROUNDS = (40, 260), 110, 4  # the same on FLAIR, by rounds
_GREY_LEAST = 0.2  # of the highest peak: where the histogram is lower, it is no peak of grey matter
_SIGMA_OF_NOISE = 0.8  # largest standard deviation of pure grey matter over that of noise
_HALF_SIGMAS = 1.1774  # from a normal distribution's mean to half of its height


@dataclass(frozen=True)
class TissueIntensities:
    """The typical normalized intensity of each tissue."""

    csf: int
    grey: int
    """On FLAIR, of its peak, where voxels are mixed with white matter and fluid."""
    white: int

    pure: int | None = None
    """On FLAIR, intensity of a voxel that is all grey matter."""
    deep: int | None = None
    """On FLAIR where the peaks of grey and white matter merge, intensity far from any fluid, of
    voxels that are all white matter."""

    @property
    def pure_grey(self) -> int:
        """``pure``; where it is not known, ``grey``."""
        return self.grey if self.pure is None else self.pure

    @property
    def pure_white(self) -> int:
        """``deep``; where it is not known, ``white``."""
        return self.white if self.deep is None else self.deep


def find_tissues(
    normalized: NormalizedImage,
    masks: CoarseMasks,
    thresholds: TissueThresholds,
    noise_percent: float | None,
    *,
    t1_like: bool,
) -> TissueIntensities:
    """Intensities of the tissues.

    Args:
        normalized: the box.
        masks: head and brain, a block each.
        thresholds: peak and standard deviation of white matter.
        noise_percent: standard deviation of noise, % of white matter; None if it is not known.
        t1_like: whether grey matter is darker than white, as on T1.
    """
    histogram, darkest = normalized.histograms(masks.brain, masks.depth >= _DEEP_MM)
    white = thresholds.white
    smooth = np.convolve(histogram, np.ones(25) / 25, mode="same")
    grey = _darker(smooth, white) if t1_like else _brighter(smooth, white, thresholds.sigma)
    pure = None
    if not t1_like and noise_percent is not None:
        # Uneven white matter widens its own peak, not the flank of grey matter.
        noise = _SIGMA_OF_NOISE * noise_percent / 100 * WHITE
        pure = _brighter(smooth, white, min(thresholds.sigma, noise))
    counts = np.cumsum(darkest)
    csf = int(np.searchsorted(counts, _FLUID_QUANTILE * counts[-1])) if counts[-1] else 0
    return TissueIntensities(csf=min(csf, grey // 2), grey=grey, white=white, pure=pure)


def _darker(smooth: Doubles, white: int) -> int:
    """Intensity of grey matter on T1: its peak below white matter's, else a default."""
    low, high, otherwise = _GREY_T1
    part = smooth[white + low : white + high]
    peak = int(np.argmax(part))
    return white + (low + peak if 0 < peak < len(part) - 1 else otherwise)


def _brighter(smooth: Doubles, white: int, sigma: float) -> int:
    """Intensity of grey matter on FLAIR, from the bright flank of its peak, where it alone lies."""
    low, high = _GREY_RANGE
    grey, least = white + _GREY_FIRST, _GREY_LEAST * float(smooth[: white + 2 * high].max())
    if smooth[grey] < least:
        # Grey matter is so little brighter that the two share one peak: start at its own flank.
        flank = np.flatnonzero(smooth[: white + high] >= least)
        grey = max(white + low, round(int(flank[-1]) - 2 * _HALF_SIGMAS * sigma))
    for _ in range(_GREY_ROUNDS):
        if smooth[grey] < least:
            break
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
    """The voxels within about 1.2 mm of fluid.

    Args:
        normalized: the box.
        intracranial_masks: gives the shape.
        tissues: intensities of the tissues.
        spacing_mm: distance between voxels along z, y, x, mm.
    """
    fluid = np.empty_like(intracranial_masks.intracranial)
    level = (tissues.csf + 2 * tissues.grey) // 3
    for part in normalized.slabs():
        fluid[part] = np.packbits(normalized.intensities[part] < level, axis=-1, bitorder="little")
    return grow_layer(fluid, CSF_ADJACENT_MM, spacing_mm)


def grow_layer(bitmask: Bitmask, mm: float, spacing_mm: tuple[float, ...]) -> Bitmask:
    """Dilate by a box of about ``mm`` to each side, at least one voxel.

    Args:
        bitmask: of the box.
        mm: thickness of the layer.
        spacing_mm: distance between voxels along z, y, x, mm.
    """
    for axis, edge in enumerate(spacing_mm):
        for _ in range(max(1, round(mm / edge))):
            bitmask = dilate_axis(bitmask, axis)
    return bitmask


def tissue_volumes(
    normalized: NormalizedImage,
    intracranial_masks: IntracranialMasks,
    tissues: TissueIntensities,
    csf_adjacent: Bitmask | None,
    lesions: npt.NDArray[np.uint16],
) -> dict[str, float]:
    """Volumes of the tissues in voxels, with partial volume.

    A voxel between two intensities belongs to both by its distance to each, so that noise adds to
    one side what it takes from the other.

    Args:
        normalized: the box.
        intracranial_masks: the space that is measured.
        tissues: intensities of the tissues.
        csf_adjacent: voxels near fluid on FLAIR; None on T1.
        lesions: labels of the box; labelled voxels belong to no tissue.

    Returns:
        ``csf``, ``grey``, ``white`` and ``intracranial``, voxels.
    """
    apart = np.zeros((2, INTENSITY_LEVELS), np.int64)
    total = 0
    for part in normalized.slabs():
        inside = intracranial_masks.unpacked(intracranial_masks.intracranial, part)
        total += int(np.count_nonzero(inside))
        if lesions[part].any():
            inside &= lesions[part] == 0
        intensities = normalized.intensities[part]
        if csf_adjacent is not None:
            intensities = intensities + intracranial_masks.unpacked(csf_adjacent, part) * np.uint16(
                INTENSITY_LEVELS
            )
        apart += np.bincount(intensities[inside], minlength=2 * INTENSITY_LEVELS).reshape(
            2, INTENSITY_LEVELS
        )
    level = np.arange(INTENSITY_LEVELS)
    grey = tissues.pure_grey
    csf = np.clip((grey - level) / max(1, grey - tissues.csf), 0, 1)
    white = np.clip((grey - level) / (grey - tissues.pure_white), 0, 1)
    if csf_adjacent is None:
        shares = {"csf": float(apart[0] @ csf), "white": float(apart[0] @ white)}
    else:
        shares = {"csf": float(apart[1] @ csf), "white": float(apart[0] @ white)}
    return {
        "intracranial": float(total),
        **shares,
        "grey": float(apart.sum()) - shares["csf"] - shares["white"],
    }


def tissue_planes(
    normalized: NormalizedImage,
    intracranial_masks: IntracranialMasks,
    tissues: TissueIntensities,
    csf_adjacent: Bitmask | None,
) -> tuple[Bitmask, Bitmask]:
    """The bits, lowest first, of the label of each voxel's most likely tissue, of the box;
    arguments as for ``tissue_volumes``."""
    white = np.empty_like(intracranial_masks.intracranial)
    fluid = np.empty_like(white)
    grey = tissues.pure_grey
    middle = (grey + tissues.pure_white) // 2
    darker = (tissues.csf + tissues.grey) // 2
    for part in normalized.slabs():
        intensities = normalized.intensities[part]
        white[part] = pack(intensities > middle if csf_adjacent is None else intensities < middle)
        fluid[part] = pack(intensities < darker)
    if csf_adjacent is not None:
        white &= ~csf_adjacent
    inside = intracranial_masks.intracranial
    # 1 is fluid, 2 grey matter and 3 white matter.
    return (fluid | white) & inside, ~fluid & inside
