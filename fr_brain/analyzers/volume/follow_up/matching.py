"""Which lesions of two scans are the same."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.follow_up.labelled_head import LabelledHead
from fr_brain.analyzers.volume.registration.align import Matrix

_NEAR_MM = 2.0  # lesions this near to each other in two scans are the same one


@dataclass(frozen=True)
class Group:
    """Lesions that are one: usually one label of each scan, or of one of them."""

    now: tuple[int, ...]
    before: tuple[int, ...]


def matched(now: LabelledHead, before: LabelledHead, to_before: Matrix) -> list[Group]:
    """The lesions of two scans, those that touch each other together.

    Args:
        now: a scan.
        before: an earlier scan of the same head.
        to_before: mm in the first one's space to mm in the earlier one's, 3 x 4; rigid.
    """
    touching = set(_touching(now, before, to_before))
    touching |= {(one, two) for two, one in _touching(before, now, inverse(to_before))}
    parent: dict[tuple[bool, int], tuple[bool, int]] = {}
    for scan, head in ((True, now), (False, before)):
        parent |= {(scan, int(n)): (scan, int(n)) for n in np.unique(head.lesions) if n}

    def root(one: tuple[bool, int]) -> tuple[bool, int]:
        while parent[one] != one:
            one = parent[one]
        return one

    for mine, other in sorted(touching):
        parent[root((True, mine))] = root((False, other))
    groups: dict[tuple[bool, int], list[tuple[bool, int]]] = {}
    for one in sorted(parent):
        groups.setdefault(root(one), []).append(one)
    return [
        Group(
            tuple(n for is_now, n in group if is_now), tuple(n for is_now, n in group if not is_now)
        )
        for group in groups.values()
    ]


def inverse(affine: Matrix) -> Matrix:
    """The inverse of an affine transform, 3 x 4."""
    back = np.linalg.inv(affine[:, :3])
    return np.column_stack([back, -back @ affine[:, 3]])


def _touching(
    one: LabelledHead, other: LabelledHead, to_other: Matrix
) -> Iterator[tuple[int, int]]:
    """Pairs of labels of two scans that come nearer to each other than ``_NEAR_MM``."""
    where = np.argwhere(one.lesions > 0)
    labels = one.lesions[tuple(where.T)]
    mm = where @ one.affine[:, :3].T + one.affine[:, 3]
    there = mm @ to_other[:, :3].T + to_other[:, 3]
    back = inverse(other.affine)
    for step in _steps():
        index = np.rint((there + step) @ back[:, :3].T + back[:, 3]).astype(np.intp)
        inside = ((index >= 0) & (index < other.lesions.shape)).all(axis=1)
        found = other.lesions[tuple(index[inside].T)]
        pairs = np.stack([labels[inside], found]).astype(np.intp)[:, found > 0]
        yield from ((int(a), int(b)) for a, b in np.unique(pairs, axis=1).T)


def _steps() -> npt.NDArray[np.float64]:
    """Nowhere, and ``_NEAR_MM`` in 26 directions."""
    steps = np.array(list(itertools.product((-1, 0, 1), repeat=3)), np.float64)
    lengths = np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1)
    return np.asarray(_NEAR_MM * steps / lengths)
