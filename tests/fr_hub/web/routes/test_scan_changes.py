"""The routes by which operators change scans."""

from typing import Any

from common.audit.writer import AuditWriter
from common.domain.user import Role
from common.store.db_manager import DBManager
from fr_hub.web.context import WebContext
from fr_hub.web.scan_changes import SCANS_MAX
from tests.factories import make_claimable, make_failed, make_report, make_reports
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
