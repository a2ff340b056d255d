"""Coil-shaped fields of 80 to 120 %: found twice, checked, and withheld where they stay."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from common.domain.findings import Verdict
from fr_brain.analyzers.volume.field import BiasField, fit_field, polynomial_terms
from fr_brain.analyzers.volume.image import canonical_image, coarsen
from fr_brain.analyzers.volume.masks import find_masks
from fr_brain.analyzers.volume.strong_field import (
    find_again,
    fit_first,
    is_strong,
    left_over_percent,
)
from fr_pacs.sources.phantom.source import Phantom, Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import SEED, judged, match, read, scan_of

SHAPE = (96, 114, 96)
RECIPE = Recipe(
    noise_percent=(3, 3),
    inu_percent=(0, 0),
    lesion_contrast=(1.45, 1.8),
    lesion_radius_mm=(3, 6),
    healthy_chance=0,
)


def coil(place: tuple[float, float, float], reach: float) -> npt.NDArray[np.float64]:
    """The field of one coil beside the head, stronger for a smaller reach."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij", sparse=True)
    square = sum((axis - at) ** 2 for axis, at in zip(axes, place, strict=True))
    field = np.asarray(1 / (reach + square))
    return np.asarray(field / field[48, 57, 48])


def under_coil(reach: float = 0.9) -> tuple[Phantom, npt.NDArray[Any]]:
    phantom = make_phantom(SEED, 7, SHAPE, RECIPE)
    bright = phantom.voxels * coil((1.1, -0.7, 0.6), reach)
    return phantom, np.asfortranarray(np.clip(bright, 0, 32000).astype(np.int16))


def test_lesions_and_tissues_under_a_strong_field_are_measured_with_a_warning() -> None:
    phantom, voxels = under_coil()
    findings = read(voxels, phantom.affine)
    lesions, volumes = judged(findings)
    truth = phantom.truth.volumes_ml
    found, false = match(phantom, lesions)
    assert findings.quality.verdict is Verdict.WARN
    assert "strong_field" in findings.quality.flags
    assert found >= 0.8 * len(phantom.truth.lesions)
    assert false == 0
    assert lesions.volume_ml == pytest.approx(truth["lesion"], rel=0.25)
    inside = sum(truth[name] for name in ("grey", "white", "csf", "lesion"))
    assert volumes.intracranial_ml == pytest.approx(inside, rel=0.05)


def test_the_brain_is_found_again_where_the_field_hid_a_part_of_it() -> None:
    phantom, voxels = under_coil()
    image = canonical_image(*scan_of(voxels, phantom.affine))
    coarse = coarsen(image)
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    masks = find_masks(coarse, image.voxel_ml)
    field = fit_field(coarse, masks, shape)
    assert is_strong(field)
    again, better = find_again(field, coarse, masks, shape, image.voxel_ml)
    before = left_over_percent(field, coarse, masks, shape, image.voxel_ml)
    after = left_over_percent(better, coarse, again, shape, image.voxel_ml)
    assert after < 15
    assert after < before


def test_a_field_too_strong_for_the_whole_brain_is_read_in_its_bright_part() -> None:
    phantom, voxels = under_coil(0.6)
    image = canonical_image(*scan_of(voxels, phantom.affine))
    coarse = coarsen(image)
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    masks = find_masks(coarse, image.voxel_ml)
    assert fit_field(coarse, masks, shape).inu_percent is None
    field = fit_first(coarse, masks, shape, image.voxel_ml)
    assert is_strong(field)
    again, _ = find_again(field, coarse, masks, shape, image.voxel_ml)
    truth = phantom.truth.volumes_ml
    inside = sum(truth[name] for name in ("grey", "white", "csf", "lesion"))
    found = float(coarse.voxels[again.brain].sum()) * image.voxel_ml
    assert found == pytest.approx(inside, rel=0.12)


def test_two_fields_after_each_other_are_their_product() -> None:
    generator = np.random.default_rng(4)
    first, second = (BiasField(generator.normal(0, 0.1, 10), 60.0) for _ in range(2))
    points = [generator.uniform(-1, 1, 50) for _ in range(3)]
    both = polynomial_terms(points, 35) @ second.after(first).weights
    each = [polynomial_terms(points, 10) @ field.weights for field in (first, second)]
    np.testing.assert_allclose(both, each[0] * each[1], rtol=1e-9, atol=1e-12)


def test_volumes_are_withheld_where_the_field_is_too_strong() -> None:
    phantom, voxels = under_coil(0.45)
    findings = read(voxels, phantom.affine)
    assert findings.quality.inu_percent is None or findings.quality.inu_percent > 130
    lesions, volumes = judged(findings)
    assert findings.quality.verdict is Verdict.WARN
    assert "are not given" in " ".join(findings.quality.reasons)
    assert lesions.count
    assert lesions.volume_ml is None
    assert lesions.by_size is None
    assert {lesion.volume_ml for lesion in lesions.largest} == {None}
    assert volumes.grey_matter_ml is None
    assert volumes.white_matter_ml is None
