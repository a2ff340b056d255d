"""Fields of the wrong type, and fields of a later release."""

from typing import Any

import pytest

from common.errors import ProtocolError, Refusal
from common.wire.messages import TYPES, InvalidMessageError, Message
from common.wire.protocol import Side
from tests.common.wire.frames import (
    EXAMPLES,
    events_of,
    frame_of,
    protocol_for,
)


def test_the_examples_are_of_each_type() -> None:
    assert {message.t for _, message in EXAMPLES} == set(TYPES)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("scan", {"scan": None}),
        ("scan", {"scan": []}),
        ("chunk", {"id": 1}),
        ("chunk", {"n": "0"}),
        ("chunk", {"n": None}),
        ("chunk", {"voxels": "text"}),
        ("chunk", {"voxels": None}),
        ("report", {"report": "text"}),
    ],
)
def test_a_field_of_a_wrong_type_ends_the_connection(kind: str, changes: dict[str, Any]) -> None:
    side, message = next(pair for pair in EXAMPLES if pair[1].t == kind)
    protocol = protocol_for(side, message)
    protocol.receive_data(frame_of({"t": kind, **message.body(), **changes}))
    with pytest.raises(ProtocolError) as raised:
        protocol.next_event()
    assert raised.value.code is Refusal.MALFORMED
    assert not isinstance(raised.value, InvalidMessageError)


@pytest.mark.parametrize(("side", "message"), EXAMPLES, ids=lambda value: getattr(value, "t", ""))
def test_a_field_more_is_passed_over(side: Side, message: Message) -> None:
    protocol = protocol_for(side, message)
    protocol.receive_data(frame_of({"t": message.t, **message.body(), "of a later release": 1}))
    assert events_of(protocol) == [message]
