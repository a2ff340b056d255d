"""What changed in a head since an earlier scan of it: lesions and the brain's volume.

Own method: the two scans are aligned by their tissues, rigidly; lesions that come near each other
are the same, and their volumes are compared. ``METHOD.md`` explains the constants.
"""

import math
from dataclasses import dataclass

import numpy as np

from common.domain.follow_up import LESIONS_LISTED_MAX, ChangedLesion, LesionChange
from fr_brain.analyzers.volume.follow_up.labelled_head import LabelledHead, tissue_blocks
from fr_brain.analyzers.volume.follow_up.matching import Group, inverse, matched
from fr_brain.analyzers.volume.follow_up.rigid import Aligned, align_with_previous
from fr_brain.analyzers.volume.registration.align import Matrix
from fr_brain.analyzers.volume.tissue import GREY

_MISFIT_MAX, _OVERLAP_MIN = 0.1, 0.98  # of two scans of one head
_SEEN_VOXELS, _SEEN_ML = 60, 0.05  # smaller lesions may be missed in one of two scans
_ALIKE = 0.95  # share of a lesion that looks like grey matter in the other scan: it may be there
_CHANGE_MIN, _CHANGE_NOISE = 0.2, 4.0  # logarithm of the ratio; the same, by the root of the voxels
BRAIN_ERROR_PERCENT = 0.3
"""The brain's volume in two synthetic scans of one head differs by less in 95 % of pairs."""


@dataclass(frozen=True)
class Compared:
    """What changed; no lesions if the heads cannot be compared."""

    withheld: str | None
    """Why they are not compared, in a sentence."""
    aligned: Aligned
    lesions: list[ChangedLesion]
    """All of them, the largest change first."""


def compare(now: LabelledHead, before: LabelledHead, start: Matrix) -> Compared:
    """Compare a scan with an earlier one.

    Args:
        now: the scan.
        before: the earlier scan.
        start: mm in the scan's space to mm in the earlier one's, 3 x 4, as far as it is known.
    """
    aligned = align_with_previous(tissue_blocks(now), tissue_blocks(before), start)
    if aligned.misfit > _MISFIT_MAX or aligned.overlap < _OVERLAP_MIN:
        return Compared(
            "The two scans do not show the same brain: it has changed much, one of them was "
            "misread, or they are of two people.",
            aligned,
            [],
        )
    to_now = inverse(aligned.to_previous)
    (sizes, sums), (sizes_before, sums_before) = _centroids(now), _centroids(before)
    volumes, volumes_before = now.lesions_ml(sizes), before.lesions_ml(sizes_before)
    voxel_ml = max(now.voxel_ml, before.voxel_ml)
    lesions = []
    for group in matched(now, before, aligned.to_previous):
        own, earlier = list(group.now), list(group.before)
        ml = float(volumes[own].sum())
        previous_ml = float(volumes_before[earlier].sum())
        if own:
            mm = sums[own].sum(axis=0) / sizes[own].sum()
        else:
            there = sums_before[earlier].sum(axis=0) / sizes_before[earlier].sum()
            mm = to_now[:, :3] @ there + to_now[:, 3]
        change = _change(ml, previous_ml, voxel_ml)
        lesions.append(
            ChangedLesion(
                change=change,
                ids=group.now,
                previous_ids=group.before,
                volume_ml=round(ml, 4),
                previous_ml=round(previous_ml, 4),
                centroid_mm=(
                    round(float(mm[0]), 1),
                    round(float(mm[1]), 1),
                    round(float(mm[2]), 1),
                ),
                doubtful=change in (LesionChange.NEW, LesionChange.GONE)
                and (
                    max(ml, previous_ml) < max(_SEEN_ML, _SEEN_VOXELS * voxel_ml)
                    or _may_be_there(group, now, before, aligned.to_previous, to_now)
                ),
            )
        )
    lesions.sort(key=lambda one: (-abs(one.volume_ml - one.previous_ml), one.centroid_mm))
    return Compared(None, aligned, lesions)


def _may_be_there(
    group: Group, now: LabelledHead, before: LabelledHead, to_before: Matrix, to_now: Matrix
) -> bool:
    """Whether a lesion that only one scan shows may be in the other one, too: there, nearly all of
    it looks like grey matter, as lesions do, and not like the white matter that most lie in."""
    one, other, labels, there = (
        (now, before, group.now, to_before) if group.now else (before, now, group.before, to_now)
    )
    where = np.argwhere(np.isin(one.lesions, labels))
    mm = where @ one.affine[:, :3].T + one.affine[:, 3]
    back = inverse(other.affine)
    index = (mm @ there[:, :3].T + there[:, 3]) @ back[:, :3].T + back[:, 3]
    index = np.rint(index).astype(np.intp)
    inside = ((index >= 0) & (index < other.tissues.shape)).all(axis=1)
    found = other.tissues[tuple(index[inside].T)]
    return bool(np.count_nonzero(found == GREY) >= _ALIKE * len(where))


def _change(ml: float, previous_ml: float, voxel_ml: float) -> LesionChange:
    if not previous_ml:
        return LesionChange.NEW
    if not ml:
        return LesionChange.GONE
    ratio = math.log(ml / previous_ml)
    voxels = min(ml, previous_ml) / voxel_ml
    if abs(ratio) <= max(_CHANGE_MIN, _CHANGE_NOISE / math.sqrt(voxels)):
        return LesionChange.STABLE
    return LesionChange.GROWN if ratio > 0 else LesionChange.SHRUNK


def _centroids(head: LabelledHead) -> tuple[Matrix, Matrix]:
    """Number of voxels of each label from 0, and the sum of their positions in mm, (labels, 3)."""
    where = np.argwhere(head.lesions > 0)
    labels = head.lesions[tuple(where.T)]
    mm = where @ head.affine[:, :3].T + head.affine[:, 3]
    sums = [np.bincount(labels, weights=mm[:, axis]) for axis in range(3)]
    return np.bincount(labels).astype(np.float64), np.column_stack(sums)


def listed(lesions: list[ChangedLesion]) -> tuple[ChangedLesion, ...]:
    """Those that a report lists."""
    changed = [one for one in lesions if one.change is not LesionChange.STABLE]
    return tuple(changed[:LESIONS_LISTED_MAX])
