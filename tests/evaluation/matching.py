"""What was found against what is there: pure, on arrays of labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

OVERLAP = 0.1
"""Share of a lesion that must be covered for it to count as found, and of a finding that must be
lesion for it not to count as false."""

Labels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Matched:
    """One scan's lesions, counted."""

    found: tuple[bool, ...]
    """For each true lesion, in the order of its label, whether it was found."""
    false: int
    """Findings of which less than ``OVERLAP`` is lesion."""
    common_voxels: int
    true_voxels: int
    found_voxels: int

    @property
    def dice(self) -> float | None:
        """Twice the common voxels over all; None where there are none at all."""
        return dice_of(self.common_voxels, self.true_voxels, self.found_voxels)


def match(true: Labels, found: Labels, lesions: int) -> Matched:
    """Compare two arrays of labels of the same shape; 0 is no lesion.

    Args:
        true: lesion n (1 to ``lesions``) is where it is n.
        found: each value but 0 is a finding.
        lesions: how many there are; one without a voxel cannot be found.

    Raises:
        ValueError: the shapes differ, or a label of ``true`` is above ``lesions``.
    """
    if true.shape != found.shape:
        raise ValueError(f"labels of shapes {true.shape} and {found.shape}")
    is_true, is_found = true != 0, found != 0
    both = is_true & is_found
    sizes = np.bincount(true[is_true], minlength=lesions + 1)
    if len(sizes) > lesions + 1:
        raise ValueError(f"a label of {len(sizes) - 1} where there are {lesions} lesions")
    covered = np.bincount(true[both], minlength=lesions + 1)
    enough = (sizes > 0) & (covered >= OVERLAP * sizes)
    own = np.bincount(found[is_found])
    right = np.bincount(found[both], minlength=len(own))
    false = np.count_nonzero((own > 0) & (right < OVERLAP * own))
    return Matched(
        found=tuple(bool(hit) for hit in enough[1:]),
        false=int(false),
        common_voxels=int(np.count_nonzero(both)),
        true_voxels=int(np.count_nonzero(is_true)),
        found_voxels=int(np.count_nonzero(is_found)),
    )


def mask_dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float | None:
    """Dice of two masks; None where both are empty."""
    common = int(np.count_nonzero(one & other))
    return dice_of(common, int(np.count_nonzero(one)), int(np.count_nonzero(other)))


def dice_of(common: int, one: int, other: int) -> float | None:
    """Dice of two sets by their sizes; None where both are empty."""
    return 2 * common / (one + other) if one + other else None


def f1_of(hits: int, misses: int, false: int) -> float | None:
    """The harmonic mean of sensitivity and precision; None where there is nothing to find and
    nothing found."""
    total = 2 * hits + misses + false
    return 2 * hits / total if total else None
