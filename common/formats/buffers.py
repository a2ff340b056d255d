"""Where decoded voxels are written: memory of this process, or memory shared with another."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Allocate = Callable[[int], npt.NDArray[np.uint8]]
"""Makes a buffer of a size in bytes."""


def in_memory(size: int) -> npt.NDArray[np.uint8]:
    """A buffer of ``size`` bytes in the memory of this process."""
    return np.empty(size, np.uint8)
