"""Finds how a head lies in a scan against an earlier scan of the same head: turned and shifted, but
neither larger nor bent.
"""

from dataclasses import dataclass

import numpy as np

from fr_brain.analyzers.volume.registration.align import (
    Matrix,
    align,
    level_with,
    misfit,
    nearest_rotation,
    overlap,
    shares_of,
)
from fr_brain.analyzers.volume.registration.template import Field, smoothed
from fr_brain.analyzers.volume.registration.tissue_map import TissueMap

_COARSE_ROUNDS, _FINE_ROUNDS = 6, 6
_AROUND = 3  # blocks around the brain that are known to be empty


@dataclass(frozen=True)
class Aligned:
    """Where a head lies in an earlier scan of it."""

    to_previous: Matrix
    """mm in the scan's space to mm in the earlier scan's space, 3 x 4; rigid."""
    misfit: float
    """How badly the tissues fit: 0 (not at all badly) to 1."""
    overlap: float
    """Dice coefficient of the brain's tissue, shares counted."""


def align_with_previous(current: TissueMap, previous: TissueMap, start: Matrix) -> Aligned:
    """Find the rigid transform to an earlier scan.

    Args:
        current: the head.
        previous: the same head in the earlier scan.
        start: mm in the scan's space to mm in the earlier scan's, 3 x 4, as far as it is known; its
            scale and shear are left out.
    """
    # On its own axes the earlier head lies on a grid.
    edges = np.linalg.norm(previous.to_mm[:, :3], axis=0)
    axes = previous.to_mm[:, :3] / edges
    back = np.linalg.inv(axes)
    affine = np.column_stack([back @ start[:, :3], back @ (start[:, 3] - previous.to_mm[:, 3])])
    centre = current.inside.ravel() @ current.points() / max(float(current.inside.sum()), 1e-6)
    turned = nearest_rotation(affine[:, :3])
    moved = affine[:, :3] @ centre + affine[:, 3]
    affine = np.column_stack([turned, moved - turned @ centre])
    coarse = level_with(current.halved(), _field(previous.halved(), edges, previous))
    affine = align(coarse, affine, _COARSE_ROUNDS, "rigid")
    fine = level_with(current, _field(previous, edges, previous))
    affine = align(fine, affine, _FINE_ROUNDS, "rigid")
    to_previous = np.column_stack(
        [axes @ affine[:, :3], axes @ affine[:, 3] + previous.to_mm[:, 3]]
    )
    return Aligned(to_previous, misfit(fine, affine), overlap(fine, affine))


def _field(tissues: TissueMap, edges: Matrix, whole: TissueMap) -> Field:
    """The earlier head on its own axes, whose origin is the first block of ``whole``."""
    spacing = np.linalg.norm(tissues.to_mm[:, :3], axis=0)
    first = np.linalg.inv(whole.to_mm[:, :3] / edges) @ (tissues.to_mm[:, 3] - whole.to_mm[:, 3])
    channels = [smoothed(np.pad(share, _AROUND), 1) for share in shares_of(tissues)]
    x, y, z = (float(one - _AROUND * mm) for one, mm in zip(first, spacing, strict=True))
    dx, dy, dz = (float(mm) for mm in spacing)
    return Field(channels, (x, y, z), (dx, dy, dz), known=False)
