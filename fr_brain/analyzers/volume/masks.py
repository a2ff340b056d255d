"""Head and brain on the coarse image: thresholds, depths and the largest piece.

The brain is found as BET-like tools find it by hand: inside the skull's dark shell, cut off from
face and neck by erosion, grown back. Blocks are about 4 mm, so the outline is coarse.
"""

from dataclasses import dataclass, replace

import cc3d
import numpy as np

from fr_brain.analyzers.volume.image import (
    Bools,
    CoarseImage,
    Floats,
    Labels,
    UnreadableImage,
    distance_to,
    otsu,
)

_CLOSING_MM = 8.0  # bridges ear canals, sinuses and sulci
_SCALP_MM = 7.0  # taken off a whole head before the brain is looked for
_PROFILE_MM = 24.0  # the skull's dark shell lies within this depth
# Share of dark blocks at the darkest depth: phantoms 0.9, Colin27 0.66; stripped images 0.1.
_DARK_SHELL = 0.3
_EROSIONS_MM = (4.1, 6.0, 8.1, 10.0)
_BRAIN_ML = (600.0, 1900.0)
_BRAIN_EXTENT_MM = 75.0
_HEAD_ML = (1200.0, 7000.0)
_AIR_SHARE = 0.1
_DEPTH_MM = 12.0
# Fluid is what is darkest in the deep brain, as for the tissues' levels.
_FLUID_QUANTILE = 0.005


@dataclass(frozen=True)
class CoarseMasks:
    """What was found, in blocks (axes z, y, x)."""

    head: Bools
    brain: Bools
    """With ventricles and sulci: closed and filled."""
    depth: Floats
    """mm below the surface of ``brain``, at most 12."""
    inner: Bools
    """What of the head lies deeper than its scalp."""
    tissue_level: float
    """Scaled intensity between fluid and brain tissue."""
    stripped: bool
    """Whether scalp and skull are missing."""
    head_ml: float


def find_masks(coarse: CoarseImage, voxel_ml: float) -> CoarseMasks:
    """Find head and brain.

    Raises:
        Unfit: there is no head, or not a whole one, or its brain cannot be told apart.
    """
    level = otsu(coarse.mean)
    # Skin is dimmer than the threshold between air and bright tissue, noise in air far dimmer.
    head = _close_and_fill(_drop_specks(coarse.mean > 0.6 * level), coarse)
    share = float(head.mean())
    if share > 1 - _AIR_SHARE:
        raise UnreadableImage(
            f"{share:.0%} of the image is no air: not a whole head with air around it."
        )
    blocks_ml = coarse.voxels * np.float32(voxel_ml)
    head_ml = float(blocks_ml[head].sum(dtype=np.float64))
    depth = distance_to(~head, coarse.spacing_mm, _PROFILE_MM)
    stripped = _darkest_shell(head, depth, coarse.mean < level) < _DARK_SHELL
    if stripped:
        tissue_level = level
        inner = head
        brain = _largest(head & (coarse.mean > level))
    else:
        if not _HEAD_ML[0] <= head_ml <= _HEAD_ML[1]:
            raise UnreadableImage(
                f"What is not air measures {head_ml:.0f} ml; a head measures "
                f"{_HEAD_ML[0]:.0f} to {_HEAD_ML[1]:.0f} ml."
            )
        inner = head & (depth > _SCALP_MM)
        if not inner.any():
            raise UnreadableImage("Nothing lies deeper than the scalp.")
        tissue_level = otsu(coarse.mean[inner])
        brain = _isolate_brain(inner & (coarse.mean > tissue_level), coarse, blocks_ml)
    found_ml = float(blocks_ml[brain].sum(dtype=np.float64))
    if not _BRAIN_ML[0] <= found_ml <= _BRAIN_ML[1]:
        raise UnreadableImage(
            f"The brain could not be told apart: the best guess measures {found_ml:.0f} ml, an "
            f"adult's tissue {_BRAIN_ML[0]:.0f} to {_BRAIN_ML[1]:.0f} ml."
        )
    _check_extent(brain, coarse.spacing_mm)
    brain = _close_and_fill(brain, coarse)
    return CoarseMasks(
        head=head,
        brain=brain,
        depth=distance_to(~brain, coarse.spacing_mm, _DEPTH_MM),
        inner=inner,
        tissue_level=tissue_level,
        stripped=stripped,
        head_ml=head_ml,
    )


