"""Lesions at full resolution: thresholds, connected components, tests on each component.

Own method. On FLAIR a voxel is a candidate if it is brighter than all healthy tissue. On T1 lesions
are dark, so intensities are mirrored at white matter, and only lesions inside white matter can be
told from grey matter. Each lesion ends at half of its rise (full width at half maximum).
``METHOD.md`` explains the tests and their constants.
"""

import math
from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools, Labels, UnreadableImage
from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import WHITE, Intensities, NormalizedImage
from fr_brain.analyzers.volume.thresholds import MARGIN_MM, TissueThresholds, mirrored

MIN_ML = 0.004
"""The smallest lesion, ml."""

_MAX_ML = 200.0  # the largest lesion
_MIN_VOXELS = 3  # of a lesion
_ISLAND_TOUCH_MAX = 0.12  # on T1, fraction of a lesion's border that may be as dark
_RISE_MIN = 1.04  # brighter half of a lesion over the end of healthy tissue
_CONTRAST_MIN = 1.1  # brighter half of a lesion over its surroundings
_SPREAD_MAX = 0.3  # fraction of the ring around a lesion above half of its rise
_COARSE_MM, _MEAN_MIN = 2.25, 1.03  # from this voxel edge: mean over the end of healthy tissue
_AROUND_MM = 3.5  # margin in which a lesion's surroundings are read
_REGROW_MM = 1.5  # a lesion's border lies within this of the voxels above the threshold
_CNR_MIN = 5.4  # rise over smoothed noise, on FLAIR
_CNR_MIN_T1 = 6.0  # the same on T1
_CNR_MIN_BELOW_GREY = 20.0  # the same for T1 lesions that are known only as darker than grey matter
_SAMPLED_MIN = 16  # voxels of a component of which about two are in every eighth
_COMPONENTS_MAX = 400  # an image with more does not show lesions; also a bound on work


@dataclass(frozen=True)
class MeasuredLesion:
    """One lesion."""

    voxels: int
    """Voxels above half of the rise from the surroundings to the lesion's brighter half."""
    centroid: tuple[float, float, float]
    """Mean canonical voxel index (z, y, x)."""
    extent: tuple[int, int, int]
    """Voxels along z, y, x of its bounding box."""
    ratio: float
    """Mean intensity over that of white matter."""
    cnr: float
    """Contrast-to-noise ratio: rise of its brighter half over the noise after smoothing."""


@dataclass(frozen=True)
class DetectedLesions:
    """All lesions of a scan."""

    lesions: list[MeasuredLesion]
    """The largest first."""
    labels: npt.NDArray[np.uint16]
    """Shape of the box: n where lesion n (from 1) is, else 0."""


def find_lesions(
    normalized: NormalizedImage,
    masks: CoarseMasks,
    thresholds: TissueThresholds,
    spacing_mm: tuple[float, float, float],
    voxel_ml: float,
    *,
    t1_like: bool,
) -> DetectedLesions:
    """Find and measure the lesions.

    Args:
        normalized: the box.
        masks: head and brain, a block each.
        thresholds: where healthy tissue ends.
        spacing_mm: distance between voxels along z, y, x, mm.
        voxel_ml: volume of a voxel, ml.
        t1_like: whether grey matter is darker than white, as on T1.

    Raises:
        UnreadableImage: the brain has more bright components than any brain has lesions.
    """
    inner = masks.brain & (masks.depth > MARGIN_MM)
    components: list[Component] = []
    taken = np.zeros(normalized.intensities.shape, np.bool_)
    if not t1_like:
        begin = thresholds.seed if _is_coarse(voxel_ml) else thresholds.grow
        passes = [(inner, begin, thresholds.seed, _CNR_MIN)]
    else:
        # The second pass finds lesions that touch grey matter but are darker than it.
        passes = [
            (masks.brain, thresholds.zone_grow, thresholds.zone_seed, _CNR_MIN_T1),
            (masks.brain, thresholds.below_grey, thresholds.below_grey, _CNR_MIN_BELOW_GREY),
        ]
    for where, limit, seed, least in passes:
        found = _detect(
            normalized,
            where,
            inner,
            limit,
            seed,
            thresholds,
            spacing_mm,
            voxel_ml,
            taken,
            t1_like=t1_like,
        )
        components += [component for component in found if component.cnr >= least]
    del taken
    lesions = sorted(
        ((_measured(normalized, component), component) for component in components),
        key=lambda item: (-item[0].voxels, item[0].centroid),
    )
    out = np.zeros(normalized.intensities.shape, np.uint16)
    for number, (_, component) in enumerate(lesions, 1):
        out[component.box][component.mask] = number
    return DetectedLesions([lesion for lesion, _ in lesions], out)


