"""The region of each lesion, by the criteria of McDonald 2017 (Thompson et al., Lancet Neurology
17, 2018): periventricular, juxtacortical or cortical, infratentorial, or else deep.

The template tells where ventricles, cortex, cerebellum and brain stem may be; the head's own fluid
and grey matter there tell where they are. ``METHOD.md`` explains the constants.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from common.domain.findings import Region
from fr_brain.analyzers.volume.image import Bools, Floats, distance_to
from fr_brain.analyzers.volume.registration.align import Matrix
from fr_brain.analyzers.volume.registration.template import Field, Points, channels, smoothed
from fr_brain.analyzers.volume.registration.tissue_map import voxels_to_mm
from fr_brain.analyzers.volume.segment import Segmentation

_REACH_MM = 6.0  # from a lesion, within which its surroundings are looked at
_VENTRICLE_MM = 3.25  # from the lateral ventricles, besides half of the largest voxel edge
_VENTRICLE_ZONE = 0.03  # of the smoothed ventricles: fluid there is theirs, also if they are wide
_VENTRICLE_ROUNDS = 3  # of that smoothing
_CORTEX_MM = (1.6, 4.0)  # distance of a lesion's surroundings
_CORTEX_MIN = 0.32  # share of cortex: the template's in the lesion, and half of the head's around
_BELOW = 0.5  # share of cerebellum and brain stem
# Thalamus and basal ganglia lie within, the cortex of the insula outside: |x|, y, z in MNI mm.
_NUCLEI = ((0.0, 32.0), (-34.0, 22.0), (-14.0, 20.0))


@dataclass(frozen=True)
class PlacedLesion:
    """Where a lesion is."""

    mni_mm: tuple[int, int, int]
    """Its centroid, rounded to what it is worth."""
    region: Region
    inside: float
    """How much of it the template has inside the skull, 0 to 1."""


def place_lesions(
    segmentation: Segmentation, scan_affine: Matrix, to_mni: Matrix
) -> list[PlacedLesion]:
    """The place of each lesion of a segmentation, in its order.

    Args:
        segmentation: of the scan.
        scan_affine: the scan's voxel index to mm, 3 x 4.
        to_mni: mm in the scan's space to mm in MNI space, 3 x 4.
    """
    own = voxels_to_mm(segmentation.image, scan_affine)
    linear = to_mni[:, :3] @ own[:, :3]
    whole = np.column_stack([linear, to_mni[:, :3] @ own[:, 3] + to_mni[:, 3]])
    placed = []
    for number, lesion in enumerate(segmentation.lesions, 1):
        x, y, z = whole[:, :3] @ lesion.centroid + whole[:, 3]
        around = _Surroundings(segmentation, number, whole)
        placed.append(
            PlacedLesion((round(x), round(y), round(z)), around.region(), around.inside())
        )
    return placed


@lru_cache(maxsize=1)
def _priors() -> Field:
    """Cerebellum and brain stem, the ventricles' zone, grey matter, and all inside the skull."""
    named = channels()
    zone = smoothed(named["ventricles"], _VENTRICLE_ROUNDS)
    return Field([named["infratentorial"], zone, named["grey"], named["inside"]])


class _Surroundings:
    """A lesion and what lies within a few millimetres of it."""

    def __init__(self, segmentation: Segmentation, number: int, to_mni: Matrix) -> None:
        lesion, normalized = segmentation.lesions[number - 1], segmentation.normalized
        self._segmentation = segmentation
        self._spacing_mm = segmentation.image.spacing_mm
        start, box = [], []
        for corner, extent, part, mm, n in zip(
            lesion.corner, lesion.extent, normalized.box, self._spacing_mm,
            normalized.intensities.shape, strict=True,
        ):  # fmt: skip
            reach = int(np.ceil(_REACH_MM / mm))
            first = max(0, corner - part.start - reach)
            box.append(slice(first, min(n, corner - part.start + extent + reach)))
            start.append(first + part.start)
        self._box = (box[0], box[1], box[2])
        labels = segmentation.labels[self._box]
        self._lesion: Bools = labels == number
        self._free: Bools = labels == 0
        index = np.indices(labels.shape, np.float32).reshape(3, -1)
        index += np.array(start, np.float32)[:, None]
        self._mni = np.asarray(
            (to_mni[:, :3].astype(np.float32) @ index).T + to_mni[:, 3], np.float32
        )
        values = _priors().at(self._mni)[0]
        self._below, self._zone, self._grey, self._inside = values.reshape(4, *labels.shape)

    def inside(self) -> float:
        """How much of the lesion the template has inside the skull."""
        return float(self._inside[self._lesion].mean())

    def region(self) -> Region:
        """The first of the four whose condition is met."""
        if float(self._below[self._lesion].mean()) > _BELOW:
            return Region.INFRATENTORIAL
        away = distance_to(self._lesion, self._spacing_mm, _REACH_MM)
        fluid, grey, inside = self._tissues()
        ventricle = away[fluid & (self._zone > _VENTRICLE_ZONE)]
        nearest = _VENTRICLE_MM + max(self._spacing_mm) / 2
        if ventricle.size and float(ventricle.min()) <= nearest:
            return Region.PERIVENTRICULAR
        outside_nuclei = ~_in_nuclei(self._mni).reshape(away.shape)
        around = (away > _CORTEX_MM[0]) & (away <= _CORTEX_MM[1]) & inside
        own = float((grey & outside_nuclei)[around].mean()) if around.any() else 0.0
        expected = float((self._grey * outside_nuclei)[self._lesion].mean())
        return (
            Region.JUXTACORTICAL if expected + own / 2 > _CORTEX_MIN else Region.DEEP_WHITE_MATTER
        )

    def _tissues(self) -> tuple[Bools, Bools, Bools]:
        """Fluid, grey matter and all inside the skull."""
        segmentation, tissues = self._segmentation, self._segmentation.tissues
        masks = segmentation.intracranial_masks
        intensities = segmentation.normalized.intensities[self._box]
        inside = masks.unpacked(masks.intracranial[self._box[:2]])[..., self._box[2]]
        fluid = inside & (intensities < (tissues.csf + tissues.grey) // 2)
        middle = (tissues.grey + tissues.white) // 2
        grey = intensities < middle if segmentation.t1_like else intensities > middle
        return fluid, grey & inside & ~fluid & self._free, inside


def _in_nuclei(mni: Points) -> npt.NDArray[np.bool_]:
    """Whether positions lie where the deep grey nuclei are."""
    axes: list[Floats] = [np.abs(mni[:, 0]), mni[:, 1], mni[:, 2]]
    within = np.ones(len(mni), np.bool_)
    for axis, (low, high) in zip(axes, _NUCLEI, strict=True):
        within &= (axis >= low) & (axis <= high)
    return within
