"""ECGs as the API shows them: by the ids that their user knows, without the account."""

import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import fr_hub.web
from common.domain.account import account_key, account_of
from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.ecg_measures import RPeaks
from common.domain.findings import AnyQuality, Verdict
from common.domain.types import utc_now
from fr_hub.web.ecg_models import Insights, StoredEcg
from fr_hub.web.uploads.results import FileResult
from tests.factories import make_report, make_scan

ACCOUNT = account_of("ada", utc_now())
KEYS = tuple(account_key("default", ACCOUNT, digit * 32) for digit in "ab")


def test_what_is_stored_is_named_once_and_never_by_the_account() -> None:
    files = [FileResult("a.hea", "stored", None, None, KEYS[:1])]
    files.append(FileResult("b.edf", "stored", None, None, KEYS))
    stored = StoredEcg.of([*files, FileResult("c.txt", "skipped", "text", "text", ())])
    assert stored is not None
    assert (stored.id, stored.ids) == ("a" * 32, ["a" * 32, "b" * 32])
    assert ACCOUNT not in stored.model_dump_json()
    assert StoredEcg.of([FileResult("c.txt", "skipped", "text", "text", ())]) is None


def test_insights_have_each_lead_if_the_analyzer_counted() -> None:
    crossings = (
        LeadCrossings(lead="I", zero_crossings=2),
        LeadCrossings(lead="II", zero_crossings=None),
    )
    findings = EcgFindings(quality=AnyQuality(verdict=Verdict.PASS), crossings=crossings)
    scan, _ = make_scan()
    insights = Insights.of(KEYS[0], make_report(scan, findings=findings))
    assert [(one.name, one.zero_crossings) for one in insights.leads] == [("I", 2), ("II", None)]
    assert Insights.of(KEYS[0], make_report(scan)).leads == []


def documented() -> Any:
    """The code of the README that reads the times of R peaks."""
    readme = (Path(fr_hub.web.__file__).parent / "README.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)  # noqa: S102 - our own document
    return found["peak_times_ms"]


PEAK_TIMES_MS = documented()


@given(st.lists(st.integers(0, 10**9), max_size=50).map(sorted))
def test_the_readme_reads_the_times_of_peaks(times: list[int]) -> None:
    peaks = RPeaks.of(times)
    assert PEAK_TIMES_MS(peaks.encoded, peaks.step_ms) == list(peaks.times_ms())


def test_the_schema_of_the_peaks_has_an_example_that_is_right() -> None:
    described = str(RPeaks.model_fields["encoded"].description)
    assert "'4o-4IP' with step_ms 1 are 300, 1100, 1904 and 2700 ms" in described
    assert PEAK_TIMES_MS("4o-4IP", 1) == [300, 1100, 1904, 2700]
    assert RPeaks.of([300, 1100, 1904, 2700]).encoded == "4o-4IP"