@dataclass(frozen=True)
class Component:
    """The voxels of one lesion in a part of the box."""

    box: tuple[slice, ...]
    mask: Bools
    cnr: float


def _detect(
    normalized: NormalizedImage,
    where: Bools,
    inner: Bools,
    limit: int,
    seed: int,
    thresholds: TissueThresholds,
    spacing_mm: tuple[float, float, float],
    voxel_ml: float,
    taken: Bools,
    *,
    t1_like: bool,
) -> list[Component]:
    """The lesions above a limit in the blocks ``where``.

    Components that leave ``inner`` are discarded on T1. Voxels that are ``taken`` are skipped;
    those of new lesions are added to it.
    """
    intensities = normalized.intensities
    above = np.empty(intensities.shape, np.bool_)
    for part in normalized.slabs():
        if t1_like:
            np.less_equal(intensities[part], 2 * WHITE - limit, out=above[part])
        else:
            np.greater_equal(intensities[part], limit, out=above[part])
        above[part] &= normalized.upsample(where, part)
    labels: Labels = cc3d.connected_components(above.view(np.uint8), connectivity=18)
    del above
    # Lesions fill a thousandth of the box, so statistics run on their voxels alone.
    indices = _voxel_indices(labels, normalized, _MAX_ML / voxel_ml if t1_like else math.inf)
    if not indices.size:
        return []
    own = labels.ravel()[indices]
    values = intensities.ravel()[indices]
    if t1_like:
        values = mirrored(values)
    sizes = np.bincount(own)
    fits = np.zeros(len(sizes), np.bool_)
    fits[own[values >= seed]] = True
    fits &= (sizes >= max(_MIN_VOXELS, MIN_ML / voxel_ml)) & (sizes <= _MAX_ML / voxel_ml)
    if t1_like:
        fits[own[~normalized.upsample(inner).ravel()[indices]]] = False
    kept = np.flatnonzero(fits)
    if len(kept) > _COMPONENTS_MAX:
        raise UnreadableImage(
            f"The brain has {len(kept)} separate bright spots: the image is noise or another "
            "contrast."
        )
    chosen = fits[own]
    indices, own = indices[chosen], own[chosen]
    by_label = np.argsort(own, kind="stable")
    ends = np.searchsorted(own[by_label], kept, side="right")
    components = []
    margin = [math.ceil(_AROUND_MM / edge) for edge in spacing_mm]
    regrow = [max(1, round(_REGROW_MM / edge)) for edge in spacing_mm]
    for label, end in zip(kept, ends, strict=True):
        positions = np.unravel_index(indices[by_label[end - sizes[label] : end]], labels.shape)
        box = tuple(
            slice(max(0, int(axis.min()) - more), int(axis.max()) + more + 1)
            for axis, more in zip(positions, margin, strict=True)
        )
        around = mirrored(intensities[box]) if t1_like else intensities[box]
        measured = _measure(
            around, labels[box], int(label), limit, thresholds, regrow, t1_like=t1_like
        )
        if measured is None:
            continue
        grown, cnr = measured
        if (
            not t1_like
            and _is_coarse(voxel_ml)
            and around[grown].mean() < _MEAN_MIN * thresholds.grow
        ):
            continue
        grown &= ~taken[box]
        if np.count_nonzero(grown) >= _MIN_VOXELS:
            taken[box] |= grown
            components.append(Component(box, grown, cnr))
    return components


def _is_coarse(voxel_ml: float) -> bool:
    return voxel_ml * 1000 > _COARSE_MM**3


