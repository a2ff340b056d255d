"""A writer's chain on a real MongoDB: what was durable is there, whatever happens to MongoDB."""

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from common.audit.verification import AuditVerifier
from common.audit.writer import AuditWriter
from common.domain.audit_chain import FIRST, make_entry
from common.domain.audit_events import Kind, event
from common.domain.types import Document
from common.errors import AuditConflict, StoreError, StoreUnavailable
from common.runtime.logger import get_log
from common.store.audit_log import AuditLog
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.open_chains import OpenChains
from tests.common.audit.trail import entries, events, kinds, note, sound
from tests.factories import inside, opened, own_mongod, together
from tests.running import until


def test_flushed_events_are_stored_in_order_between_the_chains_ends(store: DBManager) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log(), port=7301)) as audit:
        audit.note(Kind.CLAIM, ["one", "two"], attempt=1)
        audit.note(Kind.REPORT, ["one"], peer="pacs-1", outcome="written", cause="because")
        audit.flush().result(10)
        assert kinds(store, audit.writer) == ["opened", "claim", "report"]
    first, claim, report, last = events(store)
    assert (first["unit"], first["port"], last["kind"]) == ("fr-hub", 7301, "closed")
    assert (claim["ids"], claim["attempt"]) == (["one", "two"], 1)
    assert (report["peer"], report["outcome"], report["cause"]) == ("pacs-1", "written", "because")
    assert sound(store).open_chains == 0


def test_events_that_nobody_waits_for_are_written_soon(store: DBManager) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        audit.note(Kind.CLAIM, ["one"])
        until(lambda: kinds(store) == ["opened", "claim"])
        audit.flush().result(10)


def test_many_writers_at_once_have_a_chain_each(store: DBManager) -> None:
    def write(number: int) -> str:
        with closing(AuditWriter(store.audit_log, f"unit-{number}", get_log())) as audit:
            for n in range(50):
                audit.note(Kind.SEND, [f"{number}-{n}"])
                if n % 10 == 0:
                    audit.flush().result(20)
            return audit.writer

    writers = together(4, write)
    for number, writer in enumerate(writers):
        sent = [one["ids"][0] for one in events(store, writer) if one["kind"] == "send"]
        assert sent == [f"{number}-{n}" for n in range(50)]
    verdict = sound(store)
    assert (verdict.chains, verdict.events["send"]) == (4, 200)


def test_one_thread_each_of_many_settles_its_own(store: DBManager) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:

        def note(number: int) -> bool:
            audit.note(Kind.RECEIVE, [str(number)])
            audit.wait_durable(20)
            return [str(number)] in [one.get("ids") for one in events(store)]

        assert all(together(8, note))
    sound(store)


def test_a_big_batch_is_cut_into_entries_that_mongodb_takes(store: DBManager) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        for n in range(30):
            audit.note(Kind.RECEIVE, [f"{n:03}-{i:060}" for i in range(1000)])
        for n in range(2500):
            audit.note(Kind.SEND, [str(n)])
        audit.flush().result(60)
    found = entries(store)
    assert max(sum(len(one.get("ids", ())) for one in e["events"]) for e in found) <= 20_000
    assert max(len(e["events"]) for e in found) <= 1000
    sent = [one["ids"][0] for one in events(store) if one["kind"] == "send"]
    assert sent == [str(n) for n in range(2500)]
    sound(store)


def test_refused_peers_are_counted_and_recorded_at_the_end(store: DBManager) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        for n in range(500):
            audit.refused("10.0.0.1", "unknown_pacs", f"reason {n}")
            audit.connected("pacs-1", "sends scans", address="10.0.0.2")
    refused = [one for one in events(store) if one["kind"] == "refuse"]
    assert [one.get("count", 1) for one in refused] == [1, 499]
    connected = [one for one in events(store) if one["kind"] == "connect"]
    assert [one.get("count", 1) for one in connected] == [1, 499]
    assert (connected[0]["peer"], connected[0]["address"]) == ("pacs-1", "10.0.0.2")


# --- MongoDB refuses -----------------------------------------------------------------------------


def test_if_every_entry_is_refused_whoever_waits_is_told_and_nothing_is_lost(
    store: DBManager, capsys: pytest.CaptureFixture[str]
) -> None:
    collection = inside(store, Collection.AUDIT)
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        note(audit, (Kind.SEND, ["before"]))
        collection.database.command("collMod", collection.name, validator={"no": "such"})
        audit.note(Kind.SEND, ["refused"])
        with pytest.raises(StoreError, match="121") as found:
            audit.wait_durable(30)
        assert not isinstance(found.value, StoreUnavailable)
        with pytest.raises(StoreError):
            audit.wait_durable(30)
        collection.database.command("collMod", collection.name, validator={})
        until(lambda: audit.flush().exception(30) is None)
        note(audit, (Kind.SEND, ["after"]))
    assert capsys.readouterr().out.count("the audit trail cannot be written") == 1
    assert sent_ids(store) == ["before", "refused", "after"]
    sound(store)


