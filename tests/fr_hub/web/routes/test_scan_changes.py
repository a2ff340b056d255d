"""The routes by which operators change scans."""

from typing import Any

from common.audit.writer import AuditWriter
from common.domain.installed_analyzer import InstalledAnalyzer
from common.domain.user import Role
from common.store.claim_documents import CHOSEN
from common.store.collections import Collection
from common.store.db_manager import DBManager
from fr_hub.web.context import WebContext
from fr_hub.web.scan_changes import SCANS_MAX
from tests.factories import inside, make_claimable, make_failed, make_report, make_reports
from tests.fr_hub.web.conftest import ClientOf

SCANS = "/api/v1/scans"


def test_operators_change_scans_and_others_may_not(
    store: DBManager, context: WebContext, client_of: ClientOf
) -> None:
    [failed] = make_failed(store, 1)
    [report] = make_reports(store, 1)
    [waiting] = make_claimable(store, 1)
    changes: dict[str, dict[str, Any]] = {
        "requeue": {"ids": [failed]},
        "priority": {"ids": [waiting.key], "priority": "stat"},
        "reanalyze": {"ids": [report.key]},
        "erase": {"ids": [failed]},
    }
    operator, clinician = client_of(Role.OPERATOR), client_of(Role.CLINICIAN)
    for path, body in changes.items():
        assert clinician.post(f"{SCANS}/{path}", json=body).status_code == 403
        dry = operator.post(f"{SCANS}/{path}", json={**body, "dry_run": True}).json()
        assert (dry["dry_run"], dry["outcomes"][0]["outcome"]) == (True, "would")
        done = operator.post(f"{SCANS}/{path}", json=body).json()
        assert done["outcomes"] == [{"id": body["ids"][0], "outcome": "done", "reason": None}]
    assert isinstance(context.audit, AuditWriter)
    context.audit.wait_durable()
    history = operator.get(f"{SCANS}/{failed}").json()["history"]
    who = {one["by"] for one in history if one["outcome"] == "asked for"}
    assert all(name.startswith("user-") for name in who)
    assert len(who) == 1


def test_a_body_is_bounded_and_has_known_fields(client_of: ClientOf) -> None:
    operator = client_of(Role.OPERATOR)
    bodies: list[dict[str, Any]] = [
        {},
        {"ids": []},
        {"ids": ["x"] * (SCANS_MAX + 1)},
        {"ids": ["x" * 151]},
        {"ids": ["x"], "all": True},
    ]
    for body in bodies:
        assert operator.post(f"{SCANS}/erase", json=body).status_code == 422
    wrong = {"ids": ["x"], "priority": "now"}
    assert operator.post(f"{SCANS}/priority", json=wrong).status_code == 422


def test_a_command_that_is_sent_again_with_its_key_changes_nothing_again(
    client_of: ClientOf, store: DBManager
) -> None:
    operator, headers = client_of(Role.OPERATOR), {"Idempotency-Key": "key-1"}
    [report] = make_reports(store, 1)
    wanted = {"ids": [report.key]}
    first = operator.post(f"{SCANS}/reanalyze", json=wanted, headers=headers)
    assert first.json()["outcomes"][0]["outcome"] == "done"
    [claim] = store.claims.claim("owner-1-1-1", 1, 30)
    store.claims.complete([(claim, make_report(claim.scan, revision=2))])
    again = operator.post(f"{SCANS}/reanalyze", json=wanted, headers=headers)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    [revised] = store.revisions.revisions_of([report.key])
    assert (revised.state, revised.revision) == ("Done", 2)
    other = {"ids": [report.key, "x@pacs-1"]}
    refused = operator.post(f"{SCANS}/reanalyze", json=other, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    # Another command, or user, under the same key is another request.
    erased = operator.post(f"{SCANS}/erase", json=wanted, headers=headers)
    assert erased.json()["outcomes"][0]["outcome"] == "done"


def test_an_operator_chooses_the_analyzer_of_a_reanalysis(
    client_of: ClientOf, store: DBManager
) -> None:
    operator = client_of(Role.OPERATOR)
    [report] = make_reports(store, 1)
    wanted = {"ids": [report.key], "using": "other 7"}
    none = operator.post(f"{SCANS}/reanalyze", json=wanted)
    assert (none.status_code, none.json()["code"]) == (409, "no_analyzer")
    store.units.beat("fr-brain", [InstalledAnalyzer("other", "7", ("x-ray",))])
    [refused] = operator.post(f"{SCANS}/reanalyze", json=wanted).json()["outcomes"]
    assert (refused["outcome"], refused["reason"]) == (
        "refused",
        "other 7 does not read scans of its type",
    )
    other = InstalledAnalyzer("other", "7", (report.scan_type,))
    store.units.beat("fr-brain", [other])
    assert operator.get("/api/v1/analyzers").json()["installed"] == [
        {"name": "other", "version": "7", "scan_types": [report.scan_type]}
    ]
    [done] = operator.post(f"{SCANS}/reanalyze", json=wanted).json()["outcomes"]
    assert done["outcome"] == "done"
    assert not store.claims.claim("owner-1-1-1", 1, 30, analyzers=["grid 1"])
    # While it waits, another choice may be made.
    for using, found in ((None, "done"), ("other 7", "unchanged")):
        [one] = operator.post(
            f"{SCANS}/reanalyze", json={"ids": [report.key], "using": using}
        ).json()["outcomes"]
        assert one["outcome"] == found
    assert store.claims.claim("owner-1-1-1", 1, 30, analyzers=["grid 1"])
    store.claims.release("owner-1-1-1")
    inside(store, Collection.SCANS).update_one({}, {"$set": {CHOSEN: "other 7"}})
    [claim] = store.claims.claim("owner-1-1-1", 1, 30, analyzers=["grid 1", "other 7"])
    assert claim.analyzer == "other 7"
    store.units.end("fr-brain")  # it runs no more
    assert operator.post(f"{SCANS}/reanalyze", json=wanted).status_code == 409
