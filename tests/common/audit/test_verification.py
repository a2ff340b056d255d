"""The trail and the store against each other: what is missing, changed or removed is named."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import Int64

from common.audit.verification import (
    GRACE,
    MISSING,
    NAMED,
    NO_ERROR,
    NO_RECEIVE,
    NO_REPORT,
    NO_SEND,
    NO_TRAIL,
    OLDER,
    SCHEMA,
    UNCONFIRMED,
    AuditVerdict,
    AuditVerifier,
)
from common.audit.writer import AuditWriter
from common.commands.audit import read_heads, write_heads
from common.domain import audit_chain
from common.domain.audit_chain import FIRST, digest, make_entry
from common.domain.audit_events import Kind, event
from common.domain.scan_key import scan_id_of
from common.domain.states import PURGED
from common.domain.types import Document, utc_now
from common.runtime.logger import get_log
from common.store import scans
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.common.audit.trail import note
from tests.factories import (
    LONG_AGO,
    document_of,
    edit,
    inside,
    make_report,
    make_scan,
    make_upload,
)
from tests.recorders import Recording
from tests.running import until


def stored(store: DBManager, n: int = 1) -> list[str]:
    """Ids of scans that are ``'To Do'``."""
    new = [NewScan(*make_scan()) for _ in range(n)]
    store.scans.add(new)
    return sorted(item.scan.key for item in new)


def done(store: DBManager, n: int = 1, *, sent: bool = False) -> list[str]:
    """Ids of scans that are ``'Done'``."""
    ids = stored(store, n)
    store.claims.complete(
        [(claim, make_report(claim.scan)) for claim in store.claims.claim("test", n, 60)]
    )
    if sent:
        store.outbox.mark_sent(ids)
    return ids


def gaps(verdict: AuditVerdict) -> dict[str, list[str]]:
    """Those that are any."""
    assert verdict.total == sum(gap.count for gap in verdict.gaps.values())
    return {kind: list(gap.named) for kind, gap in verdict.gaps.items() if gap.count}


def notes(verdict: AuditVerdict) -> dict[str, list[str]]:
    return {kind: list(found.named) for kind, found in verdict.notes.items() if found.count}


# --- trail and store -----------------------------------------------------------------------------


def test_a_store_and_its_trail_agree(store: DBManager, audit: AuditWriter) -> None:
    ids = done(store, 3, sent=True)
    note(audit, (Kind.RECEIVE, ids), (Kind.CLAIM, ids), (Kind.REPORT, ids), (Kind.SEND, ids))
    verdict = AuditVerifier(store).run()
    assert (verdict.total, notes(verdict)) == (0, {})
    assert (verdict.chains, verdict.open_chains, verdict.entries) == (1, 1, verdict.entries)
    assert verdict.events["receive"] == 1


def test_an_empty_store_has_no_gaps(store: DBManager) -> None:
    verdict = AuditVerifier(store).run()
    assert (verdict.total, verdict.entries, verdict.chains) == (0, 0, 0)


def test_a_received_scan_that_is_missing_is_a_gap(store: DBManager, audit: AuditWriter) -> None:
    here, gone = stored(store), ["gone"]
    note(audit, (Kind.RECEIVE, [*here, *gone]))
    assert gaps(AuditVerifier(store).run()) == {MISSING: gone}


@pytest.mark.parametrize("who", ["a hub that sends it", "a hub's round", "the last attempt"])
def test_a_report_whose_writer_was_killed_unrecorded_is_recorded_by_its_finder(
    store: DBManager, audit: AuditWriter, who: str
) -> None:
    note(audit, (Kind.RECEIVE, ids := stored(store)))
    recorded = store.recorded_by(audit)
    [claim] = store.claims.claim("killed", 1, 60)

    def be_killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.recorded_by(Recording(be_killed)).claims.complete([(claim, make_report(claim.scan))])
    if who == "a hub that sends it":
        assert store.claims.release("killed") == 1
        assert len(recorded.outbox.lease(claim.scan.pacs, 10, 60)) == 1
    else:
        edit(store, ids[0], report_generated="Error", error={"cause": "planted"})
        note(audit, (Kind.ERROR, ids))
        if who == "the last attempt":
            edit(store, ids[0], report_generated="To Do", attempts=5)
            assert recorded.claims.claim("a", 1, 60, attempts_allowed=5) == []
        else:
            assert recorded.reconciliation.reconcile_failed() == ids
    assert store.queries.count_states()["Done"] == 1
    assert gaps(AuditVerifier(store).run()) == {}


def test_what_moves_on_while_it_is_verified_is_no_gap(
    store: DBManager, audit: AuditWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(audit, (Kind.RECEIVE, ids := done(store)))
    reads = 0
    read = AuditVerifier._read

    def read_while_it_moves(self: AuditVerifier, seen: Any) -> None:
        nonlocal reads
        reads += 1
        if reads == 1:  # it looked like a gap at the first look
            note(audit, (Kind.REPORT, ids))
        read(self, seen)
        if reads == 1:
            note(audit, (Kind.SEND, ids))
            store.outbox.mark_sent(ids)

    monkeypatch.setattr(AuditVerifier, "_read", read_while_it_moves)
    assert gaps(AuditVerifier(store).run()) == {}
    assert reads > 1


def test_what_was_removed_for_its_age_is_no_gap(store: DBManager, audit: AuditWriter) -> None:
    note(audit, (Kind.RECEIVE, ["old", "gone"]), (Kind.RETENTION, ["old", "gone"]))
    inside(store).insert_one({"_id": "old", "report_generated": PURGED, "fence": 1})
    # Retention leaves a tombstone: what is not even that was not removed by it.
    assert gaps(AuditVerifier(store).run()) == {MISSING: ["gone"]}


def test_a_conflict_is_no_promise_that_the_scan_is_there(
    store: DBManager, audit: AuditWriter
) -> None:
    note(audit, (Kind.CONFLICT, ["never-stored"]), (Kind.CLAIM, ["taken back"]))
    assert AuditVerifier(store).run().total == 0


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ([Kind.RECEIVE, Kind.CLAIM, Kind.SEND], NO_REPORT),
        ([Kind.RECEIVE, Kind.CLAIM, Kind.REPORT], NO_SEND),
    ],
)
def test_each_step_of_a_scan_has_its_event(
    store: DBManager, audit: AuditWriter, said: list[Kind], kind: str
) -> None:
    ids = done(store, 2, sent=True)
    note(audit, *((one, ids) for one in said))
    assert gaps(AuditVerifier(store).run()) == {kind: ids}


def test_an_error_has_its_event(store: DBManager, audit: AuditWriter) -> None:
    [known, unknown] = stored(store, 2)
    for scan_id in (known, unknown):
        edit(store, scan_id, report_generated="Error")
    note(audit, (Kind.RECEIVE, [known, unknown]), (Kind.ERROR, [known]))
    assert gaps(AuditVerifier(store).run()) == {NO_ERROR: [unknown]}


def received_unrecorded(store: DBManager, audit: AuditWriter) -> str:
    """A scan that its hub stored, and did not record."""
    until(lambda: audit.chain)
    item = NewScan(*make_scan())
    store.recorded_by(Recording(chain=audit.chain)).scans.add([item])
    return item.scan.key


def test_a_scan_whose_hub_was_killed_before_it_could_record_it_is_named_and_no_gap(
    store: DBManager, audit: AuditWriter
) -> None:
    analysed = done(store)
    waiting = stored(store)
    lost = received_unrecorded(store, audit)
    note(audit, (Kind.CLAIM, analysed), (Kind.REPORT, analysed))
    verdict = AuditVerifier(store).run()
    assert gaps(verdict) == {}
    assert notes(verdict) == {UNCONFIRMED: sorted([*analysed, *waiting, lost])}


def test_a_hub_that_went_on_without_recording_a_scan_is_a_gap(
    store: DBManager, audit: AuditWriter
) -> None:
    lost, later = received_unrecorded(store, audit), received_unrecorded(store, audit)
    note(audit, (Kind.CONNECT, []))
    early = document_of(store, lost)["recorded_after"] - GRACE - timedelta(minutes=1)
    edit(store, lost, recorded_after=early)
    verdict = AuditVerifier(store).run()
    assert (gaps(verdict), notes(verdict)) == ({NO_RECEIVE: [lost]}, {UNCONFIRMED: [later]})
    audit.close()  # a chain that ended orderly has everything
    assert gaps(AuditVerifier(store).run()) == {NO_RECEIVE: sorted([lost, later])}


@pytest.mark.parametrize("ahead", [timedelta(hours=2), -timedelta(hours=2)])
def test_the_clock_of_a_killed_hub_may_differ_from_that_of_mongodb(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    for module in (audit_chain, scans):
        monkeypatch.setattr(module, "utc_now", lambda: utc_now() + ahead)
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        until(lambda: audit.chain)
        lost, later = received_unrecorded(store, audit), received_unrecorded(store, audit)
        note(audit, (Kind.CONNECT, []))
        verdict = AuditVerifier(store).run()
        assert (gaps(verdict), notes(verdict)) == ({}, {UNCONFIRMED: sorted([lost, later])})
        early = document_of(store, lost)["recorded_after"] - GRACE - timedelta(minutes=1)
        edit(store, lost, recorded_after=early)
        verdict = AuditVerifier(store).run()
        assert (gaps(verdict), notes(verdict)) == ({NO_RECEIVE: [lost]}, {UNCONFIRMED: [later]})


def test_a_hub_that_is_killed_as_it_completes_an_old_upload_leaves_no_gap(
    store: DBManager, audit: AuditWriter
) -> None:
    new, _ = make_upload(store)
    store.scans.add([new])
    edit(store, new.scan.key, received_at=LONG_AGO)
    inside(store, Collection.UPLOADS).update_one({}, {"$set": {"started_at": LONG_AGO}})
    store.recorded_by(Recording(chain=audit.chain)).uploads.sweep()
    assert "unsealed" not in document_of(store, new.scan.key)
    note(audit, (Kind.CONNECT, []))
    verdict = AuditVerifier(store).run()
    assert (gaps(verdict), notes(verdict)) == ({}, {UNCONFIRMED: [new.scan.key]})


def test_a_scan_whose_storing_mongodb_did_not_answer_is_no_gap(
    store: DBManager, audit: AuditWriter
) -> None:
    lost = received_unrecorded(store, audit)
    note(audit, (Kind.UNANSWERED, [lost]))
    audit.close()
    verdict = AuditVerifier(store).run()
    assert (gaps(verdict), notes(verdict)) == ({}, {UNCONFIRMED: [lost]})


def test_a_scan_that_a_ledger_calls_acknowledged_must_be_recorded(
    store: DBManager, audit: AuditWriter
) -> None:
    recorded, lost = stored(store, 2)
    note(audit, (Kind.RECEIVE, [recorded]))
    now = utc_now()
    ledger = [(recorded, now), (lost, now), ("before there was a trail", LONG_AGO)]
    found = AuditVerifier(store, acknowledged=[*ledger, (scan_id_of(recorded), now)]).run()
    assert gaps(found) == {NO_RECEIVE: [lost]}


def test_a_trail_that_was_emptied_is_a_gap_even_if_another_one_begins(store: DBManager) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        until(lambda: audit.chain)
        item = NewScan(*make_scan())
        store.recorded_by(audit).scans.add([item])
        audit.wait_durable(10)
    assert AuditVerifier(store).run().total == 0
    inside(store, Collection.AUDIT).delete_many({})
    assert gaps(AuditVerifier(store).run())[NO_TRAIL] == ["1 scans"]
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        until(lambda: audit.chain)
        assert gaps(AuditVerifier(store).run()) == {NO_RECEIVE: [item.scan.key]}


def test_what_is_older_than_the_trail_is_named_and_no_gap(
    store: DBManager, audit: AuditWriter
) -> None:
    [old] = done(store, sent=True)
    edit(store, old, received_at=LONG_AGO)
    [new] = done(store)
    verdict = AuditVerifier(store).run()
    assert notes(verdict)[OLDER] == [old]
    assert gaps(verdict) == {NO_REPORT: [new]}
    assert audit.writer


def test_what_comes_while_the_store_is_read_is_no_gap(store: DBManager, audit: AuditWriter) -> None:
    class Late(AuditVerifier):
        def _read_all(self, seen: Any) -> None:
            super()._read_all(seen)  # between the first look at the trail and that at the store
            ids.extend(done(store, sent=True))
            note(audit, *((k, ids) for k in (Kind.RECEIVE, Kind.REPORT, Kind.SEND)))

    ids: list[str] = []
    verdict = Late(store).run()
    assert ids
    assert (verdict.total, notes(verdict)) == (0, {})
    assert verdict.events["send"] == 1


def test_many_gaps_are_counted_and_the_first_are_named(
    store: DBManager, audit: AuditWriter
) -> None:
    ids = [f"s-{n:05}" for n in range(NAMED + 5)]
    note(audit, (Kind.RECEIVE, ids))
    found = AuditVerifier(store).run().gaps[MISSING]
    assert (found.count, list(found.named)) == (NAMED + 5, ids[:NAMED])


# --- removed and changed -------------------------------------------------------------------------


def entries_of(store: DBManager, writer: str) -> Iterator[Document]:
    yield from inside(store, Collection.AUDIT).find({"_id.writer": writer}, sort=[("_id", 1)])


def written(store: DBManager) -> tuple[str, str]:
    """Two closed chains, the second of which names the end of the first; their writers."""
    writers = []
    for unit in ("one", "two"):
        with closing(AuditWriter(store.audit_log, unit, get_log())) as audit:
            for n in range(3):
                note(audit, (Kind.SEND, [f"{unit}-{n}"]))
            writers.append(audit.writer)
    assert AuditVerifier(store).run().total == 0
    return writers[0], writers[1]


def tamper(store: DBManager, how: Callable[[Any, str, str], object]) -> list[str]:
    one, two = written(store)
    how(inside(store, Collection.AUDIT), one, two)
    named = AuditVerifier(store).run().problems.named
    places = [name.replace(one, "one").replace(two, "two") for name in named]
    # The anchor is the second entry of its chain, or its last one.
    return [re.sub(r"two/\d+ name", "two name", place) for place in places]


def test_an_entry_removed_from_between_shows(store: DBManager) -> None:
    found = tamper(store, lambda c, one, _: c.delete_one({"_id": {"writer": one, "seq": 2}}))
    assert found == ["one/3: 1 entry was removed before it"]


def test_the_end_of_a_chain_that_another_names_cannot_be_removed(store: DBManager) -> None:
    found = tamper(store, lambda c, one, _: c.delete_one({"_id": {"writer": one, "seq": 4}}))
    assert found == ["one/4: removed: two names it"]


def test_a_chain_that_another_names_cannot_be_removed(store: DBManager) -> None:
    found = tamper(store, lambda c, one, _: c.delete_many({"_id.writer": one}))
    assert found == ["one/4: removed: two names it"]


def test_a_changed_event_shows(store: DBManager) -> None:
    change = {"$set": {"events.0.ids": ["another"]}}
    found = tamper(
        store, lambda c, _, two: c.update_one({"_id": {"writer": two, "seq": 2}}, change)
    )
    assert found == ["two/2: changed: its content does not match its hash"]


def rewrite(collection: Any, writer: str) -> None:
    """Change an event, and make all hashes of the chain anew."""
    prev = None
    for entry in collection.find({"_id.writer": writer}, sort=[("_id", 1)]):
        if entry["_id"]["seq"] == 2:
            entry["events"][0]["ids"] = ["another"]
        entry["prev"] = prev or entry["prev"]
        prev = entry["hash"] = digest(entry)
        collection.replace_one({"_id": entry["_id"]}, entry)


def test_a_completely_rewritten_chain_differs_from_its_anchor(store: DBManager) -> None:
    found = tamper(store, lambda c, one, _: rewrite(c, one))
    assert found == ["one/4: changed since two named it"]


def test_the_last_chain_can_be_rewritten_unless_its_head_was_kept(
    store: DBManager, tmp_path: Path
) -> None:
    _, two = written(store)
    verdict = AuditVerifier(
        store, on_heads=lambda heads: write_heads(tmp_path / "heads", heads)
    ).run()
    assert verdict.not_anchored == len(list(entries_of(store, two)))
    kept = list(read_heads(tmp_path / "heads"))
    assert len(kept) == 2
    last = kept[1].at
    assert AuditVerifier(store, kept).run().total == 0
    rewrite(inside(store, Collection.AUDIT), two)
    assert AuditVerifier(store).run().total == 0  # as make audit says of what is not anchored
    [problem] = AuditVerifier(store, kept).run().problems.named
    assert problem == f"{last}: changed since the heads that were kept named it"
    inside(store, Collection.AUDIT).delete_many({})
    assert AuditVerifier(store, kept).run().problems.count == 2


def test_a_number_of_another_type_is_not_taken_for_the_same_entry(store: DBManager) -> None:
    def retype(collection: Any, one: str, _: str) -> None:
        entry = collection.find_one({"_id": {"writer": one, "seq": 1}})
        collection.delete_one({"_id": entry["_id"]})
        collection.insert_one({**entry, "_id": {"writer": one, "seq": Int64(1)}})

    assert tamper(store, retype) == ["one/1: changed: its content does not match its hash"]


def odd_entry(writer: str, fields: Document, **more: Any) -> Document:
    entry = make_entry(writer, 0, FIRST, [{**event(Kind.OPENED), **fields}])
    entry.update(more)
    return {**entry, "hash": digest(entry)}


def test_rubbish_in_the_collection_is_a_problem_and_no_error(store: DBManager) -> None:
    written(store)
    rubbish: list[Document] = [
        {"_id": 1},
        {"_id": {"writer": "x", "seq": "one"}},
        {"_id": {"writer": "y", "seq": 0}, "events": 3},
        {"_id": {"seq": 1}},
        {"_id": {"zzz": "x"}},
        # With the right hash: by a writer that writes what it likes.
        odd_entry("a", {"ids": [{"a": 1}]}),
        odd_entry("b", {"ids": 3}),
        odd_entry("c", {"at": "now"}, at="now"),
    ]
    inside(store, Collection.AUDIT).insert_many(rubbish)
    assert AuditVerifier(store).run().problems.count >= 6
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:  # and writers go on
        note(audit, (Kind.SEND, ["x"]))


def test_a_store_with_scans_and_no_trail_is_a_gap(store: DBManager) -> None:
    stored(store, 2)
    assert AuditVerifier(store).run().gaps[NO_TRAIL].named == ("2 scans",)


def test_an_index_that_would_empty_the_trail_is_a_gap(store: DBManager, audit: AuditWriter) -> None:
    audit.wait_durable()
    inside(store, Collection.AUDIT).create_index([("at", 1)], expireAfterSeconds=10**8)
    [difference] = AuditVerifier(store).run().gaps[SCHEMA].named
    assert "removes documents" in difference
