"""The label maps agree with the findings, however the scan's axes lie."""

from dataclasses import replace

import numpy as np

from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.analyzers.volume.label_maps import label_maps
from fr_brain.analyzers.volume.segment import segment
from fr_brain.label_maps import pack_maps
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import ONE_MM, SEED, scan_of
from tests.label_maps import unpacked


def test_the_maps_are_those_of_the_findings() -> None:
    phantom = make_phantom(SEED, 2, ONE_MM, Recipe(healthy_chance=0))
    # Another order and direction of the axes than that of the analysis.
    turned = phantom.voxels.transpose(1, 2, 0)[::-1]
    affine = np.array(phantom.affine)[:, [1, 2, 0, 3]]
    affine[:, 3] += affine[:, 0] * (len(turned) - 1)
    affine[:, 0] *= -1
    scan, voxels = scan_of(turned, affine)
    analysis = VolumeAnalyzer().analyse_with_overlay(scan, voxels)
    assert analysis.labels is not None
    assert analysis.overlay is not None
    maps = {one.name: one for one in analysis.labels()}
    voxels_of = unpacked(pack_maps(maps.values(), scan), scan)
    lesions = analysis.findings.lesions
    assert lesions is not None
    assert lesions.count > 0
    overlay = analysis.overlay()
    assert overlay.brain is not None
    assert np.array_equal(voxels_of["lesions"], overlay.lesions)
    assert maps["lesions"].values == {n: f"lesion {n}" for n in range(1, lesions.count + 1)}
    brain = voxels_of["brain"]
    assert np.array_equal(brain == 1, overlay.brain)
    volumes = analysis.findings.volumes
    assert volumes is not None
    assert scan.voxel_ml is not None
    assert volumes.intracranial_ml is not None
    assert np.isclose((brain > 0).sum() * scan.voxel_ml, volumes.intracranial_ml)
    tissues = voxels_of["tissues"]
    assert np.array_equal(tissues > 0, brain > 0)
    assert set(np.unique(tissues)) == {0, 1, 2, 3}


def test_the_smallest_of_very_many_lesions_share_a_label() -> None:
    phantom = make_phantom(SEED, 2, ONE_MM, Recipe(healthy_chance=0))
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    segmentation = segment(scan, voxels)
    labels = np.zeros_like(segmentation.labels)
    labels.flat[:300] = np.arange(1, 301)
    first = segmentation.normalized.box
    found = [
        replace(
            segmentation.lesions[0],
            corner=tuple(n + box.start for n, box in zip(place, first, strict=True)),
            extent=(1, 1, 1),
        )
        for place in np.argwhere(labels).tolist()
    ]
    many = replace(segmentation, labels=labels, lesions=found)
    lesions = next(label_maps(many))
    own = unpacked(pack_maps([lesions], scan), scan)["lesions"]
    assert lesions.values[254] == "lesion 254"
    assert lesions.values[255] == "lesions 255 to 300"
    assert np.array_equal(own, many.to_scan(np.minimum(labels, 255)))
    assert np.count_nonzero(own == 255) == 46


def test_an_image_without_lesions_has_an_empty_map_of_them() -> None:
    phantom = make_phantom(SEED, 2, ONE_MM, Recipe(healthy_chance=0))
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    segmentation = segment(scan, voxels)
    none = replace(segmentation, labels=np.zeros_like(segmentation.labels), lesions=[])
    packed = pack_maps([next(label_maps(none))], scan)
    assert packed is not None
    assert packed.maps[0].values == ()
    assert not unpacked(packed, scan)["lesions"].any()


def test_an_image_that_cannot_be_read_has_none() -> None:
    scan, voxels = scan_of(np.full((40, 40, 40), 7, np.int16), np.eye(4)[:3])
    assert VolumeAnalyzer().analyse_with_overlay(scan, voxels).labels is None
