"""The tissues of a segmented head on its blocks of about 4 mm."""

import math

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.registration.tissue_map import (
    Matrix,
    TissueMap,
    blocks_to_mm,
    means_over,
)
from fr_brain.analyzers.volume.segment import Segmentation


def tissue_map(segmentation: Segmentation, affine: Matrix) -> TissueMap:
    """The tissues of a segmentation, from a few voxels of each block.

    Args:
        segmentation: of the scan.
        affine: the scan's voxel index to mm, RAS+, 3 x 4.
    """
    normalized, masks = segmentation.normalized, segmentation.intracranial_masks
    tissues, adjacent = segmentation.tissues, segmentation.csf_adjacent
    factor, shape = normalized.factor, normalized.intensities.shape
    picks = [_picks(n, f) for n, f in zip(shape, factor, strict=True)]
    where = np.ix_(*picks)
    intensities = normalized.intensities[where]
    inside = _bits(masks.intracranial, picks)
    fluid = intensities < (tissues.csf + tissues.grey) // 2
    middle = (tissues.grey + tissues.white) // 2
    if adjacent is None:
        white = intensities > middle
    else:
        white = (intensities < middle) & ~_bits(adjacent, picks)
    lesion = segmentation.labels[where] > 0
    white = (white & ~fluid & inside) | lesion
    grey = inside & ~fluid & ~white
    per_block = [
        len(pick) // math.ceil(n / f) for pick, n, f in zip(picks, shape, factor, strict=True)
    ]
    shares = [
        means_over(part.astype(np.float32), per_block) for part in (grey, white, inside | lesion)
    ]
    to_mm = blocks_to_mm(segmentation.image, segmentation.coarse, affine)
    to_mm[:, 3] += to_mm[:, :3] @ [part.start for part in normalized.blocks]
    return TissueMap(
        shares[0],
        shares[1],
        shares[2],
        to_mm,
    )


def _picks(voxels: int, factor: int) -> npt.NDArray[np.intp]:
    """Two voxels of each block, as far from its middle as from its edge; one, if it has one."""
    first = (factor - 1) // 4
    offsets = sorted({first, factor - 1 - first})
    starts = np.arange(0, voxels, factor)
    picks = np.add.outer(starts, np.array(offsets)).ravel()
    return np.asarray(np.minimum(picks, voxels - 1), np.intp)


def _bits(
    bitmask: npt.NDArray[np.uint8], picks: list[npt.NDArray[np.intp]]
) -> npt.NDArray[np.bool_]:
    """A bitmask at the picked voxels."""
    columns = picks[2]
    octets = bitmask[np.ix_(picks[0], picks[1], columns // 8)]
    return np.asarray(octets >> (columns % 8).astype(np.uint8) & 1, np.bool_)
