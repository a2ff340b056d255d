"""A report on a FLAIR scan says what the T1 scan of its study shows, or why it does not."""

from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import pytest

from common.domain.findings import Findings, Lesions, Volumes
from common.domain.scan import BrainScan
from common.domain.with_t1 import WithT1
from fr_brain.analyzers.base import AnalysedScan, Analysis
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_pacs.sources.phantom.source import Phantom, Recipe, make_phantom
from tests.evaluation.with_t1 import as_stored
from tests.fr_brain.analyzers.volume.follow_up.heads import TURNED
from tests.fr_brain.analyzers.volume.heads import SEED, scan_of

SHAPE = (150, 180, 150)
RECIPE: dict[str, Any] = {
    "lesions": (60, 60),
    "lesion_radius_mm": (5.0, 9.0),
    "healthy_chance": 0,
    "noise_percent": (2.0, 2.0),
    "inu_percent": (10.0, 10.0),
}


@cache
def t1_phantom() -> Phantom:
    return make_phantom(SEED, 3, SHAPE, Recipe(contrast="t1", **RECIPE))


def read_phantom(phantom: Phantom) -> tuple[BrainScan, Analysis]:
    scan, array = scan_of(phantom.voxels, np.array(phantom.affine)[:3])
    return scan, VolumeAnalyzer().analyse_with_overlay(scan, array)


@cache
def scans() -> tuple[Analysis, AnalysedScan]:
    """A FLAIR scan with many large lesions, and a T1 scan of the same head, which lies otherwise in
    it; there the lesions are dark."""
    _, analysis = read_phantom(make_phantom(SEED, 3, SHAPE, Recipe(**RECIPE)))
    turned = TURNED @ np.vstack([np.array(t1_phantom().affine)[:3], [0, 0, 0, 1]])
    t1_scan, array = scan_of(t1_phantom().voxels, turned)
    return analysis, as_stored(t1_scan, VolumeAnalyzer().analyse_with_overlay(t1_scan, array))


def read(t1: AnalysedScan) -> WithT1:
    with_t1 = scans()[0].with_t1
    assert with_t1 is not None
    return with_t1(t1)


def findings_of(t1: AnalysedScan) -> tuple[Findings, Lesions, Volumes]:
    findings = cast(Findings, t1.report.findings)
    assert findings.lesions is not None
    assert findings.volumes is not None
    return findings, findings.lesions, findings.volumes


def with_findings(t1: AnalysedScan, **changed: Any) -> AnalysedScan:
    findings = findings_of(t1)[0].model_copy(update=changed)
    return replace(t1, report=t1.report.model_copy(update={"findings": findings}))


def test_both_scans_are_aligned_and_compared() -> None:
    t1 = scans()[1]
    found = read(t1)
    assert (found.withheld, found.doubt) == (None, None)
    assert (found.t1_scan, found.t1_revision) == (t1.report.scan_id, 1)
    np.testing.assert_allclose(np.array(found.to_t1), TURNED, atol=0.5)
    assert found.overlap is not None
    assert found.overlap > 0.97
    volumes = findings_of(t1)[2]
    assert found.t1_intracranial_ml == volumes.intracranial_ml
    assert found.intracranial_difference_percent == pytest.approx(0, abs=3)


def test_lesions_are_white_matter_and_nothing_else() -> None:
    found = read(scans()[1])
    _, lesions, volumes = findings_of(scans()[1])
    true_ml = t1_phantom().truth.volumes_ml["lesion"]
    assert found.from_grey_matter_ml is not None
    assert found.from_csf_ml is not None
    assert volumes.grey_matter_ml is not None
    alone, moved = white_ml(scans()[1]), found.from_grey_matter_ml + found.from_csf_ml
    assert found.white_matter_ml == pytest.approx(alone + moved, abs=0.3)
    grey = volumes.grey_matter_ml - found.from_grey_matter_ml
    assert found.grey_matter_ml == pytest.approx(grey, abs=0.2)
    # No more than there is: what T1 shows as lesions was never counted as anything else.
    assert 0.5 * true_ml < moved + (lesions.volume_ml or 0) < 1.15 * true_ml


