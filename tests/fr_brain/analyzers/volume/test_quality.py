"""A report measures noise and field, and warns about what makes its results doubtful."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from common.domain.findings import Verdict
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.analyzers.volume.quality import is_free_of_fat, quality_warnings
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.evaluation.realistic.head import make_head
from tests.evaluation.realistic.rows import KINDS
from tests.fr_brain.analyzers.volume.heads import (
    ONE_MM,
    SEED,
    SIZE,
    judged,
    match,
    read,
    scan_of,
)


def test_noise_and_field_are_measured() -> None:
    recipe = Recipe(noise_percent=(6, 6), inu_percent=(30, 30))
    phantom = make_phantom(SEED, 4, ONE_MM, recipe)
    quality = read(phantom.voxels, phantom.affine).quality
    assert quality.noise_percent == pytest.approx(6, rel=0.15)
    assert quality.inu_percent == pytest.approx(30, rel=0.35)
    assert quality.intracranial_plausible


def test_a_large_head_with_a_compact_outline_is_no_reason_for_doubt() -> None:
    phantom = make_phantom(31, 2, SIZE)
    _, usual = judged(read(phantom.voxels, phantom.affine))
    assert usual.intracranial_ml is not None
    growth = (2150 / usual.intracranial_ml) ** (1 / 3)
    findings = read(phantom.voxels, np.array(phantom.affine) * growth)
    _, larger = judged(findings)
    assert larger.intracranial_ml is not None
    assert larger.intracranial_ml > 2050
    assert findings.quality.intracranial_plausible
    assert "intracranial" not in findings.quality.flags


def test_a_scan_type_that_contradicts_the_image_gets_a_warning() -> None:
    phantom = make_phantom(SEED, 5, (90, 108, 90), Recipe(contrast="t1"))
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    mislabelled = scan.model_copy(update={"scan_type": "flair"})
    findings = VolumeAnalyzer().analyse(mislabelled, voxels)
    assert findings.quality.verdict is Verdict.WARN
    assert "contrast" in findings.quality.flags
    labelled = VolumeAnalyzer().analyse(scan.model_copy(update={"scan_type": "t1"}), voxels)
    assert "contrast" not in labelled.quality.flags


@pytest.mark.parametrize("contrast", ["t2", "bold", "dir"])
def test_a_declared_contrast_that_is_not_read_is_believed(contrast: str) -> None:
    phantom = make_phantom(SEED, 5, (90, 108, 90))
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    findings = VolumeAnalyzer().analyse(scan.model_copy(update={"contrast": contrast}), voxels)
    assert findings.quality.verdict is Verdict.FAIL
    assert f"the contrast is {contrast}" in findings.quality.reasons[0]
    assert findings.lesions is None
    assert findings.volumes is None


@pytest.mark.parametrize(("csf", "doubted"), [((0.3, 0.4), False), ((0.8, 0.9), True)])
def test_fluid_that_is_not_suppressed_is_doubted(csf: tuple[float, float], doubted: bool) -> None:
    """As in an image of proton density whose header does not say so."""
    head = make_head("coded", 700_310, 0, replace(KINDS["soft 1 mm"], csf=csf))
    findings = read(head.voxels, head.affine)
    assert ("bright_fluid" in findings.quality.flags) is doubted
    assert findings.quality.verdict is (Verdict.WARN if doubted else Verdict.PASS)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_head_that_lies_otherwise_than_its_header_says_is_doubted(axis: int) -> None:
    phantom = make_phantom(31, 2, SIZE, Recipe(healthy_chance=0))
    affine = np.array(phantom.affine)
    affine[axis] *= -1  # mirrored, too
    findings = read(phantom.voxels, affine)
    lesions, _ = judged(findings)
    assert findings.quality.verdict is Verdict.WARN
    assert "registration" in findings.quality.flags
    assert any("the header may be wrong" in reason for reason in findings.quality.reasons)
    assert lesions.count
    assert all(lesion.confidence is None for lesion in lesions.largest)


def test_an_image_of_a_brains_outline_without_tissues_is_doubted() -> None:
    phantom = make_phantom(31, 2, ONE_MM)
    outline = phantom.voxels > np.quantile(phantom.voxels, 0.6)
    findings = read(gaussian_filter(outline.astype(np.float32), 0.7), phantom.affine)
    assert findings.quality.verdict is not Verdict.PASS


def test_thick_slices_are_judged_with_a_warning() -> None:
    phantom = make_phantom(31, 2, (192, 192, 32))
    findings = read(phantom.voxels, phantom.affine)
    judged(findings)
    assert findings.quality.verdict is Verdict.WARN
    assert "Voxels of 5.7 mm" in findings.quality.reasons[0]


def test_slices_far_thicker_than_voxels_are_wide_get_a_warning() -> None:
    phantom = make_phantom(31, 2, (200, 240, 80))
    quality = read(phantom.voxels, phantom.affine).quality
    assert quality.flags == ("flat",)
    assert "2.3 mm" in quality.reasons[0]
    assert "0.9 mm" in quality.reasons[0]


def test_a_head_that_is_slightly_cut_off_gets_a_warning() -> None:
    phantom = make_phantom(31, 2, SIZE)
    findings = read(phantom.voxels[:, :, 20:], phantom.affine)
    assert findings.quality.verdict is Verdict.WARN
    assert "reaches the edge" in findings.quality.reasons[0]


def test_a_brain_without_its_lowest_centimetre_gets_a_warning() -> None:
    phantom = make_phantom(31, 2, SIZE)
    above_the_stem = np.count_nonzero(phantom.truth.brain, axis=(0, 1)) > 30
    lowest = int(np.flatnonzero(above_the_stem)[0])
    lost = round(11 / phantom.affine[2][2])
    assert "cut_off" not in read(phantom.voxels, phantom.affine).quality.flags
    assert "cut_off" in read(phantom.voxels[:, :, lowest + lost :], phantom.affine).quality.flags


def test_a_noisy_head_gets_a_warning_and_few_false_lesions() -> None:
    generator = np.random.default_rng(3)
    phantom = make_phantom(31, 2, SIZE)
    white = np.median(phantom.voxels[40:56, 60:70, 55:70])
    voxels = phantom.voxels + generator.normal(0, 0.12 * white, SIZE)
    findings = read(np.abs(voxels).astype(np.float32), phantom.affine)
    assert findings.quality.verdict is not Verdict.PASS
    if findings.lesions is not None:
        assert match(phantom, findings.lesions)[1] <= 2


def test_a_head_that_moved_gets_a_warning() -> None:
    phantom = make_phantom(31, 2, SIZE)
    voxels = np.array(phantom.voxels, np.float32)
    assert "motion" not in read(voxels, phantom.affine).quality.flags
    moved = read(voxels + 0.1 * np.roll(voxels, SIZE[1] // 2, axis=1), phantom.affine)
    assert "motion" in moved.quality.flags
    assert any("ghost" in reason for reason in moved.quality.reasons)


def test_findings_on_one_line_get_a_warning() -> None:
    phantom = make_phantom(31, 2, SIZE)
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    segmentation = segment(scan, voxels)
    assert "flow" not in quality_warnings(
        scan, segmentation, None, plausible=True, unlike_a_head=None
    )
    (lesion,) = segmentation.lesions[:1]
    row = [replace(lesion, centroid=(40.0, 20.0 * n, 40.0)) for n in range(1, 4)]
    streaked = replace(segmentation, lesions=row)
    assert (
        "3 findings"
        in quality_warnings(scan, streaked, None, plausible=True, unlike_a_head=None)["flow"]
    )
    many = [replace(lesion, centroid=(n * 3.0, n * 3.0, 90 - n * 3.0)) for n in range(25)]
    left_out = quality_warnings(
        scan, segmentation, None, plausible=True, unlike_a_head=None, spots=2
    )
    assert "because of flow: 2." in left_out["flow"]
    crowded = replace(segmentation, lesions=row + many)
    assert "flow" not in quality_warnings(scan, crowded, None, plausible=True, unlike_a_head=None)


def test_tissues_that_are_withheld_on_flair_are_named() -> None:
    phantom = make_phantom(31, 2, SIZE)
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    segmentation = segment(scan, voxels)
    assert "low_contrast" not in quality_warnings(
        scan, segmentation, None, plausible=True, unlike_a_head=None
    )
    volumes = {name: ml for name, ml in segmentation.volumes_ml.items() if name != "grey"}
    alike = replace(segmentation, volumes_ml=volumes)
    reasons = quality_warnings(scan, alike, None, plausible=True, unlike_a_head=None)
    assert "are not given" in reasons["low_contrast"]
    peaks = replace(segmentation.tissues, grey=round(1.04 * segmentation.tissues.white), deep=None)
    layers = replace(segmentation.tissues, pure=1024, deep=1000)
    for dim in (peaks, layers):
        reasons = quality_warnings(
            scan, replace(segmentation, tissues=dim), None, plausible=True, unlike_a_head=None
        )
        assert "may be off" in reasons["low_contrast"]
    t1 = quality_warnings(
        scan, replace(alike, t1_like=True), None, plausible=True, unlike_a_head=None
    )
    assert "low_contrast" not in t1
    assert "no_tissues" in t1


def test_tissues_are_doubted_where_hardly_anything_is_far_from_fluid() -> None:
    phantom = make_phantom(SEED, 2, ONE_MM)
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    segmentation = segment(scan, voxels)
    assert segmentation.deep_share == pytest.approx(0.35, abs=0.05)

    def flags(deep_share: float | None) -> dict[str, str]:
        seen = replace(segmentation, deep_share=deep_share)
        return quality_warnings(scan, seen, None, plausible=True, unlike_a_head=None)

    assert "Only 18 % of the intracranial volume" in flags(0.18)["thin_cortex"]
    assert "thin_cortex" not in flags(0.25)
    assert "thin_cortex" not in flags(None)


def test_findings_have_no_confidence_where_the_outline_is_doubted() -> None:
    phantom = make_phantom(31, 2, SIZE)
    usual, volumes = judged(read(phantom.voxels, phantom.affine))
    assert usual.count
    assert all(lesion.confidence is not None for lesion in usual.largest)
    assert volumes.intracranial_ml is not None
    shrinkage = (900 / volumes.intracranial_ml) ** (1 / 3)
    findings = read(phantom.voxels, np.array(phantom.affine) * shrinkage)
    lesions, _ = judged(findings)
    assert "intracranial" in findings.quality.flags
    assert lesions.count
    assert all(lesion.confidence is None for lesion in lesions.largest)


@pytest.mark.parametrize(("share", "free"), [(None, True), (0.05, True), (0.2, False)])
def test_tissues_are_withheld_where_fat_counts_as_brain(share: float | None, free: bool) -> None:
    phantom = make_phantom(31, 2, SIZE, Recipe(contrast="t1"))
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    segmentation = replace(segment(scan, voxels), fat_in_rim=share)
    assert is_free_of_fat(segmentation) is free
    reasons = quality_warnings(scan, segmentation, None, plausible=True, unlike_a_head=None)
    assert ("bright_fat" in reasons) is (share is not None)
    assert ("are not given" in reasons.get("bright_fat", "")) is not free
