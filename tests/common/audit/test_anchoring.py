"""Anchors: each chain's end is named once, and nothing waits for it."""

import threading
import time
from contextlib import ExitStack, closing
from functools import partial

import pytest
from pymongo import MongoClient

from common.audit import anchoring
from common.audit.writer import AuditWriter
from common.domain.audit_events import Kind
from common.domain.types import Document
from common.errors import StoreRefused
from common.runtime.logger import get_log
from common.store.audit_log import Unanchored
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.migrations.open_chains import OPEN_CHAINS
from common.store.migrations.step import Work
from common.store.open_chains import OpenChains
from tests.common.audit.trail import entries, kinds, note, plant_chains, sound
from tests.factories import Commands, inside, opened
from tests.running import until


def heads_named_by(store: DBManager, writer: str) -> dict[str, str]:
    found = entries(store, writer)
    return {head["at"]: head["hash"] for entry in found for head in entry.get("heads", ())}


def test_a_chain_names_at_its_start_what_others_wrote_and_once_is_enough(store: DBManager) -> None:
    with closing(AuditWriter(store.audit_log, "first", get_log())) as first:
        first.note(Kind.SEND, ["one"])
        first.wait_durable(10)
        with closing(AuditWriter(store.audit_log, "second", get_log())) as second:
            until(lambda: heads_named_by(store, second.writer))
            hashes = heads_named_by(store, second.writer)
            assert hashes == {f"{first.writer}/1": entries(store, first.writer)[1]["hash"]}
    with closing(AuditWriter(store.audit_log, "third", get_log())) as third:
        until(lambda: heads_named_by(store, third.writer))
    named = heads_named_by(store, third.writer)
    # Of both chains their ends: nothing that is named already.
    assert f"{first.writer}/1" not in named
    assert named.keys() >= {f"{w}/{len(entries(store, w)) - 1}" for w in (first.writer,)}
    sound(store)


def test_hubs_anchor_each_other_periodically_and_rest_when_nothing_happens(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[str] = []
    not_anchored = store.audit_log.not_anchored

    def counted(writer: str) -> Unanchored:
        rounds.append(writer)
        return not_anchored(writer)

    monkeypatch.setattr(store.audit_log, "not_anchored", counted)
    with ExitStack() as stack:
        hubs = [
            stack.enter_context(
                closing(AuditWriter(store.audit_log, "fr-hub", get_log(), anchor_s=0.05))
            )
            for _ in range(2)
        ]
        for n in range(3):
            hubs[n % 2].note(Kind.SEND, [str(n)])
            hubs[n % 2].wait_durable(10)
            until(lambda: not_anchored("nobody").heads == ())
        named = {head["at"] for e in entries(store) for head in e.get("heads", ())}
        for entry in entries(store):
            writer, seq = entry["_id"]["writer"], entry["_id"]["seq"]
            if entry["events"][0]["kind"] == "send":  # it, or what came after it
                assert any(f"{writer}/{n}" in named for n in range(seq, seq + 10))
        before = len(entries(store))
        done = len(rounds)
        until(lambda: len(rounds) >= done + 10)
        assert len(entries(store)) == before
    sound(store)


def test_anchoring_that_hangs_holds_up_neither_events_nor_the_end(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = threading.Event()

    def hang(_: str) -> Unanchored:
        hanging.wait(60)
        return Unanchored()

    monkeypatch.setattr(store.audit_log, "not_anchored", hang)
    began = time.monotonic()
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log(), anchor_s=0.01)) as audit:
        for n in range(20):
            audit.note(Kind.SEND, [str(n)])
            audit.wait_durable(20)
    assert time.monotonic() - began < 30
    hanging.set()
    assert kinds(store) == ["opened", *["send"] * 20, "closed"]
    assert sound(store).open_chains == 0


@pytest.mark.long
def test_three_hundred_thousand_chains_delay_no_writer_and_lengthen_no_command(
    mongodb_uri: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands()
    listening = partial(MongoClient, event_listeners=[commands])
    monkeypatch.setattr("common.store.connection.MongoClient", listening)
    with opened(mongodb_uri, database, timeout_s=60) as store:

        def starts_promises_and_stops() -> float:
            began = time.monotonic()
            with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
                note(audit, (Kind.RECEIVE, ["one"]))
            return time.monotonic() - began

        few = starts_promises_and_stops()
        plant_chains(store, 300_000)
        # The migration of a database of an earlier release.
        OPEN_CHAINS.run(Work(store.connection.database))
        assert inside(store, Collection.AUDIT_OPEN).count_documents({}) >= 300_000
        del commands.seen[:]
        many = [starts_promises_and_stops() for _ in range(3)]
        assert min(many) < few + 1
        monkeypatch.setattr(anchoring, "MORE_S", 0.01)
        # A hub anchors them, one page after the other, while its events go on.
        with closing(AuditWriter(store.audit_log, "fr-hub", get_log(), anchor_s=60)) as audit:
            until(lambda: anchored(store) >= 3000, 60)
            note(audit, (Kind.RECEIVE, ["two"]))
    assert max(len(repr(command)) for command in commands.seen) < 1_000_000


def anchored(store: DBManager) -> int:
    """Number of the heads that anchors name."""
    with_heads = inside(store, Collection.AUDIT).find({"heads": {"$exists": True}})
    return sum(len(entry["heads"]) for entry in with_heads)


def test_without_the_list_of_open_chains_events_are_recorded(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreRefused("not authorized")

    monkeypatch.setattr(OpenChains, "announce", refuse)
    monkeypatch.setattr(OpenChains, "others", refuse)
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log(), anchor_s=0.01)) as audit:
        note(audit, (Kind.SEND, ["one"]))
    assert kinds(store) == ["opened", "send", "closed"]


def test_a_damaged_document_does_not_keep_other_chains_from_being_anchored(
    store: DBManager,
) -> None:
    with closing(AuditWriter(store.audit_log, "other", get_log())) as other:
        note(other, (Kind.SEND, ["one"]))
        planted: list[Document] = [
            {"_id": "text", "anchored": "one"},
            {"_id": "number", "anchored": float("nan")},
            {"_id": other.writer, "anchored": []},
        ]
        for document in planted:
            inside(store, Collection.AUDIT_OPEN).replace_one(
                {"_id": document["_id"]}, document, upsert=True
            )
        with closing(AuditWriter(store.audit_log, "fr-hub", get_log(), anchor_s=0.02)) as hub:
            until(lambda: f"{other.writer}/1" in heads_named_by(store, hub.writer))
    sound(store)


def test_whatever_an_anchor_raises_the_next_one_is_made(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    not_anchored, raised = store.audit_log.not_anchored, list[str]()

    def failing(writer: str) -> Unanchored:
        if not raised:
            raised.append(writer)
            raise ValueError("JANE-DOE")
        return not_anchored(writer)

    monkeypatch.setattr(store.audit_log, "not_anchored", failing)
    monkeypatch.setattr(anchoring, "RETRY_S", 0.01)
    with closing(AuditWriter(store.audit_log, "other", get_log())) as other:
        note(other, (Kind.SEND, ["one"]))
        with closing(AuditWriter(store.audit_log, "fr-hub", get_log(), anchor_s=0.02)) as hub:
            until(lambda: f"{other.writer}/1" in heads_named_by(store, hub.writer))
    assert raised
    out = capfd.readouterr().out
    assert "could not cross-link the audit trail" in out
    assert "ValueError" in out
    assert "JANE" not in out
