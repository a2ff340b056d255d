"""ECGs as the API shows them: by the ids that their user knows, without the account."""

from common.domain.account import account_key, account_of
from common.domain.ecg_findings import EcgFindings, LeadCrossings
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
