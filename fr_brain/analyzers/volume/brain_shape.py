"""The brain among the tissue of a head, on blocks: cut free by erosion, and judged by its shape.

Own method. A brain is compact; one that leaks into face and neck, or that has lost its cortex, has
far more surface. ``METHOD.md`` explains the constants.
"""

from collections.abc import Iterator, Sequence

import cc3d
import numpy as np

from fr_brain.analyzers.volume.image import (
    Bools,
    CoarseImage,
    Floats,
    Labels,
    UnreadableImage,
    distance_to,
)

BRAIN_ML = (600.0, 1900.0)
"""An adult's brain, ml."""
COMPACT_T1 = 0.78
"""Of a less compact brain on T1, larger erosions are tried."""

_CLOSING_MM = 8.0  # radius that closes an outline
_EROSIONS_MM = (4.1, 6.0, 8.1, 10.0)  # tried in turn to cut the brain free
_LIKELY_ML = 900.0  # a smaller brain is searched for again
_COMPACT = 0.75  # a less compact brain is searched for again
# A brain this compact that fills so much of the head below its scalp may be a child's.
_COMPACT_SMALL, _SHARE_SMALL = 0.78, 0.45
_LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6)  # of the threshold, tried in that search
_CORE_SHARE = 0.9  # of the middle of the head: in the brain
_CLOSED_ML = 2000.0  # a larger outline is no brain


def find_brain(
    coarse: CoarseImage, inner: Bools, level: float, voxel_ml: float, *, lower: bool = True
) -> tuple[float, Bools]:
    """The brain of a whole head.

    Where fat or a bias field misled the threshold, it tries lower ones and takes the most compact
    brain.

    Args:
        coarse: the blocks.
        inner: the head without its scalp.
        level: a first threshold between fluid and tissue.
        voxel_ml: volume of a voxel, ml.
        lower: whether lower thresholds are tried.

    Returns:
        The threshold, and the brain: booleans, a block each.
    """
    brain = _smallest_erosion(inner & (coarse.mean > level), coarse, voxel_ml)
    closed_ml, compact = _shape(brain, coarse, voxel_ml)
    likely = closed_ml >= _LIKELY_ML and compact >= _COMPACT
    fills = closed_ml >= max(BRAIN_ML[0], _SHARE_SMALL * _volume_ml(inner, coarse, voxel_ml))
    if not lower or likely or (fills and compact >= _COMPACT_SMALL):
        return level, brain
    best, most = (level, brain), 0.0
    for factor in _LEVELS:
        for other in _candidates(inner & (coarse.mean > factor * level), coarse, voxel_ml):
            closed_ml, compact = _shape(other, coarse, voxel_ml)
            if closed_ml >= _LIKELY_ML and compact > most:
                best, most = (factor * level, other), compact
    return best


def most_compact(
    values: Floats,
    levels: Sequence[float],
    fat: float,
    within: Bools,
    core: Bools,
    coarse: CoarseImage,
    voxel_ml: float,
) -> tuple[float, Bools] | None:
    """The most compact brain among blocks that are brighter than fluid and darker than fat.

    Args:
        values: intensities of the blocks.
        levels: thresholds between fluid and tissue to try.
        fat: the intensity from which a block is fat.
        within: where the brain may be.
        core: blocks that are brain in any case.
        coarse: the blocks.
        voxel_ml: volume of a voxel, ml.

    Returns:
        The threshold, and the brain, closed and filled: booleans, a block each; None if nothing
        has a brain's size and place.
    """
    best, most = None, 0.0
    enough = _CORE_SHARE * np.count_nonzero(core)
    for level in levels:
        for brain in _candidates(within & (values > level) & (values < fat), coarse, voxel_ml):
            closed = close_and_fill(brain, coarse)
            closed_ml = _volume_ml(closed, coarse, voxel_ml)
            has_place = np.count_nonzero(closed & core) >= enough
            compact = compactness(closed, coarse)
            if _LIKELY_ML <= closed_ml <= _CLOSED_ML and has_place and compact > most:
                best, most = (level, closed), compact
    return best


