"""What a T1 scan shows where the lesions of a FLAIR scan are.

Own method: each voxel of the T1 scan belongs to the lesion that the nearest voxel of the FLAIR scan
belongs to, and is counted by its tissue.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.follow_up.labelled_head import Box, LabelledHead
from fr_brain.analyzers.volume.follow_up.matching import inverse
from fr_brain.analyzers.volume.registration.align import Matrix
from fr_brain.analyzers.volume.tissue import WHITE_MATTER

_VOXELS_AT_ONCE = 1 << 18  # memory


@dataclass(frozen=True)
class LesionsOnT1:
    """Voxels of the T1 scan in each lesion of the FLAIR scan, by label from 0; (labels,)."""

    voxels: npt.NDArray[np.int64]
    white: npt.NDArray[np.int64]
    """Those that are white matter on T1."""
    missed: npt.NDArray[np.int64]
    """(tissues, labels): those of each tissue on T1 that are no lesion on T1."""


def lesions_on_t1(flair: LabelledHead, t1: LabelledHead, to_t1: Matrix) -> LesionsOnT1:
    """Count the voxels of a T1 scan in the lesions of a FLAIR scan of the same head.

    Args:
        flair: the FLAIR scan.
        t1: the T1 scan.
        to_t1: mm in the FLAIR scan's space to mm in the T1 scan's, 3 x 4; rigid.
    """
    labels = int(flair.lesions.max(initial=0)) + 1
    tissues = WHITE_MATTER + 1
    counts = np.zeros((2, tissues, labels), np.int64)  # without and with a lesion on T1
    to_index = _after(inverse(t1.affine), _after(to_t1, flair.affine))
    back = inverse(to_index)
    for label, box in _boxes(flair.lesions, to_index, t1.tissues.shape):
        for part in _parts(box):
            index = np.indices([side.stop - side.start for side in part], np.float32)
            index += np.array([side.start for side in part], np.float32)[:, None, None, None]
            points = index.reshape(3, -1)
            there = np.rint(back[:, :3] @ points + back[:, 3:]).astype(np.intp)
            shape = np.array(flair.lesions.shape)[:, None]
            inside = np.flatnonzero(((there >= 0) & (there < shape)).all(axis=0))
            own = inside[flair.lesions[tuple(there[:, inside])] == label]
            kinds = t1.tissues[part].ravel()[own]
            seen = t1.lesions[part].ravel()[own] > 0
            np.add.at(counts, (seen.astype(np.intp), kinds, label), 1)
    both = counts.sum(axis=0)
    return LesionsOnT1(both.sum(axis=0), both[WHITE_MATTER], counts[0])


def _after(second: Matrix, first: Matrix) -> Matrix:
    """One affine transform after another, 3 x 4."""
    return np.column_stack(
        [second[:, :3] @ first[:, :3], second[:, :3] @ first[:, 3] + second[:, 3]]
    )


def _boxes(
    lesions: npt.NDArray[np.integer], to_index: Matrix, shape: tuple[int, ...]
) -> Iterator[tuple[int, Box]]:
    """Each label with the box of the T1 scan that its lesion may reach into."""
    where = np.argwhere(lesions > 0)
    labels = lesions[tuple(where.T)]
    order = np.argsort(labels, kind="stable")
    where, labels = where[order], labels[order]
    begins = np.flatnonzero(np.diff(labels, prepend=0))
    for points in np.split(where, begins[1:]) if len(where) else ():
        low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
        corners = np.array(np.meshgrid(*np.stack([low, high], axis=1))).reshape(3, -1)
        reached = to_index[:, :3] @ corners + to_index[:, 3:]
        first = np.clip(np.floor(reached.min(axis=1)), 0, shape).astype(int)
        end = np.clip(np.ceil(reached.max(axis=1)) + 1, first, shape).astype(int)
        x, y, z = (slice(int(a), int(b)) for a, b in zip(first, end, strict=True))
        yield int(lesions[tuple(points[0])]), (x, y, z)


def _parts(box: Box) -> Iterator[Box]:
    """A box in pieces along its last axis."""
    x, y, z = box
    plane = max(1, (x.stop - x.start) * (y.stop - y.start))
    step = max(1, _VOXELS_AT_ONCE // plane)
    for start in range(z.start, z.stop, step):
        yield x, y, slice(start, min(z.stop, start + step))
