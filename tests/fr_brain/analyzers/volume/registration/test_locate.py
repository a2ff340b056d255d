"""A report says where each lesion lies, the same however the file stores the head, or why not."""

from dataclasses import replace

import numpy as np

from common.domain.findings import Region
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.analyzers.volume.registration.locate import locate
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import SEED, SIZE, read, scan_of, turned

PHANTOM = make_phantom(SEED, 2, SIZE, Recipe(healthy_chance=0))


def test_lesions_have_regions_coordinates_and_slices_in_any_order_of_axes() -> None:
    straight = read(PHANTOM.voxels, PHANTOM.affine)
    array, affine = turned(PHANTOM, (2, 0, 1), (True, False, True))
    other = read(array, affine)
    assert straight.lesions is not None
    assert other.lesions is not None
    assert straight.registration is not None
    assert straight.registration.withheld is None
    assert straight.registration.to_mni is not None
    assert (straight.registration.overlap or 0) > 0.9
    to_mni = np.array(straight.registration.to_mni)
    assert len(straight.lesions.largest) > 3
    for one, same in zip(straight.lesions.largest, other.lesions.largest, strict=True):
        assert one.region is same.region is not None
        assert one.mni_mm is not None
        assert same.mni_mm is not None
        assert np.abs(np.subtract(one.mni_mm, same.mni_mm)).max() <= 1
        assert one.centroid_mm is not None
        assert np.abs(to_mni @ [*one.centroid_mm, 1] - one.mni_mm).max() <= 0.6
        assert one.slice_number == round(one.centroid_voxel[2]) + 1
        assert same.slice_number == round(same.centroid_voxel[2]) + 1


def test_the_summary_counts_all_lesions() -> None:
    lesions = read(PHANTOM.voxels, PHANTOM.affine).lesions
    assert lesions is not None
    assert lesions.by_region is not None
    loads = [getattr(lesions.by_region, region) for region in Region]
    assert sum(load.count for load in loads) == lesions.count
    volume = sum(load.volume_ml for load in loads)
    assert lesions.volume_ml is not None
    assert abs(volume - lesions.volume_ml) < 0.003  # each is rounded


def test_a_header_that_has_the_head_upside_down_withholds_places() -> None:
    affine = np.array(PHANTOM.affine)
    affine[1:] *= -1
    scan, voxels = scan_of(PHANTOM.voxels, affine)
    findings = VolumeAnalyzer().analyse(scan, voxels)
    assert findings.lesions is not None, findings.quality.reasons
    assert findings.registration is not None
    assert "upside down" in (findings.registration.withheld or "")
    assert findings.registration.to_mni is None
    assert findings.lesions.by_region is None
    assert findings.lesions.count
    for lesion in findings.lesions.largest:
        assert lesion.region is None
        assert lesion.mni_mm is None
        assert lesion.slice_number is not None


def test_what_lies_outside_the_templates_skull_is_no_lesion() -> None:
    scan, voxels = scan_of(PHANTOM.voxels, PHANTOM.affine)
    found = segment(scan, voxels)
    labels = found.labels + (found.labels > 0)  # a larger one comes first
    labels[:3, :3, :3] = 1
    corner = tuple(part.start for part in found.normalized.box)
    muscle = replace(
        found.lesions[0], voxels=27, with_partial=27, corner=corner, extent=(3, 3, 3),
        centroid=tuple(first + 1.0 for first in corner),
    )  # fmt: skip
    extra = 27 * found.image.voxel_ml
    more = {name: found.volumes_ml[name] + extra for name in ("brain", "lesion")}
    larger = replace(
        found,
        lesions=[muscle, *found.lesions],
        labels=labels,
        volumes_ml=found.volumes_ml | more,
    )
    located = locate(scan, larger)
    assert located.outside == {1}
    assert len(located.lesions) == len(found.lesions) > 3
    assert locate(scan, found).outside == frozenset()
    kept = larger.without(located.outside)
    assert kept.lesions == found.lesions
    assert np.array_equal(kept.labels, found.labels)
    for name, ml in found.volumes_ml.items():
        assert abs(kept.volumes_ml[name] - ml) < 1e-6
    assert larger.without(frozenset()) is larger
