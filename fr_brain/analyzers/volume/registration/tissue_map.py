"""The tissues of a head on its blocks of about 4 mm, with their places in mm."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import CanonicalImage, CoarseImage, Floats
from fr_brain.analyzers.volume.registration.template import Points

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
            means_over(part, factor) for part in (self.grey, self.white, self.inside)
        )
        return TissueMap(grey, white, inside, to_mm)


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


def blocks_to_mm(image: CanonicalImage, coarse: CoarseImage, affine: Matrix) -> Matrix:
    """Index of a block (z, y, x) to mm in the scan's space, 3 x 4.

    Args:
        image: the canonical image.
        coarse: its blocks.
        affine: the scan's voxel index to mm, 3 x 4.
    """
    to_mm = voxels_to_mm(image, affine)
    factor = np.array(coarse.factor, np.float64)
    return np.column_stack([to_mm[:, :3] * factor, to_mm[:, :3] @ ((factor - 1) / 2) + to_mm[:, 3]])


def means_over(part: Floats, factor: list[int]) -> Floats:
    """Means over ``factor`` consecutive values along each axis; the last mean may be of fewer.

    Args:
        part: three axes.
        factor: values of a mean along each axis.
    """

    def along(values: Floats, axis: int) -> Floats:
        starts = np.arange(0, values.shape[axis], factor[axis])
        counts = np.diff(np.append(starts, values.shape[axis])).astype(np.float32)
        sums = np.add.reduceat(values, starts, axis=axis)
        return np.asarray(sums / np.expand_dims(counts, [a for a in range(3) if a != axis]))

    return reduce(along, [axis for axis in range(3) if factor[axis] > 1], part)
