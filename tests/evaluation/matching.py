"""Match findings with true lesions, on label arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

OVERLAP = 0.1
"""Share of a lesion that must be covered to count as found, and share of a finding that must be
lesion, or else it counts as false."""

Labels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Matched:
    """The matched lesions of one scan."""

    found: tuple[bool, ...]
    """Whether each true lesion was found, in order of label."""
    false: int
    """Number of false findings: less than ``OVERLAP`` of each is lesion."""
    common_voxels: int
    true_voxels: int
    found_voxels: int
    right: tuple[bool, ...] = ()
    """Whether each finding is a lesion, in order of label; a label without a voxel is not."""

    @property
    def dice(self) -> float | None:
        """Dice coefficient of the voxels; None if both sides are empty."""
        return dice_of(self.common_voxels, self.true_voxels, self.found_voxels)


def match(
    true: Labels, found: Labels, lesions: int, share: npt.NDArray[np.floating] | None = None
) -> Matched:
    """Compare two label arrays of the same shape; 0 is background.

    Args:
        true: the true lesions, labelled 1 to ``lesions``.
        found: the findings, each with its own label.
        lesions: number of true lesions; one without a voxel cannot be found.
        share: how much of each voxel is lesion, 0 to 1, where lesions fill voxels partly; a finding
            on a lesion too thin to have a label is not false. None: the labelled voxels, wholly.

    Raises:
        ValueError: the shapes differ, or a label of ``true`` is above ``lesions``.
    """
    if true.shape != found.shape:
        raise ValueError(f"label arrays have different shapes: {true.shape} and {found.shape}")
    is_true, is_found = true != 0, found != 0
    both = is_true & is_found
    sizes = np.bincount(true[is_true], minlength=lesions + 1)
    if len(sizes) > lesions + 1:
        raise ValueError(f"label {len(sizes) - 1} is above the number of lesions, {lesions}")
    covered = np.bincount(true[both], minlength=lesions + 1)
    enough = (sizes > 0) & (covered >= OVERLAP * sizes)
    own = np.bincount(found[is_found])
    if share is None:
        right = np.bincount(found[both], minlength=len(own))
    else:
        right = np.bincount(found[is_found], weights=share[is_found], minlength=len(own))
    is_lesion = (own > 0) & (right >= OVERLAP * own)
    false = np.count_nonzero((own > 0) & ~is_lesion)
    return Matched(
        found=tuple(bool(hit) for hit in enough[1:]),
        false=int(false),
        common_voxels=int(np.count_nonzero(both)),
        true_voxels=int(np.count_nonzero(is_true)),
        found_voxels=int(np.count_nonzero(is_found)),
        right=tuple(bool(one) for one in is_lesion[1:]),
    )


def mask_dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float | None:
    """Dice coefficient of two masks; None if both are empty."""
    common = int(np.count_nonzero(one & other))
    return dice_of(common, int(np.count_nonzero(one)), int(np.count_nonzero(other)))


def dice_of(common: int, one: int, other: int) -> float | None:
    """Dice coefficient of two sets, from their sizes; None if both are empty."""
    return 2 * common / (one + other) if one + other else None


def f1_of(hits: int, misses: int, false: int) -> float | None:
    """Harmonic mean of sensitivity and precision; None without lesions and findings."""
    total = 2 * hits + misses + false
    return 2 * hits / total if total else None