def refine_brain_mask_t1(
    masks: CoarseMasks, coarse: CoarseImage, normalized: Floats, grey: float, voxel_ml: float
) -> CoarseMasks:
    """The brain once more by what its field and tissues are known to be; as it was where that
    gives no brain.

    On T1 grey matter is dim: at Otsu's level, among skull, marrow and white matter, and under a
    field, blocks of gyri were lost, and the fluid around them with them.

    Args:
        masks: found without.
        coarse: the blocks.
        evened: their means over white matter, the field taken out.
        grey: grey matter over white.
        voxel_ml: of a voxel.
    """
    deep = normalized[masks.depth >= _DEPTH_MM]
    if masks.stripped or not deep.size:
        return masks
    fluid = min(float(np.quantile(deep, _FLUID_QUANTILE)), grey / 2)
    blocks_ml = coarse.voxels * np.float32(voxel_ml)
    brain = _isolate_brain(masks.inner & (normalized > (fluid + grey) / 2), coarse, blocks_ml)
    found_ml = float(blocks_ml[brain].sum(dtype=np.float64))
    if not _BRAIN_ML[0] <= found_ml <= _BRAIN_ML[1]:
        return masks
    brain = _close_and_fill(brain, coarse)
    return replace(masks, brain=brain, depth=distance_to(~brain, coarse.spacing_mm, _DEPTH_MM))


def edge_fraction(mask: Bools) -> float:
    """Share of the mask's blocks that lie at the edge of the field of view."""
    inside = int(np.count_nonzero(mask[1:-1, 1:-1, 1:-1]))
    return 1 - inside / max(1, int(np.count_nonzero(mask)))


def _isolate_brain(tissue: Bools, coarse: CoarseImage, blocks_ml: Floats) -> Bools:
    """The brain out of tissue that hangs together with face and neck.

    The least erosion whose largest piece, grown back, is no larger than a brain: more would cost
    gyri and the cerebellum.
    """
    inwards = distance_to(~tissue, coarse.spacing_mm, _EROSIONS_MM[-1] + 1)
    brain = tissue
    for erosion in _EROSIONS_MM:
        # A block is the least that can be taken off.
        radius = max(erosion, *(mm + 0.1 for mm in coarse.spacing_mm))
        core = _largest(inwards > radius)
        if not core.any():
            break
        brain = tissue & (distance_to(core, coarse.spacing_mm, radius + 2) <= radius + 1)
        if float(blocks_ml[brain].sum(dtype=np.float64)) <= _BRAIN_ML[1]:
            break
    return brain


def _check_extent(brain: Bools, spacing_mm: tuple[float, float, float]) -> None:
    for axis, name in enumerate(("foot to head", "back to front", "left to right")):
        others = tuple(other for other in range(3) if other != axis)
        extent = float(np.count_nonzero(brain.any(axis=others))) * spacing_mm[axis]
        if extent < _BRAIN_EXTENT_MM:
            raise UnreadableImage(
                f"Only {extent:.0f} mm of a brain are in the image from {name}: "
                "a part cannot be judged."
            )


def _darkest_shell(head: Bools, depth: Floats, dark: Bools) -> float:
    shells = (head & (depth > low) & (depth <= low + 4) for low in (4, 8, 12, 16))
    return max((float(dark[shell].mean()) for shell in shells if shell.any()), default=0.0)


def _drop_specks(mask: Bools) -> Bools:
    """The pieces of at least a twentieth of the largest: scalp and brain may be two."""
    if not mask.any():
        return mask
    labels: Labels = cc3d.connected_components(mask, connectivity=6)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= 0.05 * sizes.max())[labels]) & mask


def _largest(mask: Bools) -> Bools:
    """The largest 6-connected piece."""
    if not mask.any():
        return mask
    labels: Labels = cc3d.connected_components(mask, connectivity=6)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(np.argmax(sizes)))


def _close_and_fill(mask: Bools, coarse: CoarseImage) -> Bools:
    """The mask, closed and filled.

    Outside is what reaches two faces of the field of view: a corner does, but not the skull of a
    head that is cut off at the neck, which reaches one.
    """
    if not mask.any():
        raise UnreadableImage("Nothing stands out from the background.")
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
