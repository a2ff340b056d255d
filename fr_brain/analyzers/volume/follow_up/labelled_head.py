"""A segmented head as its label maps have it, and its tissues on blocks of about 4 mm."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import BLOCK_MM
from fr_brain.analyzers.volume.registration.align import Matrix
from fr_brain.analyzers.volume.registration.tissue_map import TissueMap
from fr_brain.analyzers.volume.tissue import CSF, GREY, WHITE_MATTER

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class LabelledHead:
    """Arrays have the scan's shape and axes."""

    lesions: npt.NDArray[Any]
    """Integers: the lesion that a voxel belongs to, from 1; else 0."""
    tissues: npt.NDArray[np.uint8]
    """``tissue.CSF``, ``GREY``, ``WHITE_MATTER``; 0 outside the skull."""
    affine: Matrix
    """Voxel index to mm, RAS+, 3 x 4."""
    filled: float = 1.0
    """Volume of the lesions over that of their voxels: in thick slices, voxels that they fill less
    than half count in their volume, too."""
    listed_ml: tuple[float, ...] = ()
    """Volumes of the first lesions, as the report lists them."""

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return abs(float(np.linalg.det(self.affine[:, :3]))) / 1000

    def lesions_ml(self, voxels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The volume of each lesion: the report's where it lists one, else from its voxels.

        Args:
            voxels: of each label, from 0, (n,).

        Returns:
            ml, (n,).
        """
        out = voxels * (self.voxel_ml * self.filled)
        own = self.listed_ml[: max(0, len(out) - 1)]
        out[1 : 1 + len(own)] = own
        return np.asarray(out, np.float64)

    def box(self) -> Box:
        """The bounding box of the space inside the skull; the whole scan if none is labelled."""
        inside = self.tissues > 0
        shadows = [np.logical_or.reduce(inside, axis=others) for others in ((1, 2), (0, 2), (0, 1))]
        sides = []
        for shadow in shadows:
            found = np.flatnonzero(shadow)
            sides.append(slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, None))
        return sides[0], sides[1], sides[2]


def tissue_blocks(head: LabelledHead) -> TissueMap:
    """Shares of tissues on blocks; lesions count as white matter.

    Args:
        head: the segmented head.

    Returns:
        Arrays with the scan's axes.
    """
    box = head.box()
    edges = np.linalg.norm(head.affine[:, :3], axis=0)
    # A damaged header may say any size.
    factor = [
        max(1, min(n, round(BLOCK_MM / float(edge))))
        for edge, n in zip(edges, head.tissues.shape, strict=True)
    ]
    counts = _counts(head.tissues[box], head.lesions[box], factor)
    first = np.array([side.start for side in box], np.float64)
    middle = first + (np.array(factor) - 1) / 2
    to_mm = np.column_stack(
        [head.affine[:, :3] * factor, head.affine[:, :3] @ middle + head.affine[:, 3]]
    )
    voxels = np.float32(math.prod(factor))
    inside, grey, white = (
        np.asarray((counts >> np.uint64(bits)) & _COUNT, np.float32) / voxels
        for bits in (0, _BITS, 2 * _BITS)
    )
    return TissueMap(grey, white, inside, to_mm)


_BITS = 20  # of a count of voxels in a block
_COUNT = np.uint64((1 << _BITS) - 1)


def _counts(
    tissues: npt.NDArray[np.uint8], lesions: npt.NDArray[Any], factor: list[int]
) -> npt.NDArray[np.uint64]:
    """How many voxels of each block are inside the skull, grey and white matter: three counts in
    one number, so that they are added together."""
    inside, grey, white = (1 << bits for bits in (0, _BITS, 2 * _BITS))
    worth = np.zeros(2 * (WHITE_MATTER + 1), np.uint64)
    worth[[CSF, GREY, WHITE_MATTER]] = inside, inside + grey, inside + white
    worth[WHITE_MATTER + 1 :] = inside + white  # lesions
    f, g, h = factor
    rows, columns, planes = (-(-n // one) for n, one in zip(tissues.shape, factor, strict=True))
    counts = np.empty((rows, columns, planes), np.uint64)
    padded = np.zeros((rows * f, columns * g), np.uint64)
    for plane in range(planes):
        part = slice(plane * h, (plane + 1) * h)
        kinds = tissues[..., part] + np.uint8(WHITE_MATTER + 1) * (lesions[..., part] > 0)
        padded[: tissues.shape[0], : tissues.shape[1]] = worth[kinds].sum(axis=2)
        counts[..., plane] = padded.reshape(rows, f, columns, g).sum(axis=(1, 3))
    return counts
