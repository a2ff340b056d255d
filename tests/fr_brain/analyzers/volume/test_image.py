"""A head reads the same whatever its orientation, type and scale; distances and thresholds."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.findings import Verdict
from fr_brain.analyzers.volume.image import distance_to, otsu
from fr_pacs.sources.phantom.source import make_phantom
from tests.fr_brain.analyzers.volume.heads import (
    DTYPES,
    ROUNDED_MM,
    SIZE,
    judged,
    read,
    refused,
    turned,
)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("flips", [(False, True, False), (True, False, True)], ids=str)
def test_orientation_changes_nothing_but_the_voxel_indices(
    axes: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    phantom = make_phantom(31, 2, (96, 90, 70))
    straight, volumes = judged(read(phantom.voxels, phantom.affine))
    assert straight.count > 3
    array, affine = turned(phantom, axes, flips)
    other, other_volumes = judged(read(array, affine))
    assert other.count == straight.count
    assert other.voxels == straight.voxels
    assert other_volumes.brain_ml == pytest.approx(volumes.brain_ml)
    assert other_volumes.head_ml == pytest.approx(volumes.head_ml)
    for one, two in zip(straight.largest, other.largest, strict=True):
        assert two.volume_ml == pytest.approx(one.volume_ml)
        assert two.centroid_mm == pytest.approx(one.centroid_mm, abs=ROUNDED_MM)
        mm = affine @ [*two.centroid_voxel, 1]
        assert two.centroid_mm == pytest.approx(tuple(mm[:3]), abs=ROUNDED_MM)


def test_an_oblique_head_has_the_same_lesions_elsewhere() -> None:
    phantom = make_phantom(31, 2, SIZE)
    angle = math.radians(20)
    turn = np.eye(4)
    turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    turn[:3, 3] = [10, -20, 30]
    affine = turn @ np.vstack([np.array(phantom.affine), [0, 0, 0, 1]])
    straight, _ = judged(read(phantom.voxels, phantom.affine))
    oblique, _ = judged(read(phantom.voxels, affine))
    assert oblique.count == straight.count
    for one, two in zip(straight.largest, oblique.largest, strict=True):
        assert one.centroid_mm is not None
        moved = turn @ [*one.centroid_mm, 1]
        assert two.centroid_mm == pytest.approx(tuple(moved[:3]), abs=2 * ROUNDED_MM)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_gives_the_same_lesions(dtype: str) -> None:
    phantom = make_phantom(31, 2, SIZE)
    voxels = phantom.voxels / (phantom.voxels.max() / 120)
    straight, _ = judged(read(voxels.round().astype(np.float32), phantom.affine))
    other, _ = judged(read(voxels.round().astype(dtype), phantom.affine))
    assert other == straight


@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e6, 1e20])
def test_the_scale_of_intensities_does_not_matter(factor: float) -> None:
    phantom = make_phantom(31, 2, SIZE)
    straight, _ = judged(read(phantom.voxels.astype(np.float64), phantom.affine))
    for dtype in (np.float32, np.float64):
        other, _ = judged(read((phantom.voxels * factor).astype(dtype), phantom.affine))
        assert other.count == straight.count
        assert other.volume_ml == pytest.approx(straight.volume_ml, rel=0.05)


def test_voxels_that_are_not_finite_are_background_and_reported() -> None:
    phantom = make_phantom(31, 2, SIZE)
    straight, _ = judged(read(phantom.voxels, phantom.affine))
    voxels = phantom.voxels.astype(np.float32)
    voxels[:4] = np.nan
    voxels[4:6] = np.inf
    voxels[:, :, -2:] = -np.inf
    findings = read(voxels, phantom.affine)
    lesions, _ = judged(findings)
    assert findings.quality.verdict is Verdict.WARN
    assert "72576 of 884736 voxels are not finite numbers" in findings.quality.reasons[0]
    assert lesions.count == straight.count


def test_a_voxel_as_large_as_a_number_can_be_disturbs_nothing() -> None:
    phantom = make_phantom(31, 2, SIZE)
    straight, _ = judged(read(phantom.voxels, phantom.affine))
    voxels = phantom.voxels.astype(np.float64)
    voxels[3, 3, 3], voxels[4, 4, 90] = 1.7e308, -1.7e308
    lesions, _ = judged(read(voxels, phantom.affine))
    assert lesions.count == straight.count


@pytest.mark.parametrize("value", [0.0, 7.5, -3.0, 1e300, -1e300, np.nan, np.inf, -np.inf])
def test_an_image_of_one_value_is_refused(value: float) -> None:
    affine = np.diag([4.0, 4, 4, 1])
    assert "empty" in refused(read(np.full((48, 48, 48), value), affine))


def test_a_map_of_few_levels_is_refused() -> None:
    phantom = make_phantom(31, 2, SIZE)
    labels = (phantom.voxels // (phantom.voxels.max() // 4)).astype(np.uint8)
    assert "grey levels: it is a mask or a map" in refused(read(labels, phantom.affine))


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    spacing=st.tuples(*[st.floats(2.0, 7.0)] * 3),
)
def test_the_distance_is_to_the_nearest_target(
    seed: int, shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    target = np.random.default_rng(seed).random(shape) < 0.05
    cap = 12.0
    places = np.argwhere(target) * np.array(spacing)
    expected = np.full(shape, cap)
    for where in np.ndindex(*shape):
        if len(places):
            nearest = np.linalg.norm(places - np.array(where) * np.array(spacing), axis=1).min()
            expected[where] = min(cap, nearest)
    np.testing.assert_allclose(distance_to(target, spacing, cap), expected, atol=0.2)


def test_otsu_separates_two_classes() -> None:
    generator = np.random.default_rng(5)
    values = np.concatenate([generator.normal(1, 0.1, 900), generator.normal(3, 0.2, 300)])
    assert 1.4 < otsu(values.astype(np.float32)) < 2.5
    assert otsu(np.full(5, 2.0, np.float32)) == 2.0
