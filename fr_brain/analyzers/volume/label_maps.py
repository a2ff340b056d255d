"""The label maps of a segmentation: lesions, brain and tissues."""

from collections.abc import Iterator

import numpy as np

from fr_brain.analyzers.base import LabelMap
from fr_brain.analyzers.volume.segment import Segmentation
from fr_brain.analyzers.volume.tissue import CSF, GREY, WHITE_MATTER

_LESIONS_APART = 255
_TISSUES = {CSF: "cerebrospinal fluid", GREY: "grey matter", WHITE_MATTER: "white matter"}
_BRAIN = {1: "brain", 2: "inside the skull, outside the brain"}


def label_maps(segmentation: Segmentation) -> Iterator[LabelMap]:
    """The maps ``lesions``, ``brain`` and ``tissues``, one at a time.

    Labels of lesions are their ids in the report; from lesion 255 on they share the last label.
    Together the labels of ``brain`` are the intracranial space. In ``tissues``, a voxel of a lesion
    is the tissue that it resembles.
    """
    yield _lesions(segmentation)
    brain = segmentation.to_scan(segmentation.intracranial_masks.labels())
    yield LabelMap("brain", _BRAIN, brain)
    yield LabelMap("tissues", _TISSUES, segmentation.tissue_labels())


def _lesions(segmentation: Segmentation) -> LabelMap:
    count, labels = len(segmentation.lesions), segmentation.labels
    meanings = {n: f"lesion {n}" for n in range(1, min(count, _LESIONS_APART) + 1)}
    if count > _LESIONS_APART:
        meanings[_LESIONS_APART] = f"lesions {_LESIONS_APART} to {count}"
        labels = np.minimum(labels, _LESIONS_APART)
    return LabelMap("lesions", meanings, segmentation.to_scan(labels, np.uint8))