def sent_ids(store: DBManager) -> list[str]:
    return [key for one in events(store) if one["kind"] == "send" for key in one["ids"]]


# --- MongoDB goes away ---------------------------------------------------------------------------


def test_a_mongod_killed_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    noted = 0
    with ExitStack() as stack:
        mongod = stack.enter_context(own_mongod(tmp_path))
        store = stack.enter_context(opened(mongod.uri, "fr", timeout_s=1))
        audit = stack.enter_context(closing(AuditWriter(store.audit_log, "fr-hub", get_log())))
        for _ in range(3):
            for _ in range(200):
                audit.note(Kind.SEND, [str(noted)])
                noted += 1
                if noted % 20 == 0:
                    audit.flush()
            mongod.kill()
            audit.note(Kind.SEND, [str(noted)])
            noted += 1
            mongod = stack.enter_context(own_mongod(tmp_path))
            audit.flush().result(30)
        assert audit.close()
        sent = [one["ids"][0] for one in events(store) if one["kind"] == "send"]
        assert sent == [str(n) for n in range(noted)]
        sound(store)


def test_while_mongodb_is_unreachable_nothing_is_durable_and_closing_ends(tmp_path: Path) -> None:
    with own_mongod(tmp_path) as mongod, opened(mongod.uri, "fr", timeout_s=1) as store:
        audit = AuditWriter(store.audit_log, "fr-hub", get_log())
        audit.note(Kind.SEND, ["one"])
        audit.flush().result(10)
        mongod.kill()
        audit.note(Kind.SEND, ["two"])
        durable = audit.flush()
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            audit.wait_durable(0.1)
        assert not durable.done()
        assert not audit.close(0.1)
        with pytest.raises(StoreUnavailable, match="closed before"):
            durable.result(20)
        audit.note(Kind.SEND, ["three"])
        with pytest.raises(StoreUnavailable, match="closed before"):
            audit.flush().result(1)


# --- its place -----------------------------------------------------------------------------------


def test_an_entry_added_twice_is_there_once(store: DBManager) -> None:
    entry = make_entry("w", 0, FIRST, [event(Kind.OPENED)])
    store.audit_log.add(entry)
    store.audit_log.add(entry)
    assert len(entries(store)) == 1
    with pytest.raises(AuditConflict, match="w/0"):
        store.audit_log.add(make_entry("w", 0, FIRST, [event(Kind.OPENED), event(Kind.SEND)]))
    assert entries(store)[0]["hash"] == entry["hash"]


class LostAnswers(AuditLog):
    """An audit log whose answers to each second entry are lost after it was written."""

    calls = 0

    def add(self, entry: Document) -> None:
        """Write, and pretend that nobody knows."""
        super().add(entry)
        self.calls += 1
        if self.calls % 2:
            raise StoreUnavailable("the answer was lost")


def test_an_entry_whose_answer_was_lost_is_there_once(store: DBManager) -> None:
    audit_log = LostAnswers(store.connection, OpenChains(store.connection))
    with closing(AuditWriter(audit_log, "fr-hub", get_log())) as audit:
        for n in range(3):
            audit.note(Kind.SEND, [str(n)])
            audit.wait_durable(20)
    assert [one["ids"] for one in events(store) if one["kind"] == "send"] == [["0"], ["1"], ["2"]]
    sound(store)


def test_an_event_that_is_noted_again_while_it_waits_is_written_once(store: DBManager) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        for _ in range(3):  # as an operation does that is retried
            audit.note(Kind.SEND, ["one"], peer="pacs-1")
        audit.note(Kind.SEND, ["one"], peer="pacs-2")
        audit.wait_durable(20)
        audit.note(Kind.SEND, ["one"], peer="pacs-1")
    sent = [one["peer"] for one in events(store) if one["kind"] == "send"]
    assert sent == ["pacs-1", "pacs-2", "pacs-1"]


def test_another_entry_in_its_place_is_logged_and_later_events_are_kept(
    store: DBManager, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        audit.note(Kind.SEND, ["one"])
        audit.wait_durable(10)
        before = audit.writer
        inside(store, Collection.AUDIT).insert_one(
            make_entry(before, 2, FIRST, [event(Kind.SEND, ["forged"])])
        )
        audit.note(Kind.SEND, ["two"])
        audit.wait_durable(10)
        assert audit.writer != before
        assert kinds(store, audit.writer) == ["opened", "send"]
    assert "is not the one that this process wrote" in capsys.readouterr().out
    [problem] = AuditVerifier(store).run().problems.named
    assert problem == f"{before}/2: it does not follow the entry before it"