def cut_free(tissue: Bools, coarse: CoarseImage, voxel_ml: float) -> Bools | None:
    """The brain that an erosion cuts free of other tissue, closed and filled.

    It is what the smallest erosion leaves that is compact and has a brain's size when it is closed,
    because a larger erosion costs gyri. Without such a one it is the most compact.

    Args:
        tissue: blocks of tissue inside the scalp.
        coarse: the blocks.
        voxel_ml: volume of a voxel, ml.

    Returns:
        Booleans, a block each; None if nothing has a brain's size.
    """
    best, most = None, 0.0
    for brain in _candidates(tissue, coarse, voxel_ml):
        closed = close_and_fill(brain, coarse)
        compact = compactness(closed, coarse)
        if compact >= COMPACT_T1 and _volume_ml(closed, coarse, voxel_ml) <= BRAIN_ML[1]:
            return closed
        if compact > most:
            best, most = closed, compact
    return best


def close_and_fill(mask: Bools, coarse: CoarseImage) -> Bools:
    """The mask, closed and filled.

    A component of the background is outside if it reaches two faces of the field of view. A corner
    of air does; the hollow skull of a head that is cut off at the neck reaches only one.
    """
    if not mask.any():
        raise UnreadableImage("Nothing in the image stands out from the background.")
    reach = distance_to(mask, coarse.spacing_mm, _CLOSING_MM + 1)
    closed = mask | (
        distance_to(reach > _CLOSING_MM, coarse.spacing_mm, _CLOSING_MM + 1) > _CLOSING_MM
    )
    labels: Labels = cc3d.connected_components(~closed, connectivity=6)
    faces = np.zeros(int(labels.max()) + 1, np.uint8)
    for axis in range(3):
        for face in (0, -1):
            faces[np.unique(np.take(labels, face, axis=axis))] += 1
    outside = faces >= 2
    outside[0] = False
    return ~outside[labels]


def compactness(mask: Bools, coarse: CoarseImage) -> float:
    """Surface of a ball of the mask's volume over the mask's own: 1 for a ball, 0.83 to 0.92 for
    brains; the faces of blocks are 1.5 times the surface that they approximate."""
    faces = 0.0
    for axis, mm in enumerate(coarse.spacing_mm):
        area = float(np.prod(coarse.spacing_mm)) / mm
        inside = np.moveaxis(mask, axis, 0)
        steps = np.count_nonzero(inside[1:] != inside[:-1])
        ends = np.count_nonzero(inside[0]) + np.count_nonzero(inside[-1])
        faces += (steps + ends) * area
    volume = float(np.count_nonzero(mask)) * float(np.prod(coarse.spacing_mm))
    return float((36 * np.pi * volume**2) ** (1 / 3) / (faces / 1.5))


def largest(mask: Bools, share: float = 1.0) -> Bools:
    """The 6-connected components of at least this share of the voxels of the largest one."""
    if not mask.any():
        return mask
    labels: Labels = cc3d.connected_components(mask, connectivity=6)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= share * sizes.max())[labels])


def _smallest_erosion(tissue: Bools, coarse: CoarseImage, voxel_ml: float) -> Bools:
    """The brain after the smallest erosion whose largest component, grown back, is no larger than a
    brain: a larger one would cost gyri and the cerebellum."""
    brain = tissue
    for brain in _eroded(tissue, coarse):
        if _volume_ml(brain, coarse, voxel_ml) <= BRAIN_ML[1]:
            break
    return brain


def _candidates(tissue: Bools, coarse: CoarseImage, voxel_ml: float) -> Iterator[Bools]:
    """The largest component after each erosion, where it has a brain's size."""
    for brain in _eroded(tissue, coarse):
        if BRAIN_ML[0] <= _volume_ml(brain, coarse, voxel_ml) <= BRAIN_ML[1]:
            yield brain


def _eroded(tissue: Bools, coarse: CoarseImage) -> Iterator[Bools]:
    """The largest component after each erosion, grown back."""
    inwards = distance_to(~tissue, coarse.spacing_mm, _EROSIONS_MM[-1] + 1)
    for erosion in _EROSIONS_MM:
        # Nothing smaller than a block can be eroded.
        radius = max(erosion, *(mm + 0.1 for mm in coarse.spacing_mm))
        core = largest(inwards > radius)
        if not core.any():
            return
        yield tissue & (distance_to(core, coarse.spacing_mm, radius + 2) <= radius + 1)


def _shape(brain: Bools, coarse: CoarseImage, voxel_ml: float) -> tuple[float, float]:
    """Volume, ml, and compactness of a brain, closed and filled."""
    if not brain.any():
        return 0.0, 0.0
    closed = close_and_fill(brain, coarse)
    return _volume_ml(closed, coarse, voxel_ml), compactness(closed, coarse)


def _volume_ml(mask: Bools, coarse: CoarseImage, voxel_ml: float) -> float:
    return float(coarse.voxels[mask].sum(dtype=np.float64)) * voxel_ml
