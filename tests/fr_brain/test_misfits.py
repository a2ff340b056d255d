"""A report warns of another scan of the same person that may be of somebody else."""

from datetime import UTC, datetime

import pytest

from common.domain.findings import Findings, Lesions, Quality, Verdict
from common.domain.follow_up import FollowUp
from common.domain.report import AnalyzerId
from common.domain.report_text import report_text
from common.domain.with_t1 import WithT1
from common.store.db_manager import DBManager
from fr_brain.analyzers.base import AnalysedScan
from fr_brain.misfits import UNLIKE_PREVIOUS, UNLIKE_T1, with_misfits
from tests.factories import make_report, make_scan
from tests.fr_brain import test_with_t1
from tests.fr_brain.processors import processing
from tests.running import until

DAY = datetime(2026, 3, 1, tzinfo=UTC)
FITS = WithT1(t1_scan="t1", t1_revision=1, overlap=0.99)
MISFIT = WithT1(t1_scan="t1", t1_revision=1, overlap=0.5, withheld="They do not fit.")
NO_MAPS = WithT1(t1_scan="t1", t1_revision=1, withheld="There are no label maps.")


def before(overlap: float | None, withheld: str | None) -> FollowUp:
    return FollowUp(
        previous_scan="a",
        previous_revision=1,
        previous_acquired_at=DAY,
        days=1,
        overlap=overlap,
        withheld=withheld,
    )


def found(with_t1: WithT1 | None = None, follow_up: FollowUp | None = None) -> Findings:
    return Findings(
        quality=Quality(verdict=Verdict.PASS),
        lesions=Lesions(count=0, voxels=0, volume_ml=None),
        with_t1=with_t1,
        follow_up=follow_up,
    )


@pytest.mark.parametrize(
    ("with_t1", "follow_up", "flags"),
    [
        (MISFIT, None, (UNLIKE_T1,)),
        (None, before(0.5, "They do not fit."), (UNLIKE_PREVIOUS,)),
        (MISFIT, before(0.5, "They do not fit."), (UNLIKE_T1, UNLIKE_PREVIOUS)),
    ],
)
def test_scans_that_may_be_of_two_people_are_a_warning(
    with_t1: WithT1 | None, follow_up: FollowUp | None, flags: tuple[str, ...]
) -> None:
    findings = with_misfits(found(with_t1, follow_up))
    assert findings.quality.verdict == Verdict.WARN
    assert findings.quality.flags == flags
    assert all("analyse the other scan again" in reason for reason in findings.quality.reasons)
    text = report_text(make_report(make_scan()[0]).model_copy(update={"findings": findings}))
    reasons, _ = text.split("Lesions:")
    assert reasons.count("or they are of two people") == len(flags)
    assert "Compare the two images" in reasons


@pytest.mark.parametrize(
    ("with_t1", "follow_up"),
    [(None, None), (FITS, before(0.99, None)), (NO_MAPS, before(None, "There are no maps."))],
)
def test_others_are_none(with_t1: WithT1 | None, follow_up: FollowUp | None) -> None:
    findings = found(with_t1, follow_up)
    assert with_misfits(findings) is findings


def test_the_stored_report_has_the_warning(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misfit(t1: AnalysedScan) -> WithT1:
        return MISFIT.model_copy(update={"t1_scan": t1.scan.scan_id})

    monkeypatch.setattr(test_with_t1, "read_with", misfit)
    with processing(store, test_with_t1.PairingAnalyzer()):
        t1 = test_with_t1.add(store, "t1")
        until(lambda: test_with_t1.is_done(store, t1))
        flair = test_with_t1.add(store, "flair")
        until(lambda: test_with_t1.is_done(store, flair))
    report = test_with_t1.report_on(store, flair)
    assert report.analyzer == AnalyzerId(name="planted", version="7")
    assert report.findings.quality.verdict == Verdict.WARN
    assert report.findings.quality.flags == (UNLIKE_T1,)
    assert test_with_t1.report_on(store, t1).findings.quality.verdict == Verdict.PASS
