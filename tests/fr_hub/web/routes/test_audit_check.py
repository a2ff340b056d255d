"""Auditors learn whether the trail is whole, and nothing of other tenants' scans."""

import pytest

from common.domain.user import Role
from common.store.collections import Collection
from common.store.db_manager import DBManager
from fr_hub.web import trail_check
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from tests.factories import LONG_AGO, inside, make_claimable
from tests.fr_hub.web.conftest import NORTH, ClientOf

VERIFY = f"{API}/audit/verify"


def test_gaps_and_changes_are_found_and_named_to_their_tenant(
    client_of: ClientOf, context: WebContext, store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail_check, "FRESH_S", 0)
    context.audit.wait_durable()
    auditor = client_of(Role.AUDITOR)
    found = auditor.get(VERIFY)
    assert found.status_code == 200, found.text
    assert found.json()["running"] is False
    result = found.json()["result"]
    assert (result["whole"], result["problems"]["count"], result["chains"]) == (True, 0, 1)

    lost = [context_scan(context, pacs) for pacs in ("pacs-1", "mr-1")]
    trail = inside(store, Collection.AUDIT)
    trail.update_one({"_id.seq": 0}, {"$set": {"at": LONG_AGO}})

    everything = client_of(Role.AUDITOR).get(VERIFY).json()["result"]
    assert everything["whole"] is False
    assert everything["problems"]["count"] >= 1
    assert everything["problems"]["named"]
    gaps = {one["what"]: (one["count"], one["named"]) for one in everything["gaps"]}
    assert gaps["received but not in the store"] == (2, [lost[0]])

    own = client_of(Role.AUDITOR, tenant=NORTH).get(VERIFY).json()["result"]
    assert own["whole"] is False
    gaps = {one["what"]: (one["count"], one["named"]) for one in own["gaps"]}
    assert gaps["received but not in the store"] == (1, [lost[1]])


def test_auditors_of_a_tenant_learn_no_numbers_of_the_whole_trail(
    client_of: ClientOf, context: WebContext
) -> None:
    several = [context_scan(context, "pacs-1", f"gone-{n}") for n in range(3)]
    context.audit.wait_durable()
    everything = client_of(Role.AUDITOR).get(VERIFY).json()["result"]
    assert everything["events"]["receive"] == len(several)
    own = client_of(Role.AUDITOR, tenant=NORTH).get(VERIFY).json()["result"]
    whole = ("entries", "chains", "open_chains", "not_anchored", "events", "problems")
    assert all(everything[name] is not None for name in whole)
    assert {own[name] for name in whole} == {None}
    assert {one["count"] for one in (*own["gaps"], *own["notes"])} == {0}


def context_scan(context: WebContext, pacs: str, name: str = "gone") -> str:
    """A scan that the trail says was received, and that is not there."""
    key = f"{name}@{pacs}"
    context.audit.note("receive", [key], peer=pacs, outcome="stored")  # type: ignore[arg-type]
    context.audit.wait_durable()
    return key


def test_a_long_verification_is_answered_later(
    client_of: ClientOf, store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_claimable(store, 1)
    monkeypatch.setattr(trail_check.TrailCheck.result, "__defaults__", (0.0,))
    answer = client_of(Role.AUDITOR).get(VERIFY)
    assert (answer.status_code, answer.json()) == (202, {"running": True, "result": None})
    assert answer.headers["Retry-After"]
