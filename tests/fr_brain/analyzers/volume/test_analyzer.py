"""The volume analyzer reports what it finds, and refuses what it cannot read."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.findings import Verdict
from common.domain.rounding import rounded_ml
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_pacs.sources.phantom.model import Contrast
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import (
    DTYPES,
    ROUNDED_MM,
    SEED,
    SIZE,
    judged,
    read,
    refused,
    scan_of,
)


def test_lesions_are_listed_by_size_with_their_places() -> None:
    phantom = make_phantom(31, 2, SIZE)
    lesions, _ = judged(read(phantom.voxels, phantom.affine))
    sizes = [lesion.voxels for lesion in lesions.largest]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == lesions.voxels
    assert lesions.volume_ml == rounded_ml(
        lesions.voxels * abs(np.linalg.det(np.array(phantom.affine)[:, :3])) / 1000
    )
    mask = phantom.truth.mask
    for lesion in lesions.largest:
        i, j, k = (round(index) for index in lesion.centroid_voxel)
        assert mask[i, j, k]
        mm = np.array(phantom.affine) @ [*lesion.centroid_voxel, 1]
        assert lesion.centroid_mm == pytest.approx(tuple(mm), abs=ROUNDED_MM)


def test_the_overlay_shows_the_lesions_of_the_findings() -> None:
    phantom = make_phantom(SEED, 3, (96, 108, 90), Recipe(healthy_chance=0))
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    lesions, _ = judged(VolumeAnalyzer().analyse(scan, voxels))
    analysis = VolumeAnalyzer().analyse_with_overlay(scan, voxels)
    assert analysis.findings.lesions == lesions
    assert analysis.overlay is not None
    overlay = analysis.overlay()
    sizes = np.bincount(overlay.lesions.ravel(), minlength=lesions.count + 1)[1:]
    assert len(sizes) == lesions.count > 0
    assert [lesion.voxels for lesion in lesions.largest] == sizes[: len(lesions.largest)].tolist()
    for lesion in lesions.largest:
        where = np.argwhere(overlay.lesions == lesion.id)
        assert lesion.centroid_voxel == pytest.approx(where.mean(axis=0), abs=0.0006)
        extent = (np.ptp(where, axis=0) + 1) * np.array(scan.voxel_size_mm)
        assert lesion.extent_mm == pytest.approx(extent, abs=ROUNDED_MM)
        assert lesion.intensity_ratio is not None
        assert lesion.intensity_ratio > 1.1
        assert lesion.confidence is not None
    assert lesions.by_size is not None


def test_the_same_scan_gives_the_same_findings() -> None:
    phantom = make_phantom(31, 5, SIZE)
    before = np.array(phantom.voxels)
    assert read(phantom.voxels, phantom.affine) == read(phantom.voxels, phantom.affine)
    np.testing.assert_array_equal(before, phantom.voxels)


def test_a_single_slice_is_refused() -> None:
    reason = refused(read(np.ones((64, 64, 1), np.int16), np.eye(4)))
    assert "Too few voxels or slices to judge: 64x64x1" in reason


def test_an_image_of_two_axes_is_refused() -> None:
    assert "three axes" in refused(read(np.ones((64, 64), np.int16), np.eye(4)))


def test_an_image_without_an_affine_is_refused() -> None:
    phantom = make_phantom(31, 2, (48, 48, 48))
    assert "no position in space" in refused(read(phantom.voxels, None))


@pytest.mark.parametrize(
    ("millimetres", "text"), [(0.1, "field of view"), (7.0, "field of view"), (9.0, "too coarse")]
)
def test_an_impossible_size_is_refused(millimetres: float, text: str) -> None:
    phantom = make_phantom(31, 2, SIZE)
    affine = np.diag([millimetres] * 3 + [1.0])
    assert text in refused(read(phantom.voxels, affine))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    spacing=st.tuples(*[st.floats(0.5, 9.0)] * 3),
    axes=st.permutations(range(3)),
    dtype=st.sampled_from(DTYPES),
    index=st.integers(0, 1000),
    gain=st.floats(-3.0, 3.0),
    shift=st.sampled_from([0.0, -500.0, 1e4, 1e9]),
    spoil=st.sampled_from(["", "nan", "inf", "huge", "noise", "cut"]),
)
def test_any_image_is_judged_or_refused(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    axes: list[int],
    dtype: str,
    index: int,
    gain: float,
    shift: float,
    spoil: str,
) -> None:
    generator = np.random.default_rng(index)
    size = (max(shape[0], 2), max(shape[1], 2), max(shape[2], 2))
    voxels = make_phantom(17, index, size).voxels * gain + shift
    if spoil in ("nan", "inf", "huge"):
        value = {"nan": np.nan, "inf": np.inf, "huge": -1e30}[spoil]
        voxels[generator.random(size) < 0.1] = value
    elif spoil == "noise":
        voxels = generator.standard_normal(size) * 100
    elif spoil == "cut":
        voxels = voxels[: shape[0], : shape[1] // 2 + 1, : shape[2]]
    kind = np.dtype(dtype)
    if kind.kind != "f":
        limits = np.iinfo(kind)
        voxels = np.clip(np.nan_to_num(voxels), limits.min, limits.max)
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing)[:, axes]
    findings = read(voxels.astype(kind), affine)
    assert findings == read(voxels.astype(kind), affine)
    if findings.quality.verdict is Verdict.FAIL:
        refused(findings)
    else:
        lesions, volumes = judged(findings)
        assert 500 < volumes.brain_ml <= 2500
        assert volumes.brain_ml < volumes.head_ml * 1.1
        assert len(lesions.largest) == min(lesions.count, 20)
        for lesion in lesions.largest:
            for position, voxels_along in zip(lesion.centroid_voxel, voxels.shape, strict=True):
                assert -0.5 <= position <= voxels_along - 0.5


@pytest.mark.sample(1)
@pytest.mark.parametrize("part", range(4))
def test_two_hundred_shapes_spacings_orientations_and_types_are_judged_or_refused(
    part: int,
) -> None:
    """Each is judged or refused, in the same way twice, and never breaks it."""
    generator = np.random.default_rng([2_026, part])
    verdicts = set()
    for index in range(50):
        whole = generator.random() < 0.5
        shape = generator.integers(40, 72, 3) if whole else generator.integers(1, 60, 3)
        contrast: Contrast = "t1" if generator.random() < 0.4 else "flair"
        size = tuple(int(max(2, n)) for n in shape)
        phantom = make_phantom(SEED + part, index, size, Recipe(contrast=contrast))  # type: ignore[arg-type]
        voxels = np.array(phantom.voxels, np.float64)
        affine = np.vstack([np.array(phantom.affine), [0, 0, 0, 1]])
        if not whole:
            affine[:3, :3] *= generator.uniform(0.5, 3)
        axes = generator.permutation(3)
        voxels = voxels.transpose(axes)
        affine[:, :3] = affine[:, axes]
        for axis in range(3):
            if generator.random() < 0.5:
                voxels = np.flip(voxels, axis)
                affine[:3, 3] += affine[:3, axis] * (voxels.shape[axis] - 1)
                affine[:3, axis] *= -1
        kind = np.dtype(DTYPES[int(generator.integers(len(DTYPES)))])
        if kind.itemsize == 1:
            voxels = voxels * (np.iinfo(kind).max / voxels.max())
        findings = read(voxels.astype(kind), affine)
        verdicts.add(findings.quality.verdict)
        if findings.quality.verdict is Verdict.FAIL:
            assert findings.lesions is None
            assert findings.volumes is None
            assert findings.quality.reasons
            continue
        _, volumes = judged(findings)
        assert volumes.intracranial_ml is not None
        assert 500 < volumes.brain_ml < volumes.intracranial_ml < 2600
    assert Verdict.FAIL in verdicts
    assert verdicts & {Verdict.PASS, Verdict.WARN}


@pytest.mark.parametrize("contrast", ["flair", "t1"])
def test_memory_stays_bounded(contrast: Contrast) -> None:
    """At 181x217x181: a few bytes a voxel beside the scan."""
    phantom = make_phantom(31, 2, (181, 217, 181), Recipe(contrast=contrast))
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    tracemalloc.start()
    try:
        VolumeAnalyzer().analyse(scan, voxels)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 6 * voxels.size
