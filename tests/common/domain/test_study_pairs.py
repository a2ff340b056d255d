"""A FLAIR scan is read together with the best T1 scan of its study, whatever their order."""

import itertools
from typing import Any

import pytest

from common.domain.findings import Findings, Quality, Verdict
from common.domain.report import AnalyzerId
from common.domain.scan import BrainScan
from common.domain.study_pairs import StudyMember, better_t1, is_of_pair, t1_scans_for
from tests.factories import make_report, make_scan

BY = AnalyzerId(name="volume", version="10")


def scan_of(scan_id: str = "scan-1", edge: float = 1.0, **fields: Any) -> BrainScan:
    affine = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, edge, 0))
    given = {"study": "1" * 16, "subject": "sub-01", "shape": (10, 5, 2), "affine": affine}
    return make_scan(scan_id=scan_id, **{**given, **fields})[0]


def member(
    scan: BrainScan, contrast: str | None = "t1", verdict: str = "pass", **fields: Any
) -> StudyMember:
    given = {"analyzer": "volume 10", "has_maps": True, **fields}
    return StudyMember(scan=scan, contrast=contrast, verdict=verdict, **given)


FLAIR = scan_of("flair")


def test_quality_comes_first_then_the_finest_voxels_then_the_id() -> None:
    best_first = [
        member(scan_of("d", 1.0)),
        member(scan_of("e", 1.0)),
        member(scan_of("c", 2.0)),
        member(scan_of("a", 0.5), verdict="warn"),
    ]
    for order in itertools.permutations(best_first):
        assert t1_scans_for(FLAIR, BY, order) == best_first


@pytest.mark.parametrize(
    "fields",
    [
        {"scan": scan_of(study="2" * 16)},
        {"scan": scan_of(subject="sub-02")},
        {"scan": scan_of(subject=None)},
        {"scan": scan_of(pacs="pacs-2")},
        {"contrast": "flair"},
        {"contrast": None},
        {"verdict": "fail"},
        {"verdict": "unknown"},
        {"analyzer": "volume 9"},
        {"has_maps": False},
    ],
    # A header has the time, so it is no name for a test.
    ids=lambda fields: " ".join(fields),
)
def test_other_scans_do_not_fit(fields: dict[str, Any]) -> None:
    assert t1_scans_for(FLAIR, BY, [member(**{"scan": scan_of(), **fields})]) == []


def test_a_report_that_names_the_best_t1_scan_or_a_better_one_stays() -> None:
    best, worse = member(scan_of("best")), member(scan_of("worse", 2.0))
    for named, expected in ((None, best), ("worse", best), ("best", None), ("unknown", best)):
        flair = member(FLAIR, "flair", t1_scan=named)
        assert better_t1(flair, [worse, flair, best]) is expected
    without_maps = member(scan_of("best"), has_maps=False)
    flair = member(FLAIR, "flair", t1_scan="best")
    assert better_t1(flair, [worse, without_maps]) is None


def test_only_a_flair_scan_has_a_t1_scan() -> None:
    assert better_t1(member(FLAIR, "t1"), [member(scan_of())]) is None
    assert better_t1(member(FLAIR, "flair"), [member(FLAIR, "flair")]) is None


@pytest.mark.parametrize("contrast", ["flair", "t1"])
def test_reports_of_pairs_are_of_a_study_and_have_not_failed(contrast: str) -> None:
    report = make_report(FLAIR, study="1" * 16)
    findings = report.findings.model_copy(update={"parameters": {"contrast": contrast}})
    assert is_of_pair(report.model_copy(update={"findings": findings}))
    assert not is_of_pair(report)  # of no contrast
    assert not is_of_pair(report.model_copy(update={"findings": findings, "study": None}))
    failed = Findings(
        quality=Quality(verdict=Verdict.FAIL), lesions=None, parameters={"contrast": contrast}
    )
    assert not is_of_pair(report.model_copy(update={"findings": failed}))
    # It may replace one that was.
    assert is_of_pair(report.model_copy(update={"findings": failed, "revision": 2}))
