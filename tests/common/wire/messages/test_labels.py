"""The header of label maps on the wire."""

from typing import Any

import pytest

from common.errors import ProtocolError, Refusal
from common.wire.frames import encode
from common.wire.messages import Labels, Ping
from common.wire.protocol import Side
from tests.common.wire.frames import LABELS, events_of, frame_of, opened_protocol, refused

MESSAGE = Labels(LABELS)


def test_it_comes_back_as_it_was() -> None:
    protocol = opened_protocol(Side.REPORT_RECEIVER)
    protocol.receive_data(encode(MESSAGE) + encode(Ping()))
    assert events_of(protocol) == [MESSAGE, Ping()]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scan_id": 7}, "scan_id"),
        ({"revision": None}, "revision"),
        ({"maps": []}, "maps"),
        ({"maps": [*LABELS.document()["maps"], LABELS.document()["maps"][0]]}, "the same name"),
        ({"shape": [4, 5, 7, 8]}, "shape"),
        ({"Telltale": "Telltale"}, "has a field that this release does not know"),
    ],
)
def test_a_wrong_header_ends_the_connection_and_the_reason_quotes_nothing(
    change: dict[str, Any], reason: str
) -> None:
    document = {"t": "labels", "labels": {**LABELS.document(), **change}}
    error = refused(opened_protocol(Side.REPORT_RECEIVER), frame_of(document))
    assert error.code is Refusal.HEADER
    assert error.reason.startswith("labels: ")
    assert reason in error.reason
    assert "Telltale" not in error.reason


@pytest.mark.parametrize("labels", [None, 7, [LABELS.document()]])
def test_what_is_no_document_is_malformed(labels: object) -> None:
    with pytest.raises(ProtocolError) as raised:
        Labels.parse({"labels": labels})
    assert raised.value.code is Refusal.MALFORMED
