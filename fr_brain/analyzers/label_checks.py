"""Checks that a label map fits its scan, and describes it."""

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from common.domain.label_maps import DescribedMap, values_of
from common.domain.scan import BrainScan
from common.errors import AnalysisError
from fr_brain.analyzers.base import LabelMap

_PART = 1 << 18
_FEW = 8


def checked_map(one: Any, scan: BrainScan) -> tuple[DescribedMap, npt.NDArray[np.uint8]]:
    """The description of a map that an analyzer has made, and its labels in Fortran order.

    Raises:
        AnalysisError: it is no label map, does not fit the scan, or has a label without a meaning.
    """
    if not isinstance(one, LabelMap):
        raise AnalysisError(f"the analyzer returned no label map but {type(one).__name__}")
    voxels: Any = one.voxels
    if not isinstance(voxels, np.ndarray) or voxels.dtype != np.uint8:
        raise AnalysisError("the labels of a map are no array of uint8")
    if voxels.shape != scan.shape:
        raise AnalysisError(f"a label map has the shape {voxels.shape}; the scan has {scan.shape}")
    flat = voxels.reshape(-1, order="F")
    try:
        DescribedMap(name=one.name, values=values_of(one.values, {}))
    except (ValidationError, TypeError, AttributeError):
        raise AnalysisError("the analyzer describes a label map wrongly") from None
    counts = _counted(flat, few=list(one.values) if len(one.values) <= _FEW else [])
    if not set(counts) <= set(one.values):
        raise AnalysisError(f"the label map {one.name!r} has a label without a meaning")
    return DescribedMap(name=one.name, values=values_of(one.values, counts)), flat


def _counted(flat: npt.NDArray[np.uint8], few: list[int]) -> dict[int, int]:
    """The voxels of each label but 0.

    Part by part, each in the processor's cache: most are 0 everywhere, and comparing a part with a
    few labels takes a tenth of the time of a histogram.

    Args:
        flat: the labels.
        few: the expected labels, if they are few.
    """
    counts = np.zeros(256, np.int64)
    for start in range(0, flat.size, _PART):
        part = flat[start : start + _PART]
        left = int(np.count_nonzero(part))
        if not left:
            continue
        found = {value: int(np.count_nonzero(part == value)) for value in few}
        if sum(found.values()) == left:
            for value, count in found.items():
                counts[value] += count
        else:
            counts += np.bincount(part[part != 0], minlength=256)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
