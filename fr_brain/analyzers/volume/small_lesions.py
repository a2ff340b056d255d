"""Small faint lesions on FLAIR: local maxima that stand out of the tissue right around them.

Own method. The other searches ask for voxels that are brighter than grey matter, which a lesion of
a few voxels seldom has. Here a maximum is judged by its profile: how it falls off in 26 directions.
A logistic model of eleven measures tells lesions from cortex, linings and noise. ``METHOD.md``
explains the constants and the fit.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools, Floats
from fr_brain.analyzers.volume.normalize import Intensities, NormalizedImage
from fr_brain.analyzers.volume.thresholds import TissueThresholds
from fr_brain.analyzers.volume.tissue import TissueIntensities

Indices = npt.NDArray[np.intp]

NAMES = (
    "log cnr", "most at 3 mm", "log sigmas", "line at 2.5 mm", "mean at 3.75 mm", "half at 3 mm",
    "mean at 1 mm", "log rise", "fluid at 6 mm", "line at 1 mm", "grey over white",
)  # fmt: skip
"""The measures of a candidate, in the order of the weights; see ``_measured``."""

_EDGES_MM = 0.85, 1.25  # of the voxels that the model was fitted for
_RISE_LEAST = 45  # normalized: of a maximum over white matter, and over what is around it
_CNR_LEAST = 2.5  # rise over the standard deviation of white matter
_AROUND_MM = (3.75, 4.5)  # where the tissue around a maximum is measured
_PROFILE_MM = (1.0, 2.5, 3.0, 6.0)
_BELOW_MIN, _FLUID_SHARE_MAX = 0.75, 0.35  # of what is around: below half of the rise; fluid
_TISSUE_MIN, _FLUID_MAX = 0.88, 0.75  # over white matter
_RISE_FLOOR, _SPREAD_FLOOR, _SHARE_FLOOR, _SHARE_MAX = 5, 4, 20, 2  # bounds of the measures
_INTERCEPT = 37.98
_WEIGHTS = (1.21, -3.53, 7.20, -7.34, 7.74, -12.97, -9.74, 0.56, 6.89, -5.23, -29.97)
_LOGIT_MIN = 2.5  # of a lesion
_CANDIDATES_MAX = 400
_LEVELS = 0.6, 0.7, 0.8  # of the rise of its maximum: where a small lesion ends; if it leaks
_REACH_MM = 4.0  # of a small lesion from its maximum
_LARGEST_ML = 0.15  # a larger region is not a small lesion


@dataclass(frozen=True)
class Candidates:
    """Local maxima that might be small lesions."""

    positions: Indices
    """Voxels of the box, (n, 3), along z, y, x."""
    around: Floats
    """Intensity of the tissue around each, (n,)."""
    plateau: Floats
    """Mean of each maximum and its six neighbours, (n,)."""
    measures: npt.NDArray[np.float64]
    """(n, 11), in the order of ``NAMES``."""

    def chosen(self, which: Bools) -> "Candidates":
        """Some of them."""
        return Candidates(
            self.positions[which], self.around[which], self.plateau[which], self.measures[which]
        )


@dataclass(frozen=True)
class SmallLesion:
    """A lesion that this search found."""

    box: tuple[slice, ...]
    mask: Bools
    """Its voxels in that part of the box."""
    rise: float
    """Normalized intensity over the tissue around it."""
    logit: float
    """Logarithm of the odds that it is a lesion."""


def find_small_lesions(
    normalized: NormalizedImage,
    where: Bools,
    thresholds: TissueThresholds,
    tissues: TissueIntensities,
    spacing_mm: tuple[float, float, float],
    taken: Bools,
    least_voxels: float,
) -> list[SmallLesion]:
    """Small faint lesions, the surest first; none in voxels that the model was not fitted for.

    Args:
        normalized: the box.
        where: booleans of the coarse image: the inner brain.
        thresholds: peak and standard deviation of white matter.
        tissues: intensities of the tissues.
        spacing_mm: distance between voxels along z, y, x, mm.
        taken: voxels of the box that belong to lesions; those of the found ones are added.
        least_voxels: of a lesion.
    """
    if not _EDGES_MM[0] <= min(spacing_mm) <= max(spacing_mm) <= _EDGES_MM[1]:
        return []
    found = find_candidates(normalized, where, thresholds, tissues, spacing_mm, taken)
    logits = _INTERCEPT + found.measures @ np.array(_WEIGHTS)
    chosen = np.flatnonzero(logits >= _LOGIT_MIN)
    lesions: list[SmallLesion] = []
    if len(chosen) > _CANDIDATES_MAX:
        return lesions  # noise, in which none of them means anything
    for one in chosen[np.argsort(-logits[chosen], kind="stable")].tolist():
        around, plateau = float(found.around[one]), float(found.plateau[one])
        position = found.positions[one]
        if taken[tuple(position)]:
            continue
        box, mask = _region(normalized.intensities, position, around, spacing_mm)
        beside = mask & taken[box]
        size = int(np.count_nonzero(mask))
        voxel_ml = math.prod(spacing_mm) / 1000
        if beside.any() or not least_voxels <= size <= _LARGEST_ML / voxel_ml:
            continue
        taken[box] |= mask
        lesions.append(SmallLesion(box, mask, plateau - around, float(logits[one])))
    return lesions


def find_candidates(
    normalized: NormalizedImage,
    where: Bools,
    thresholds: TissueThresholds,
    tissues: TissueIntensities,
    spacing_mm: tuple[float, float, float],
    taken: Bools,
) -> Candidates:
    """Local maxima over white matter, most of whose surroundings are darker and no fluid;
    arguments as for ``find_small_lesions``."""
    intensities, white = normalized.intensities, thresholds.white
    flat, shape = intensities.ravel(), intensities.shape
    at = np.concatenate(
        [_maxima(normalized, part, where, taken, white + _RISE_LEAST, spacing_mm)
         for part in normalized.slabs()]
    )  # fmt: skip
    near, far = (flat[_around(at, shape, mm, spacing_mm)] for mm in (_PROFILE_MM[2], _AROUND_MM[1]))
    peak, median = flat[at].astype(np.float32), np.median(far, axis=1)
    half = (peak + np.minimum(median, tissues.grey)) / 2
    shell = np.concatenate([near, far], axis=1)
    kept = (
        ((shell < half[:, None]).mean(axis=1) >= _BELOW_MIN)
        & ((shell < _TISSUE_MIN * white).mean(axis=1) <= _FLUID_SHARE_MAX)
        & (peak - median >= _RISE_LEAST)
    )
    found = _measured(flat, shape, at[kept], thresholds, tissues, spacing_mm)
    return found.chosen(found.plateau - found.around >= _CNR_LEAST * thresholds.sigma)


def _maxima(
    normalized: NormalizedImage,
    part: slice,
    where: Bools,
    taken: Bools,
    least: int,
    spacing_mm: tuple[float, float, float],
) -> Indices:
    """Flat indices in the box of the local maxima of a slab; of equal neighbours, one is taken."""
    intensities = normalized.intensities
    bright = (intensities[part] >= least) & normalized.upsample(where, part)
    bright &= ~taken[part]
    # So that no direction leaves the box.
    margins = [max(1, round(max(_PROFILE_MM) / mm)) for mm in spacing_mm]
    first, last = margins[0] - part.start, len(intensities) - margins[0] - part.start
    bright[: max(0, first)] = False
    bright[max(0, last) :] = False
    for axis in (1, 2):
        edges = bright.swapaxes(0, axis)
        edges[: margins[axis]] = False
        edges[-margins[axis] :] = False
    plane, row = math.prod(intensities.shape[1:]), intensities.shape[2]
    at = np.flatnonzero(bright)
    at += part.start * plane
    flat = intensities.ravel()
    for z, y, x in itertools.product((0, -1, 1), repeat=3):
        step = z * plane + y * row + x
        if step:
            own, other = flat[at], flat[at + step]
            at = at[(own > other) | ((own == other) & (step > 0))]
    return at


def _directions() -> npt.NDArray[np.float64]:
    """26 unit vectors; number n and number n + 13 are opposite."""
    ahead = [step for step in itertools.product((1, 0, -1), repeat=3) if step > (0, 0, 0)]
    steps = np.array([*ahead, *(tuple(-part for part in step) for step in ahead)], np.float64)
    return np.asarray(steps / np.sqrt((steps**2).sum(axis=1, keepdims=True)))


_DIRECTIONS = _directions()


def _around(
    at: Indices, shape: tuple[int, ...], mm: float, spacing_mm: tuple[float, float, float]
) -> Indices:
    """Flat indices of the voxels at a distance from some, (n, 26)."""
    steps = np.rint(_DIRECTIONS * mm / np.array(spacing_mm)).astype(np.intp)
    return np.asarray(at[:, None] + steps @ np.array([shape[1] * shape[2], shape[2], 1]))


def _measured(
    flat: Intensities,
    shape: tuple[int, ...],
    at: Indices,
    thresholds: TissueThresholds,
    tissues: TissueIntensities,
    spacing_mm: tuple[float, float, float],
) -> Candidates:
    """Measure candidates, given by their flat indices in the box."""

    def profile(mm: float) -> Floats:
        return flat[_around(at, shape, mm, spacing_mm)].astype(np.float32)

    plane, row = shape[1] * shape[2], shape[2]
    beside = np.array([0, plane, -plane, row, -row, 1, -1])
    plateau = flat[at[:, None] + beside].mean(axis=1, dtype=np.float32)
    at_rim = profile(_AROUND_MM[0])
    outer = np.concatenate([at_rim, profile(_AROUND_MM[1])], axis=1)
    tissue = outer >= _TISSUE_MIN * thresholds.white
    around = _medians(outer, tissue, thresholds.white)
    spread = _medians(np.abs(outer - around[:, None]), tissue, 0)
    rise = np.maximum(plateau - around, _RISE_FLOOR)

    def share(values: Floats) -> Floats:
        """Of the rise, which a lesion has at its maximum."""
        own = (values - around[:, None]) / np.maximum(rise, _SHARE_FLOOR)[:, None]
        return np.asarray(np.clip(own, -_SHARE_MAX, _SHARE_MAX))

    def line(shares: Floats) -> Floats:
        """How bright both ends are of the brightest line through a maximum: a sheet has some."""
        return np.asarray(np.minimum(shares[:, :13], shares[:, 13:]).max(axis=1))

    first, second, third = (share(profile(mm)) for mm in _PROFILE_MM[:3])
    measures = [
        np.log(rise / np.maximum(spread, _SPREAD_FLOOR)),
        third.max(axis=1),
        np.log(rise / thresholds.sigma),
        line(second),
        share(at_rim).mean(axis=1),
        (third > 0.5).mean(axis=1),
        first.mean(axis=1),
        np.log(rise),
        (profile(_PROFILE_MM[3]) < _FLUID_MAX * thresholds.white).mean(axis=1),
        line(first),
        # The brighter grey matter is, the more a fold of cortex stands out like a lesion.
        np.full(len(at), tissues.grey / thresholds.white),
    ]
    return Candidates(
        np.stack(np.unravel_index(at, shape), axis=1),
        around,
        plateau,
        np.stack(measures, axis=1).astype(np.float64),
    )


def _medians(values: Floats, which: Bools, otherwise: float) -> Floats:
    """The median of some values of each row; ``otherwise`` for a row without any."""
    ordered = np.sort(np.where(which, values, np.float32(np.inf)), axis=1)
    count, row = np.count_nonzero(which, axis=1), np.arange(len(values))
    middle = (
        ordered[row, np.maximum(count - 1, 0) // 2]
        + ordered[row, np.minimum(count // 2, values.shape[1] - 1)]
    ) / 2
    return np.asarray(np.where(count > 0, middle, otherwise), np.float32)


def _region(
    intensities: Intensities,
    position: Indices,
    around: float,
    spacing_mm: tuple[float, float, float],
) -> tuple[tuple[slice, ...], Bools]:
    """The voxels of a lesion, and the part of the box that they lie in: what can be reached from
    its maximum by steps that do not lead up, so that it ends where cortex begins. What still leads
    out of reach follows cortex, so the level is raised."""
    reach = [max(1, round(_REACH_MM / mm)) for mm in spacing_mm]
    box = tuple(
        slice(middle - more, middle + more + 1)
        for middle, more in zip(position.tolist(), reach, strict=True)
    )
    own = intensities[box].astype(np.float32)
    inner = tuple(slice(1, -1) for _ in reach)
    for share in _LEVELS:
        reached = np.zeros_like(own)
        reached[tuple(reach)] = own[tuple(reach)]
        above = own >= around + share * (own[tuple(reach)] - around)
        for _ in range(max(reach)):
            highest = reached
            for axis in range(3):
                highest = _highest(highest, axis)
            reached = np.where(above & (own <= highest), own, 0)
        if np.count_nonzero(reached) == np.count_nonzero(reached[inner]):
            break
    return box, reached > 0


def _highest(values: Floats, axis: int) -> Floats:
    """The highest of each value and its two neighbours along an axis."""
    out = values.copy()
    to, source = out.swapaxes(0, axis), values.swapaxes(0, axis)
    np.maximum(to[1:], source[:-1], out=to[1:])
    np.maximum(to[:-1], source[1:], out=to[:-1])
    return out
