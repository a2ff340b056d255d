"""The label maps agree with the findings, however the scan's axes lie."""

from dataclasses import replace

import numpy as np

from fr_brain.analyzers.label_checks import checked_map
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.analyzers.volume.label_maps import label_maps
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import ONE_MM, SEED, scan_of


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
    maps = {}
    for one in analysis.labels():
        checked_map(one, scan)
        assert one.voxels.flags.f_contiguous  # packed without a copy
        maps[one.name] = one
    lesions = analysis.findings.lesions
    assert lesions is not None
    assert lesions.count > 0
    overlay = analysis.overlay()
    assert overlay.brain is not None
    assert np.array_equal(maps["lesions"].voxels, overlay.lesions)
    assert maps["lesions"].values == {n: f"lesion {n}" for n in range(1, lesions.count + 1)}
    brain = maps["brain"].voxels
    assert np.array_equal(brain == 1, overlay.brain)
    volumes = analysis.findings.volumes
    assert volumes is not None
    assert scan.voxel_ml is not None
    assert volumes.intracranial_ml is not None
    assert np.isclose((brain > 0).sum() * scan.voxel_ml, volumes.intracranial_ml)
    tissues = maps["tissues"].voxels
    assert np.array_equal(tissues > 0, brain > 0)
    assert set(np.unique(tissues)) == {0, 1, 2, 3}


def test_the_smallest_of_very_many_lesions_share_a_label() -> None:
    phantom = make_phantom(SEED, 2, ONE_MM, Recipe(healthy_chance=0))
    segmentation = segment(*scan_of(phantom.voxels, phantom.affine))
    labels = np.zeros_like(segmentation.labels)
    labels.flat[:300] = np.arange(1, 301)
    many = replace(segmentation, labels=labels, lesions=segmentation.lesions[:1] * 300)
    lesions = next(label_maps(many))
    assert lesions.values[254] == "lesion 254"
    assert lesions.values[255] == "lesions 255 to 300"
    assert np.count_nonzero(lesions.voxels == 255) == 46
    assert np.count_nonzero(lesions.voxels) == 300


def test_an_image_that_cannot_be_read_has_none() -> None:
    scan, voxels = scan_of(np.full((40, 40, 40), 7, np.int16), np.eye(4)[:3])
    assert VolumeAnalyzer().analyse_with_overlay(scan, voxels).labels is None
