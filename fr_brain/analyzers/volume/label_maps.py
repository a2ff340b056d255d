"""The label maps of a segmentation: lesions, brain, tissues and regions, as bit planes."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from common.domain.bit_planes import BitPlanes
from common.domain.findings import Region
from fr_brain.analyzers.base import PlanesMap
from fr_brain.analyzers.volume.bitmask import Bitmask
from fr_brain.analyzers.volume.segment import Segmentation
from fr_brain.analyzers.volume.tissue import CSF, GREY, WHITE_MATTER

LESIONS_APART = 255
"""Lesions from this one on share its label."""
_TISSUES = {CSF: "cerebrospinal fluid", GREY: "grey matter", WHITE_MATTER: "white matter"}
_BRAIN = {1: "brain", 2: "inside the skull, outside the brain"}
_REGION_LABELS = {
    Region.PERIVENTRICULAR: 1,
    Region.JUXTACORTICAL: 2,
    Region.INFRATENTORIAL: 3,
    Region.DEEP_WHITE_MATTER: 4,
}
_REGIONS = {label: f"{region.replace('_', ' ')} lesion" for region, label in _REGION_LABELS.items()}

_Place = tuple[int, int, int]


def label_maps(segmentation: Segmentation, regions: Sequence[Region] | None) -> Iterator[PlanesMap]:
    """The maps ``lesions``, ``brain``, ``tissues`` and ``regions``, one at a time.

    Labels of lesions are their ids in the report; from lesion 255 on they share the last label.
    Together the labels of ``brain`` are the intracranial space. In ``tissues``, a voxel of a lesion
    is the tissue that it resembles; in ``regions``, it has the region of its lesion in the report.

    Args:
        segmentation: of the scan.
        regions: of each lesion, in the order of the segmentation; None if they are withheld: then
            there is no map ``regions``.
    """
    lesions = _lesion_meanings(len(segmentation.lesions))
    ids = [min(n, LESIONS_APART) for n in range(1, len(segmentation.lesions) + 1)]
    yield _of_lesions(segmentation, "lesions", lesions, ids)
    start, shape = _whole_box(segmentation)
    layout = _layout(segmentation, 2, start, shape)
    yield PlanesMap("brain", _BRAIN, layout, segmentation.intracranial_masks.label_planes())
    yield PlanesMap("tissues", _TISSUES, layout, segmentation.tissue_planes())
    if regions is not None:
        labels = [_REGION_LABELS[region] for region in regions]
        yield _of_lesions(segmentation, "regions", _REGIONS, labels)


def _lesion_meanings(count: int) -> dict[int, str]:
    meanings = {n: f"lesion {n}" for n in range(1, min(count, LESIONS_APART) + 1)}
    if count > LESIONS_APART:
        meanings[LESIONS_APART] = f"lesions {LESIONS_APART} to {count}"
    return meanings


def _of_lesions(
    segmentation: Segmentation, name: str, meanings: Mapping[int, str], labels: Sequence[int]
) -> PlanesMap:
    """A map with one label for each lesion. Drawn lesion by lesion, on planes that reach as far as
    the lesions do: they fill a thousandth of the brain."""
    start, shape = _box_of_lesions(segmentation)
    layout = _layout(segmentation, max(1, len(meanings).bit_length()), start, shape)
    planes = [np.zeros(layout.plane_shape, np.uint8) for _ in range(layout.bits)]
    for n, label in enumerate(labels, 1):
        _draw_lesion(segmentation, n, label, planes, start)
    return PlanesMap(name, meanings, layout, planes)


def _draw_lesion(
    segmentation: Segmentation, number: int, label: int, planes: list[Bitmask], start: _Place
) -> None:
    lesion = segmentation.lesions[number - 1]
    whole = segmentation.normalized.box
    own = tuple(
        slice(first - box.start, first - box.start + size)
        for first, size, box in zip(lesion.corner, lesion.extent, whole, strict=True)
    )
    z, y, x = (first - begin for first, begin in zip(lesion.corner, start, strict=True))
    # Rows begin with a whole byte.
    mask = np.pad(segmentation.labels[own] == number, ((0, 0), (0, 0), (x % 8, 0)))
    packed = np.packbits(mask, axis=-1, bitorder="little")
    depth, rows, width = packed.shape
    for bit, plane in enumerate(planes):
        if label >> bit & 1:
            plane[z : z + depth, y : y + rows, x // 8 : x // 8 + width] |= packed


def _box_of_lesions(segmentation: Segmentation) -> tuple[_Place, _Place]:
    """Start and shape of the box of all lesions, in the canonical image; any if there are none."""
    lesions = segmentation.lesions
    if not lesions:
        return _whole_box(segmentation)[0], (1, 1, 1)
    corners = np.array([lesion.corner for lesion in lesions])
    start = corners.min(axis=0)
    size = (corners + [lesion.extent for lesion in lesions]).max(axis=0) - start
    return (
        (int(start[0]), int(start[1]), int(start[2])),
        (int(size[0]), int(size[1]), int(size[2])),
    )


def _whole_box(segmentation: Segmentation) -> tuple[_Place, _Place]:
    box, shape = segmentation.normalized.box, segmentation.normalized.intensities.shape
    return (box[0].start, box[1].start, box[2].start), (shape[0], shape[1], shape[2])


def _layout(segmentation: Segmentation, bits: int, start: _Place, shape: _Place) -> BitPlanes:
    image = segmentation.image
    return BitPlanes.model_validate(
        {
            "bits": bits,
            "order": image.order,
            "flipped": image.flipped,
            "start": start,
            "shape": shape,
        }
    )
