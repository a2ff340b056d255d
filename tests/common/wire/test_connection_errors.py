import errno
import ssl

import pytest

from common.errors import PeerAway, ProtocolError, Refusal
from common.wire.connection_errors import (
    closed_by_peer,
    connection_failed,
    connection_nack,
    describe,
    too_many_connections,
)
from common.wire.frames import encode
from common.wire.messages import Nack, Ping
from common.wire.protocol import Side, WireProtocol
from tests.common.wire.frames import LIMIT, opened_protocol

OPEN = opened_protocol(Side.SCAN_RECEIVER)
NEW = WireProtocol(Side.SCAN_RECEIVER, LIMIT)
HINT = "it may have refused this unit's certificate"


def test_a_refusal_becomes_a_nack_of_the_connection() -> None:
    error = too_many_connections(3, "open")
    assert connection_nack(error) == Nack(
        None, Refusal.LIMIT, "3 connections are open, which is the limit: try again later", True
    )


def test_a_close_between_messages_and_one_inside_a_message_differ() -> None:
    assert str(closed_by_peer(OPEN, tls=False)) == "the peer closed the connection"
    inside = opened_protocol(Side.SCAN_RECEIVER)
    inside.receive_data(encode(Ping())[:5])
    assert str(closed_by_peer(inside, tls=True)).endswith("in the middle of a message")


@pytest.mark.parametrize(
    ("protocol", "tls", "hinted"), [(NEW, True, True), (NEW, False, False), (OPEN, True, False)]
)
def test_a_close_before_the_handshake_is_complete_may_mean_a_refused_certificate(
    protocol: WireProtocol, tls: bool, hinted: bool
) -> None:
    assert (HINT in str(closed_by_peer(protocol, tls=tls))) is hinted
    lost = connection_failed(ConnectionResetError(errno.ECONNRESET, "reset"), protocol, tls=tls)
    assert isinstance(lost, PeerAway)
    assert (HINT in str(lost)) is hinted


def test_an_error_of_tls_says_what_to_do() -> None:
    raised = ssl.SSLError(1, "WRONG_VERSION_NUMBER")
    raised.reason = "WRONG_VERSION_NUMBER"
    error = connection_failed(raised, NEW, tls=True)
    assert isinstance(error, ProtocolError)
    assert "set TLS_CERT" in error.reason


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TimeoutError(), "timed out"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "Connection refused"),
        (UnicodeError("label empty or too long"), "not a valid host name"),
        (ValueError("odd"), "odd"),
        (OSError(), "OSError"),
    ],
)
def test_an_error_of_the_system_in_words(error: Exception, text: str) -> None:
    assert describe(error) == text
