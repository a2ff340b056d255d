"""The label maps agree with the findings, however the scan's axes lie."""

from dataclasses import replace

import numpy as np

from common.domain.findings import Findings, Region
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.analyzers.volume.label_maps import label_maps
from fr_brain.analyzers.volume.segment import segment
from fr_brain.label_maps import pack_maps
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import ONE_MM, SEED, SIZE, scan_of
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


REGIONS = {
    Region.PERIVENTRICULAR: 1,
    Region.JUXTACORTICAL: 2,
    Region.INFRATENTORIAL: 3,
    Region.DEEP_WHITE_MATTER: 4,
}


def test_each_voxel_of_a_lesion_has_the_region_that_the_report_gives_it() -> None:
    phantom = make_phantom(SEED, 3, SIZE, Recipe(healthy_chance=0))
    turned = phantom.voxels.transpose(2, 0, 1)[:, ::-1]
    affine = np.array(phantom.affine)[:, [2, 0, 1, 3]]
    affine[:, 3] += affine[:, 1] * (turned.shape[1] - 1)
    affine[:, 1] *= -1
    scan, voxels = scan_of(turned, affine)
    analysis = VolumeAnalyzer().analyse_with_overlay(scan, voxels)
    assert analysis.labels is not None
    packed = pack_maps(analysis.labels(), scan)
    assert packed is not None
    regions = next(one for one in packed.maps if one.name == "regions")
    assert [value.meaning for value in regions.values] == [
        "periventricular lesion",
        "juxtacortical lesion",
        "infratentorial lesion",
        "deep white matter lesion",
    ]
    voxels_of = unpacked(packed, scan)
    lesions = analysis.findings.lesions
    assert lesions is not None
    assert lesions.count == len(lesions.largest)
    assert len({lesion.region for lesion in lesions.largest}) > 1
    expected = np.zeros_like(voxels_of["lesions"])
    for lesion in lesions.largest:
        assert lesion.region is not None
        expected[voxels_of["lesions"] == lesion.id] = REGIONS[lesion.region]
    assert np.array_equal(voxels_of["regions"], expected)
    assert "regions" not in analysis.compares


def test_where_the_report_withholds_regions_there_is_no_map_of_them() -> None:
    phantom = make_phantom(SEED, 2, SIZE, Recipe(healthy_chance=0))
    affine = np.array(phantom.affine)
    affine[1:] *= -1  # upside down
    analysis = VolumeAnalyzer().analyse_with_overlay(*scan_of(phantom.voxels, affine))
    assert isinstance(analysis.findings, Findings)
    assert analysis.findings.registration is not None
    assert analysis.findings.registration.withheld is not None
    assert analysis.labels is not None
    assert [one.name for one in analysis.labels()] == ["lesions", "brain", "tissues"]


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
    lesions = next(label_maps(many, None))
    own = unpacked(pack_maps([lesions], scan), scan)["lesions"]
    assert lesions.values[254] == "lesion 254"
    assert lesions.values[255] == "lesions 255 to 300"
    assert np.array_equal(own, many.to_scan(np.minimum(labels, 255)))
    assert np.count_nonzero(own == 255) == 46
    regions = [Region.DEEP_WHITE_MATTER, *[Region.JUXTACORTICAL] * 299]
    *_, last = label_maps(many, regions)
    placed = unpacked(pack_maps([last], scan), scan)["regions"]
    assert np.array_equal(placed, many.to_scan(np.array([0, 4, *[2] * 299])[labels]))


def test_an_image_without_lesions_has_an_empty_map_of_them() -> None:
    phantom = make_phantom(SEED, 2, ONE_MM, Recipe(healthy_chance=0))
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    segmentation = segment(scan, voxels)
    none = replace(segmentation, labels=np.zeros_like(segmentation.labels), lesions=[])
    *_, regions = label_maps(none, [])
    packed = pack_maps([next(label_maps(none, [])), regions], scan)
    assert packed is not None
    assert packed.maps[0].values == ()
    assert [value.voxels for value in packed.maps[1].values] == [0, 0, 0, 0]
    assert not unpacked(packed, scan)["lesions"].any()
    assert not unpacked(packed, scan)["regions"].any()


def test_an_image_that_cannot_be_read_has_none() -> None:
    scan, voxels = scan_of(np.full((40, 40, 40), 7, np.int16), np.eye(4)[:3])
    assert VolumeAnalyzer().analyse_with_overlay(scan, voxels).labels is None
