"""Intensities of pure grey and pure white matter on FLAIR, by their distance from fluid.

Where grey matter is only a few per cent brighter than white matter, the two share one peak of the
brain's histogram. But the layer 1 to 2 mm below fluid is mostly cortex, and tissue far from fluid
is mostly white matter. The histogram of each shows one clear peak.

Own method; ``METHOD.md`` explains the constants.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.bitmask import Bitmask
from fr_brain.analyzers.volume.intracranial import IntracranialMasks
from fr_brain.analyzers.volume.normalize import INTENSITY_LEVELS, NormalizedImage
from fr_brain.analyzers.volume.tissue import CSF_ADJACENT_MM, TissueIntensities, grow_layer

SPACING_MAX_MM = 1.5
"""Largest voxel edge with which layers are told apart: coarser voxels of the cortex are mixed."""

_LAYERS, _LAYER_MM = 6, 1.0  # below the fluid, of at least one voxel; what is deeper is another one
_CORTEX = 1  # its layer: the one above it is mixed with fluid
_WHITE_FROM, _WHITE_DEEPEST = 4, (6, 5, 4, 3)  # layers of white matter
_WHITE_ML = 30.0  # least volume of the deepest layers
_DEEP_MM = 4.0  # below fluid: the share of what is deeper shows how thick the cortex is
_SMOOTH = 41  # normalized intensities over which a histogram is averaged
_DARKEST = 600  # normalized intensity: what is darker is fluid
_CLEAR = 1.15  # grey over white matter from which the peaks of the whole brain are apart


def measure_pure(
    normalized: NormalizedImage,
    intracranial_masks: IntracranialMasks,
    tissues: TissueIntensities,
    near_fluid: Bitmask,
    lesions: npt.NDArray[np.uint16],
    spacing_mm: tuple[float, float, float],
) -> tuple[TissueIntensities, float | None]:
    """The intensities with those of pure grey and white matter, where their peaks merge, and how
    much of the intracranial space is deep.

    Args:
        normalized: the box.
        intracranial_masks: the space that is measured.
        tissues: intensities from the histogram of the whole brain.
        near_fluid: the voxels of the box near fluid (``find_csf_adjacent``).
        lesions: labels of the box; labelled voxels belong to no tissue.
        spacing_mm: distance between voxels along z, y, x, mm.

    Returns:
        The intensities, the same ones where the brain's own histogram tells the tissues apart; the
        share of that space, 0 to 1, that lies more than 4 mm below fluid. In voxels
        coarser than ``SPACING_MAX_MM``, the same intensities and None.
    """
    if max(spacing_mm) > SPACING_MAX_MM:
        return tissues, None
    layers = _histograms(normalized, intracranial_masks, near_fluid, lesions, spacing_mm)
    deep_share = _share_deeper(layers.sum(axis=1), spacing_mm)
    grey = _peak(layers[_CORTEX])
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    white = min(_peak(layers[_WHITE_FROM:].sum(axis=0)), _peak(_deepest(layers, voxel_ml)))
    if grey >= _CLEAR * white:
        return tissues, deep_share
    return replace(tissues, pure=max(grey, white + 1), deep=white), deep_share


def _histograms(
    normalized: NormalizedImage,
    intracranial_masks: IntracranialMasks,
    near_fluid: Bitmask,
    lesions: npt.NDArray[np.uint16],
    spacing_mm: tuple[float, float, float],
) -> npt.NDArray[np.int64]:
    """Of each layer, from the fluid inwards; the last one is all that is deeper."""
    inside = intracranial_masks.intracranial
    reached = [near_fluid | grow_layer(~inside, _LAYER_MM, spacing_mm)]
    for _ in range(_LAYERS):
        reached.append(grow_layer(reached[-1], _LAYER_MM, spacing_mm))
    counts = np.zeros((len(reached) + 1, INTENSITY_LEVELS), np.int64)
    for part in normalized.slabs():
        brain = intracranial_masks.unpacked(inside, part)
        if lesions[part].any():
            brain &= lesions[part] == 0
        depth = np.full(brain.shape, len(reached), np.uint16)
        for mask in reached:
            depth -= intracranial_masks.unpacked(mask, part)
        keys = depth[brain] * np.uint16(INTENSITY_LEVELS) + normalized.intensities[part][brain]
        counts += np.bincount(keys, minlength=counts.size).reshape(counts.shape)
    return counts


def _share_deeper(voxels: npt.NDArray[np.int64], spacing_mm: tuple[float, float, float]) -> float:
    """The share that is deeper than ``_DEEP_MM``, between two layers by interpolation.

    Args:
        voxels: of each layer.
        spacing_mm: distance between voxels along z, y, x, mm.
    """
    near_mm, layer_mm = (
        float(np.mean([max(1, round(mm / edge)) * edge for edge in spacing_mm]))
        for mm in (CSF_ADJACENT_MM, _LAYER_MM)
    )
    begins = [0.0, *(near_mm + layer_mm * np.arange(len(voxels) - 1))]
    deeper = np.cumsum(voxels[::-1])[::-1] / max(1, voxels.sum())
    return float(np.interp(_DEEP_MM, begins, deeper))


def _deepest(layers: npt.NDArray[np.int64], voxel_ml: float) -> npt.NDArray[np.int64]:
    """The histogram of the deepest layers that are large enough for a peak."""
    for first in _WHITE_DEEPEST:
        histogram: npt.NDArray[np.int64] = layers[first:].sum(axis=0)
        if histogram.sum() * voxel_ml >= _WHITE_ML:
            break
    return histogram


def _peak(histogram: npt.NDArray[np.int64]) -> int:
    smooth = np.convolve(histogram, np.ones(_SMOOTH), mode="same")
    return _DARKEST + int(np.argmax(smooth[_DARKEST:]))
