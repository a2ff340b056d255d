"""Where a head's brain may lie: how much of a block is inside the skull of the registered template.

The registration is coarse and quick: it serves to cut off what is far from the brain.
"""

from functools import lru_cache

import numpy as np

from fr_brain.analyzers.volume.image import Floats
from fr_brain.analyzers.volume.registration.align import (
    align,
    level_of,
    overlap,
    start,
)
from fr_brain.analyzers.volume.registration.template import Field, channels, smoothed
from fr_brain.analyzers.volume.registration.tissue_map import TissueMap

_SIMILAR_ROUNDS, _AFFINE_ROUNDS = 6, 4
_SMOOTHING_ROUNDS = 2  # of the template's space inside the skull


def share_inside(tissues: TissueMap) -> tuple[float, Floats]:
    """Register a head to the template as its header says, and look up the template's space.

    Args:
        tissues: the head.

    Returns:
        Dice coefficient of the head's tissue and the template's, 0 to 1; and how much of each block
        is inside the template's skull, 0 to 1, smoothed: shape of ``tissues.inside``.
    """
    level = level_of(tissues, coarse=True)
    affine = align(level, start(tissues, np.eye(3)), _SIMILAR_ROUNDS, "similar")
    affine = align(level, affine, _AFFINE_ROUNDS, "affine")
    moved = tissues.points() @ affine[:, :3].T.astype(np.float32) + affine[:, 3].astype(np.float32)
    share = _inside().at(moved)[0][0].reshape(tissues.inside.shape)
    return overlap(level, affine), share


@lru_cache(maxsize=1)
def _inside() -> Field:
    return Field([smoothed(channels()["inside"], _SMOOTHING_ROUNDS)])
