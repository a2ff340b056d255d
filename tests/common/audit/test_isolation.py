"""Events that MongoDB refuses are shortened, and the others are written."""

from collections.abc import Sequence
from contextlib import closing

import pytest

from common.audit.isolation import NOT_RECORDED, shortened, write_isolating
from common.audit.writer import AuditWriter
from common.domain.audit_events import Kind, event
from common.domain.types import Document
from common.errors import StoreError, StoreUnavailable
from common.runtime.logger import get_log
from common.store.db_manager import DBManager
from tests.common.audit.trail import events, sound


def test_an_event_that_cannot_be_stored_is_shortened_and_the_others_go_on(
    store: DBManager,
) -> None:
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        audit.note(Kind.SEND, ["before"])
        audit.note(Kind.SEND, ["poison"], outcome="delivered", number=2**70)
        audit.note(Kind.SEND, ["after"])
        audit.wait_durable(10)
        audit.note(Kind.SEND, ["one", "bad\ud800", "two"])
        audit.wait_durable(10)
    sent = [one for one in events(store) if one["kind"] == "send"]
    assert [one["ids"] for one in sent] == [
        ["before"],
        ["poison"],
        ["after"],
        ["one"],
        ["bad?"],
        ["two"],
    ]
    assert (sent[1]["outcome"], sent[1]["cause"]) == ("delivered", NOT_RECORDED)
    sound(store)


def test_a_batch_too_large_for_mongodb_is_divided(store: DBManager) -> None:
    ids = [f"{n:06}-{'x' * 200}" for n in range(90_000)]
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        audit.note(Kind.SEND, ids)
        audit.wait_durable(60)
    assert [key for one in events(store) for key in one.get("ids", ())] == ids
    sound(store)


def test_what_is_refused_is_found_among_many() -> None:
    written: list[Document] = []

    def write(these: Sequence[Document]) -> None:
        if any("poison" in one.get("ids", ()) and "cause" not in one for one in these):
            raise StoreError("refused")
        written.extend(these)

    names = [f"s-{n}" for n in range(100)]
    names[37] = "poison"
    write_isolating(write, [event(Kind.SEND, [name], peer="p") for name in names])
    assert [one["ids"] for one in written] == [[name] for name in names]
    assert [one for one in written if "peer" not in one] == [
        {**shortened(event(Kind.SEND, ["poison"])), "at": written[37]["at"]}
    ]


def test_what_a_retry_may_cure_is_not_isolated() -> None:
    calls: list[int] = []

    def write(these: Sequence[Document]) -> None:
        calls.append(len(these))
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        write_isolating(write, [event(Kind.SEND, ["one"])] * 8)
    assert calls == [8]
