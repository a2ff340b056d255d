"""Checks that a label map fits its scan, and describes it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from common.domain.bit_planes import BitPlanes, count_labels, layers_of
from common.domain.label_maps import DescribedMap, values_of
from common.domain.scan import BrainScan
from common.errors import AnalysisError
from fr_brain.analyzers.base import LabelMap, PlanesMap

_PART = 1 << 18
_FEW = 8


@dataclass(frozen=True, slots=True)
class CheckedMap:
    """A label map that keeps the rules."""

    described: DescribedMap
    labels: npt.NDArray[np.uint8]
    """What is packed, C order: a label for each voxel of the scan in Fortran order, or the layers
    of its bit planes."""
    layout: BitPlanes | None
    """Of the bit planes; None if there is a label for each voxel."""


def checked_map(one: Any, scan: BrainScan) -> CheckedMap:
    """A map that an analyzer has made, with its description.

    Raises:
        AnalysisError: it is no label map, does not fit the scan, or has a label without a meaning.
    """
    if isinstance(one, PlanesMap):
        layers = _checked_layers(one, scan)
        expected = _expected(one)
        return CheckedMap(_described(one, count_labels(layers, expected)), layers, one.layout)
    if not isinstance(one, LabelMap):
        raise AnalysisError(f"the analyzer returned {type(one).__name__} instead of a label map")
    voxels: Any = one.voxels
    if not isinstance(voxels, np.ndarray) or voxels.dtype != np.uint8:
        raise AnalysisError("the labels of a map are not an array of uint8")
    if voxels.shape != scan.shape:
        raise AnalysisError(f"a label map has the shape {voxels.shape}; the scan has {scan.shape}")
    flat = voxels.reshape(-1, order="F")
    expected = _expected(one)
    return CheckedMap(_described(one, _counted(flat, expected)), flat, None)


def _checked_layers(one: PlanesMap, scan: BrainScan) -> npt.NDArray[np.uint8]:
    layout: Any = one.layout
    if not isinstance(layout, BitPlanes):
        raise AnalysisError("the layout of a label map is not BitPlanes")
    if not layout.fits(scan.shape):
        raise AnalysisError(f"the bit planes of a label map do not fit the scan of {scan.shape}")
    planes: Any = one.planes
    if not isinstance(planes, list | tuple) or len(planes) != layout.bits:
        raise AnalysisError(f"a label map does not have the {layout.bits} bit planes of its layout")
    for plane in planes:
        if not isinstance(plane, np.ndarray) or plane.dtype != np.uint8:
            raise AnalysisError("a bit plane of a map is not an array of uint8")
        if plane.shape != layout.plane_shape:
            raise AnalysisError(
                f"a bit plane has the shape {plane.shape}; its layout {layout.plane_shape}"
            )
    return layers_of(layout, planes)


def _expected(one: LabelMap | PlanesMap) -> list[int]:
    """The labels of a map, if they are few.

    Raises:
        AnalysisError: its name or a meaning breaks a rule.
    """
    try:
        DescribedMap(name=one.name, values=values_of(one.values, {}))
    except (ValidationError, TypeError, AttributeError):
        raise AnalysisError("the analyzer describes a label map wrongly") from None
    return list(one.values) if len(one.values) <= _FEW else []


def _described(one: LabelMap | PlanesMap, counts: dict[int, int]) -> DescribedMap:
    if not set(counts) <= set(one.values):
        raise AnalysisError(f"the label map {one.name!r} has a label without a meaning")
    return DescribedMap(name=one.name, values=values_of(one.values, counts))


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
