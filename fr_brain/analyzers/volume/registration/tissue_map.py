"""The tissues of a segmented head on its blocks of about 4 mm, with their places in mm."""

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import CanonicalImage, Floats
from fr_brain.analyzers.volume.registration.template import Points
from fr_brain.analyzers.volume.segment import Segmentation

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TissueMap:
    """Shares of tissues; arrays have the axes z, y, x of the blocks of the brain's box."""

    grey: Floats
    white: Floats
    """White matter, with the lesions."""
    inside: Floats
    """All inside the skull."""
    to_mm: Matrix
    """Index of a block (z, y, x) to mm in the scan's space (x, y, z), 3 x 4."""

    def points(self) -> Points:
        """The centre of each block (n, 3), mm; in the order of the flattened arrays."""
        index = np.indices(self.inside.shape, np.float32).reshape(3, -1)
        return np.asarray(
            (self.to_mm[:, :3].astype(np.float32) @ index).T + self.to_mm[:, 3], np.float32
        )

    def halved(self) -> "TissueMap":
        """Means over 2 x 2 x 2 blocks; of axes whose blocks are coarse already, over fewer."""
        edges = np.linalg.norm(self.to_mm[:, :3], axis=0)
        factor = [2 if edge < 1.5 * edges.min() else 1 for edge in edges]
        to_mm = self.to_mm.copy()
        to_mm[:, 3] += to_mm[:, :3] @ [(f - 1) / 2 for f in factor]
        to_mm[:, :3] *= factor
        grey, white, inside = (
            _means(part, factor) for part in (self.grey, self.white, self.inside)
        )
        return TissueMap(grey, white, inside, to_mm)


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
    shares = [_means(part.astype(np.float32), per_block) for part in (grey, white, inside | lesion)]
    return TissueMap(
        shares[0],
        shares[1],
        shares[2],
        _blocks_to_mm(segmentation, voxels_to_mm(segmentation.image, affine)),
    )


def voxels_to_mm(image: CanonicalImage, affine: Matrix) -> Matrix:
    """Index of a canonical voxel (z, y, x) to mm in the scan's space, 3 x 4.

    Args:
        image: the canonical image.
        affine: the scan's voxel index to mm, 3 x 4.
    """
    first = np.array(image.scan_index((0, 0, 0)))
    steps = [np.array(image.scan_index(one)) - first for one in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    linear = affine[:, :3] @ np.array(steps).T
    return np.column_stack([linear, affine[:, :3] @ first + affine[:, 3]])


def _blocks_to_mm(segmentation: Segmentation, to_mm: Matrix) -> Matrix:
    factor = np.array(segmentation.normalized.factor, np.float64)
    first = [part.start for part in segmentation.normalized.box]
    offset = to_mm[:, :3] @ (np.array(first) + (factor - 1) / 2) + to_mm[:, 3]
    return np.column_stack([to_mm[:, :3] * factor, offset])


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


def _means(part: Floats, factor: list[int]) -> Floats:
    """Means over consecutive values along each axis; the last mean may be of fewer."""

    def along(values: Floats, axis: int) -> Floats:
        starts = np.arange(0, values.shape[axis], factor[axis])
        counts = np.diff(np.append(starts, values.shape[axis])).astype(np.float32)
        sums = np.add.reduceat(values, starts, axis=axis)
        return np.asarray(sums / np.expand_dims(counts, [a for a in range(3) if a != axis]))

    return reduce(along, [axis for axis in range(3) if factor[axis] > 1], part)
