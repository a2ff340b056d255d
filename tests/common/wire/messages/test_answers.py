"""Answers: what each carries, and the fields that it refuses."""

from typing import Any

import pytest

from common.errors import Refusal
from common.wire.messages.answers import Ack, Busy, Nack, Ping, Pong
from common.wire.messages.fields import TEXT_MAX
from common.wire.protocol import Side
from tests.common.wire.frames import events_of, frame_of, opened_protocol, refused

NACK = {"t": "nack", "id": "scan-1", "code": "limit", "reason": "too many", "retry": True}
ID = "the field 'id' of a nack must be a string or null"
CODE = "the field 'code' of a nack must be a code of this protocol"
RETRY = "the field 'retry' of a nack must be a boolean"
IDS = "the field 'ids' must be a list of strings"
KNOWN = "the field 'known' must be a list of strings"
WAIT = "the field 'retry_after_ms' must be an integer"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"t": "ack"}, IDS),
        ({"t": "ack", "ids": "scan-1"}, IDS),
        ({"t": "ack", "ids": ["scan-1", 1]}, IDS),
        ({"t": "ack", "ids": None}, IDS),
        ({"t": "ack", "ids": [], "known": None}, KNOWN),
        ({"t": "ack", "ids": [], "known": [1]}, KNOWN),
        ({**NACK, "id": 1}, ID),
        ({**NACK, "code": "nothing"}, CODE),
        ({**NACK, "code": None}, "the field 'code' must be a string"),
        ({**NACK, "reason": None}, "the field 'reason' must be a string"),
        ({**NACK, "reason": "a" * (TEXT_MAX + 1)}, "the field 'reason' must be a string"),
        ({**NACK, "retry": 1}, RETRY),
        ({"t": "busy", "id": None, "retry_after_ms": 1}, "the field 'id' must be a string"),
        ({"t": "busy", "id": "scan-1", "retry_after_ms": 1.5}, WAIT),
        ({"t": "busy", "id": "scan-1", "retry_after_ms": True}, WAIT),
    ],
    ids=str,
)
def test_a_field_of_a_wrong_type_is_named_and_ends_the_connection(
    document: dict[str, Any], reason: str
) -> None:
    error = refused(opened_protocol(Side.SCAN_SENDER), frame_of(document))
    assert error.code is Refusal.MALFORMED
    assert reason in str(error)


@pytest.mark.parametrize("name", [None, "scan-2", ""])
def test_a_nack_names_a_scan_or_the_connection(name: str | None) -> None:
    protocol = opened_protocol(Side.SCAN_SENDER)
    protocol.receive_data(frame_of({**NACK, "id": name}))
    assert events_of(protocol) == [Nack(name, Refusal.LIMIT, "too many", retry=True)]


@pytest.mark.parametrize("code", Refusal)
def test_each_code_comes_back_as_it_was(code: Refusal) -> None:
    nack = Nack("scan-1", code, "why", retry=False)
    assert Nack.parse(nack.body()) == nack


def test_a_long_reason_is_cut_to_what_the_receiver_takes() -> None:
    nack = Nack(None, Refusal.HEADER, "a" * TEXT_MAX + "b", retry=False)
    assert Nack.parse(nack.body()).reason == "a" * TEXT_MAX


def test_an_ack_keeps_its_order_and_may_be_empty() -> None:
    for ids in ((), ("b", "a", "b")):
        assert Ack.parse(Ack(ids).body()) == Ack(ids)
        assert Ack(ids).body() == {"ids": list(ids)}
    some_known = Ack(("a", "b"), known=("b",))
    assert Ack.parse(some_known.body()) == some_known


def test_a_wait_may_be_longer_than_32_bits() -> None:
    protocol = opened_protocol(Side.SCAN_SENDER)
    protocol.receive_data(frame_of({"t": "busy", "id": "scan-1", "retry_after_ms": 2**40}))
    assert events_of(protocol) == [Busy("scan-1", 2**40)]


def test_a_ping_and_its_answer_carry_nothing() -> None:
    assert (Ping().body(), Pong().body()) == ({}, {})
