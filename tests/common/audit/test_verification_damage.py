"""One damaged document among sound ones: the trail is verified to its end, and anchored."""

from contextlib import closing
from typing import Any

import pytest
from bson import Decimal128

from common.audit.verification import DAMAGED, AuditVerifier
from common.audit.writer import AuditWriter
from common.commands.audit import History
from common.domain.audit_chain import FIRST, make_entry
from common.domain.audit_events import Kind, event
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.schema import SCHEMA_VERSION
from tests.common.audit.trail import note
from tests.common.store.damaging import Damage, removing, setting, undecodable, with_id
from tests.common.store.test_audit_log import chain
from tests.factories import LONG_AGO, inside, make_claimable, make_reports


def written(store: DBManager, unit: str) -> str:
    """A closed chain of four entries; returns its writer."""
    with closing(AuditWriter(store.audit_log, unit, get_log())) as audit:
        for n in range(2):
            note(audit, (Kind.SEND, [f"{unit}-{n}"]))
        return audit.writer


DAMAGES = [
    undecodable("prev"),
    undecodable("hash"),
    undecodable("at"),
    undecodable("events"),
    undecodable("heads"),
    setting(at="x"),
    setting(events="x"),
    setting(events=[{"kind": 3}]),
    setting(events=[3]),
    setting(hash=3),
    setting(heads=5),
    setting(heads=["x"]),
    removing("events"),
    removing("hash"),
    with_id(5),
    with_id({"writer": 3, "seq": 1}),
    with_id({"zzz": "x", "seq": 1}),
    with_id({"writer2": "x"}),
    with_id({"writer": "w", "seq": float("nan")}),
    with_id({"writer": "w", "seq": float("inf")}),
    with_id({"writer": "w", "seq": Decimal128("1")}),
    with_id({"writer": "w"}),
    with_id("undecodable"),
]


@pytest.mark.sample(6)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_a_problem_and_hides_no_other(store: DBManager, damage: Damage) -> None:
    first, damaged, last = (written(store, f"unit-{n}") for n in range(3))
    damage(store, Collection.AUDIT, {"writer": damaged, "seq": 2})
    before = AuditVerifier(store).run().problems
    assert before.count > 0
    assert not any(first in one or last in one for one in before.named)
    for writer in (first, last):
        inside(store, Collection.AUDIT).delete_one({"_id": {"writer": writer, "seq": 1}})
    history = History(None, LONG_AGO)
    after = AuditVerifier(store, on_entry=history.add).run().problems
    assert after.count >= before.count + 2
    assert all(any(writer in one for one in after.named) for writer in (first, last))
    assert history.lines()


@pytest.mark.sample(8)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("seq", [1, 2])
def test_a_damaged_entry_keeps_no_other_chain_from_being_anchored(
    store: DBManager, damage: Damage, seq: int
) -> None:
    for writer in ("bad", "good"):
        store.audit_log.announce(writer)
    chain(store, "bad", 3)
    [last] = chain(store, "good", 1)
    damage(store, Collection.AUDIT, {"writer": "bad", "seq": seq})
    named = store.audit_log.not_anchored("me")
    assert "good/0" in {head.at for head in named.heads}
    store.audit_log.anchored(named)
    store.audit_log.add(make_entry("good", 1, last["hash"], [event(Kind.SEND)]))
    assert "good/1" in {head.at for head in store.audit_log.not_anchored("me").heads}


@pytest.mark.parametrize(
    "document",
    [{"_id": 5}, {"_id": "x", "anchored": "x"}, {"_id": "x", "announced_at": "x"}, {"_id": {}}],
)
def test_damaged_notes_of_open_chains_keep_no_chain_from_being_anchored(
    store: DBManager, document: Any
) -> None:
    inside(store, Collection.AUDIT_OPEN).insert_one(document)
    undecodable_note = {"_id": "note", "announced_at": LONG_AGO}
    inside(store, Collection.AUDIT_OPEN).insert_one(undecodable_note)
    with_id("undecodable")(store, Collection.AUDIT_OPEN, "note")
    with closing(AuditWriter(store.audit_log, "good", get_log())) as good:
        note(good, (Kind.SEND, ["one"]))
        named = store.audit_log.not_anchored("me")
        assert {head.at for head in named.heads} == {f"{good.writer}/1"}
        store.audit_log.anchored(named)
        assert store.audit_log.not_anchored("me").heads == ()


def test_a_writer_whose_place_has_an_undecodable_entry_goes_on_in_a_new_chain(
    store: DBManager,
) -> None:
    with closing(AuditWriter(store.audit_log, "unit", get_log())) as audit:
        note(audit, (Kind.SEND, ["one"]))
        first = audit.writer
        key = {"writer": first, "seq": 2}
        planted = make_entry(first, 2, FIRST, [event(Kind.SEND)])
        inside(store, Collection.AUDIT).insert_one(planted)
        undecodable("hash")(store, Collection.AUDIT, key)
        note(audit, (Kind.SEND, ["two"]))
        assert audit.writer != first
    sent = [one.get("ids") for entry in entries_of(store, audit.writer) for one in entry["events"]]
    assert ["two"] in sent


def entries_of(store: DBManager, writer: str) -> list[Any]:
    return list(store.audit_log.entries(writer, -1, 10**6))


@pytest.mark.sample(8)
@pytest.mark.parametrize(
    ("name", "damage", "text"),
    [
        (Collection.SCANS, setting(report_generated="Lost"), "unknown state"),
        (Collection.SCANS, removing("report_generated"), "unknown state"),
        (Collection.SCANS, setting(report_generated=3), "unknown state"),
        (Collection.SCANS, undecodable("report_generated"), "unknown state"),
        (Collection.SCANS, removing("schema"), "'schema' is missing"),
        (Collection.SCANS, setting(schema=SCHEMA_VERSION + 1), f"'schema' is {SCHEMA_VERSION + 1}"),
        (Collection.SCANS, undecodable("scan.subject"), "cannot be decoded"),
        (Collection.SCANS, setting(scan=3), "its header is damaged"),
        (Collection.SCANS, with_id(5), "5: its id has the wrong type"),
        (Collection.SCANS, with_id("undecodable"), "its id cannot be decoded"),
        (Collection.SCANS, undecodable("renamed"), None),
        (Collection.SCANS, setting(received_at="x", recorded_in=5), "'received_at'"),
        (Collection.SCANS, setting(recorded_in={}), None),
        (Collection.REPORTS, removing("status"), "'status' is missing"),
        (Collection.REPORTS, undecodable("status"), "cannot be decoded"),
        (Collection.REPORTS, with_id({"x": 1}), "{'x': 1}: its id has the wrong type"),
    ],
)
def test_a_damaged_scan_or_report_is_a_gap_and_the_others_are_compared(
    store: DBManager, name: Collection, damage: Damage, text: str | None
) -> None:
    keys = [report.key for report in make_reports(store, 3)]
    keys += [scan.key for scan in make_claimable(store, 3)]
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        note(audit, (Kind.RECEIVE, keys), (Kind.REPORT, keys[:2]))
    inside(store).update_many({}, {"$set": {"recorded_in": audit.writer}})
    damaged = keys[3] if name == Collection.SCANS else keys[0]
    damage(store, name, damaged)
    verdict = AuditVerifier(store).run()
    assert verdict.gaps["Done without a report event"].named == (keys[2],)
    found = verdict.gaps[DAMAGED]
    assert found.count == (text is not None)
    assert text is None or text in found.named[0]