def _voxel_indices(
    labels: Labels, normalized: NormalizedImage, most: float
) -> npt.NDArray[np.intp]:
    """Flat indices of the labelled voxels, without components of more voxels than ``most``.

    On T1 grey matter is above the limit too, and a list of all its voxels would be long. Every
    eighth voxel shows which components may be that large; one that it misses only lengthens the
    list.
    """
    large = []
    if most < math.inf:
        sampled = np.bincount(labels[::2, ::2, ::2].ravel())
        sampled[0] = 0
        for label in np.flatnonzero(sampled > most / _SAMPLED_MIN).tolist():
            count = sum(np.count_nonzero(labels[part] == label) for part in normalized.slabs())
            if count > most:
                large.append(label)
    found = []
    for part in normalized.slabs():
        own = labels[part]
        wanted = own != 0
        for label in large:
            wanted &= own != label
        indices = np.flatnonzero(wanted)
        indices += part.start * math.prod(labels.shape[1:])
        found.append(indices)
    return np.concatenate(found)


def _measure(
    intensities: Intensities,
    labels: Labels,
    label: int,
    limit: int,
    thresholds: TissueThresholds,
    regrow: list[int],
    *,
    t1_like: bool,
) -> tuple[Bools, float] | None:
    """The voxels of one component in its part of the box, and its cnr; None if it is no lesion."""
    component = labels == label
    if not t1_like:
        # Under a residual bias field, cortex above the limit can be connected with a lesion: keep
        # only what is near to voxels above the seed threshold.
        core = component & (intensities >= thresholds.seed)
        for axis, steps in enumerate(regrow):
            for _ in range(steps):
                core = _widen(core, axis)
        component &= core
    inside = np.sort(intensities[component])
    dilated = component
    for axis, steps in enumerate(regrow):
        for _ in range(steps):
            dilated = _widen(dilated, axis)
    free = intensities < limit if t1_like else labels == 0
    around = intensities[free & ~dilated]
    if not around.size:
        return None
    bright = float(inside[len(inside) // 2 :].mean())
    surroundings = float(np.median(around))
    if t1_like:
        # Grey matter is as bright, so the lesion must lie in white matter and touch little of it.
        once = component
        for axis in range(3):
            once = _widen(once, axis)
        ring = once & ~component
        touching = np.count_nonzero(intensities[ring] >= limit)
        if touching > _ISLAND_TOUCH_MAX * np.count_nonzero(ring):
            return None
        if abs(surroundings - thresholds.white) > 4 * thresholds.sigma:
            return None
    elif bright < _RISE_MIN * thresholds.grow or bright < _CONTRAST_MIN * surroundings:
        return None
    # The threshold depends on the noise of the brain; the border of a lesion must not.
    upper = intensities >= (bright + surroundings) / 2
    ring = dilated & ~component
    if np.count_nonzero(upper & ring) > _SPREAD_MAX * np.count_nonzero(ring):
        return None
    grown = dilated & upper & (component | free)
    return grown, (bright - surroundings) / thresholds.sigma


def _measured(normalized: NormalizedImage, component: Component) -> MeasuredLesion:
    positions = np.nonzero(component.mask)
    start = [
        part.start + whole.start for part, whole in zip(component.box, normalized.box, strict=True)
    ]
    centroid = [float(axis.mean()) + first for axis, first in zip(positions, start, strict=True)]
    extent = [int(axis.max()) - int(axis.min()) + 1 for axis in positions]
    return MeasuredLesion(
        voxels=len(positions[0]),
        centroid=(centroid[0], centroid[1], centroid[2]),
        extent=(extent[0], extent[1], extent[2]),
        ratio=float(normalized.intensities[component.box][component.mask].mean()) / WHITE,
        cnr=component.cnr,
    )


def _widen(mask: Bools, axis: int) -> Bools:
    out = mask.copy()
    ahead: list[slice] = [slice(None)] * 3
    behind: list[slice] = [slice(None)] * 3
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    out[tuple(ahead)] |= mask[tuple(behind)]
    out[tuple(behind)] |= mask[tuple(ahead)]
    return out