def white_ml(t1: AnalysedScan) -> float:
    """White matter with the lesions that the T1 scan itself shows, ml."""
    _, lesions, volumes = findings_of(t1)
    return cast(float, volumes.white_matter_ml) + cast(float, lesions.volume_ml)


@pytest.mark.long
def test_with_many_lesions_white_matter_is_nearer_to_the_truth_than_on_t1_alone() -> None:
    errors = []
    for index in (3, 5, 6):
        (_, flair), (t1_scan, t1) = (
            read_phantom(make_phantom(SEED, index, SHAPE, recipe))
            for recipe in (Recipe(**RECIPE), Recipe(contrast="t1", **RECIPE))
        )
        truth = make_phantom(SEED, index, SHAPE, Recipe(contrast="t1", **RECIPE)).truth.volumes_ml
        stored = as_stored(t1_scan, t1)
        assert flair.with_t1 is not None
        white = cast(float, flair.with_t1(stored).white_matter_ml)
        true = truth["white"] + truth["lesion"]
        errors.append((abs(white_ml(stored) - true), abs(white - true)))
    alone, corrected = np.mean(errors, axis=0)
    assert corrected < 0.7 * alone


def test_lesions_that_are_dark_on_t1_are_not_white_matter_there() -> None:
    found = read(scans()[1])
    lesions = cast(Findings, scans()[0].findings).lesions
    assert lesions is not None
    assert [one.id for one in found.lesions] == list(range(1, lesions.count + 1))
    assert np.median([one.not_white for one in found.lesions]) > 0.9


def test_another_head_is_not_read_together() -> None:
    other = make_phantom(SEED, 4, SHAPE, Recipe(contrast="t1", **RECIPE))
    squeezed = np.array(other.affine)[:3] * [[0.8], [1], [1.1]]
    scan, array = scan_of(other.voxels, squeezed)
    found = read(as_stored(scan, VolumeAnalyzer().analyse_with_overlay(scan, array)))
    assert (found.withheld or "").startswith("The two scans do not fit each other")
    assert found.overlap is not None
    assert (found.white_matter_ml, found.lesions, found.to_t1) == (None, (), None)


def test_without_a_place_in_mni_space_the_coordinates_are_the_start() -> None:
    found = read(with_findings(scans()[1], registration=None))
    assert found.withheld is None
    np.testing.assert_allclose(np.array(found.to_t1), TURNED, atol=0.5)


def test_intracranial_volumes_that_differ_are_doubted() -> None:
    volumes = findings_of(scans()[1])[2]
    ml = cast(float, volumes.intracranial_ml)
    larger = volumes.model_copy(update={"intracranial_ml": 1.2 * ml})
    found = read(with_findings(scans()[1], volumes=larger))
    assert found.doubt is not None
    assert found.doubt.startswith("The intracranial volumes of the two scans differ by ")


def test_what_the_t1_report_withholds_is_not_corrected() -> None:
    volumes = findings_of(scans()[1])[2]
    partly = volumes.model_copy(update={"grey_matter_ml": None, "white_matter_ml": None})
    found = read(with_findings(scans()[1], volumes=partly))
    assert (found.grey_matter_ml, found.white_matter_ml) == (None, None)
    assert found.csf_ml is not None
    assert found.lesions
    found = read(with_findings(scans()[1], volumes=None))
    assert (found.csf_ml, found.t1_intracranial_ml) == (None, None)


def test_without_label_maps_the_scans_are_not_read_together() -> None:
    found = read(replace(scans()[1], maps={}))
    assert found.withheld == "The label maps of the T1 scan are damaged, or not stored."


def test_a_t1_scan_offers_no_reading_with_another_one() -> None:
    assert read_phantom(t1_phantom())[1].with_t1 is None
