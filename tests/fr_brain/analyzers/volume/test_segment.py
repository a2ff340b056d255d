"""Masks and labels lie where the truth has them, or the image is refused."""

from common.domain.findings import Verdict
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import (
    ONE_MM,
    SEED,
    SIZE,
    brightened,
    dice,
    read,
    refused,
    scan_of,
)


def test_masks_and_lesions_lie_where_the_truth_has_them() -> None:
    recipe = Recipe(noise_percent=(5, 5), inu_percent=(40, 40), healthy_chance=0)
    phantom = make_phantom(SEED, 2, ONE_MM, recipe)
    found = segment(*scan_of(phantom.voxels, phantom.affine))
    assert dice(found.intracranial_mask(), phantom.truth.brain) > 0.97
    assert dice(found.lesion_labels() > 0, phantom.truth.mask) > 0.85
    low, high = found.tissue_planes()
    inside = found.intracranial_masks.intracranial
    assert not ((low | high) & ~inside).any()
    assert all(part.any() for part in (low & ~high, high & ~low, low & high))


def test_tissues_that_were_not_told_apart_have_no_volumes() -> None:
    # The field of this one is misread, and white matter would come out at twice of what it is.
    recipe = Recipe("t1", noise_percent=(9, 9), inu_percent=(40, 40), healthy_chance=1)
    phantom = make_phantom(4201, 8, ONE_MM, recipe)
    report = read(phantom.voxels, phantom.affine)
    assert report.quality.verdict is Verdict.FAIL
    assert "volume of grey matter is" in report.quality.reasons[0]
    assert report.volumes is None


def test_a_lesion_as_large_as_a_tissue_is_refused() -> None:
    reason = refused(brightened((slice(30, 66), slice(30, 48), slice(30, 60))))
    assert "large part of the brain is 1." in reason


def test_findings_that_are_no_lesions_can_stay_a_part_of_the_brain() -> None:
    phantom = make_phantom(SEED, 2, SIZE, Recipe(healthy_chance=0))
    found = segment(*scan_of(phantom.voxels, phantom.affine))
    ml = found.lesions[0].with_partial * found.image.voxel_ml
    tissue, muscle = found.without({1}, of_brain=True), found.without({1})
    assert tissue.lesions == muscle.lesions == found.lesions[1:]
    for less in (tissue, muscle):
        assert abs(found.volumes_ml["lesion"] - less.volumes_ml["lesion"] - ml) < 1e-6
    assert tissue.volumes_ml["brain"] == found.volumes_ml["brain"]
    assert abs(found.volumes_ml["brain"] - muscle.volumes_ml["brain"] - ml) < 1e-6
