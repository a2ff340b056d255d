"""The rate of a peer that has begun something, without a clock."""

import pytest

from common.errors import ProtocolError, Refusal
from common.wire.connection_policy import ConnectionPolicy
from common.wire.frames import encode
from common.wire.messages import Chunk
from common.wire.protocol import Side, WireProtocol
from common.wire.rate_guard import RateGuard
from tests.common.wire.async_peers import HELLO
from tests.common.wire.peers import (
    LIMIT,
)

RECEIVER = Side.SCAN_RECEIVER


PIECE = encode(Chunk("scan-1", 0, bytes(200_000)))


def mid_frame() -> WireProtocol:
    protocol = WireProtocol(RECEIVER, LIMIT)
    protocol.receive_data(encode(HELLO))
    protocol.next_event()
    protocol.receive_data(PIECE[:100])
    return protocol


def test_a_peer_that_keeps_the_rate_may_take_its_time() -> None:
    rate_guard, protocol = (
        RateGuard(ConnectionPolicy(min_bytes_per_s=1000, rate_window_s=10, frame_timeout_s=100)),
        mid_frame(),
    )
    for _ in range(99):
        rate_guard.record_wait(protocol.current_frame, 1.0, 1000, mid_transfer=False)


def test_a_peer_below_the_rate_is_disconnected_after_the_window() -> None:
    rate_guard, protocol = (
        RateGuard(ConnectionPolicy(min_bytes_per_s=1000, rate_window_s=10, frame_timeout_s=100)),
        mid_frame(),
    )
    for _ in range(9):
        rate_guard.record_wait(protocol.current_frame, 1.0, 999, mid_transfer=False)
    with pytest.raises(ProtocolError, match="too slow in the middle of a message") as raised:
        rate_guard.record_wait(protocol.current_frame, 1.0, 999, mid_transfer=False)
    assert (raised.value.code, raised.value.retry) == (Refusal.LIMIT, True)


def test_a_fast_beginning_does_not_pay_for_a_slow_end() -> None:
    rate_guard, protocol = (
        RateGuard(ConnectionPolicy(min_bytes_per_s=1000, rate_window_s=10, frame_timeout_s=100)),
        mid_frame(),
    )
    rate_guard.record_wait(protocol.current_frame, 10.0, 1_000_000, mid_transfer=False)
    with pytest.raises(ProtocolError, match="too slow"):
        rate_guard.record_wait(protocol.current_frame, 10.0, 1, mid_transfer=False)


def test_a_message_has_an_absolute_time() -> None:
    rate_guard, protocol = (
        RateGuard(ConnectionPolicy(min_bytes_per_s=0, rate_window_s=10, frame_timeout_s=100)),
        mid_frame(),
    )
    rate_guard.record_wait(protocol.current_frame, 100.0, 1, mid_transfer=False)
    with pytest.raises(ProtocolError, match="still incomplete after 100 s"):
        rate_guard.record_wait(protocol.current_frame, 0.1, 1, mid_transfer=False)


def test_a_peer_may_be_silent_between_messages_but_not_in_the_middle_of_a_scan() -> None:
    rate_guard, protocol = RateGuard(
        ConnectionPolicy(min_bytes_per_s=1000, rate_window_s=10, frame_timeout_s=100)
    ), WireProtocol(RECEIVER, LIMIT)
    for _ in range(100):
        rate_guard.record_wait(protocol.current_frame, 10.0, 0, mid_transfer=False)
    with pytest.raises(ProtocolError, match="too slow"):
        rate_guard.record_wait(protocol.current_frame, 10.0, 0, mid_transfer=True)


def test_each_message_has_its_own_time() -> None:
    rate_guard, protocol = (
        RateGuard(ConnectionPolicy(min_bytes_per_s=0, rate_window_s=10, frame_timeout_s=100)),
        mid_frame(),
    )
    rate_guard.record_wait(protocol.current_frame, 90.0, 1, mid_transfer=False)
    protocol.receive_data(PIECE[100:])
    protocol.next_event()
    protocol.receive_data(PIECE[:5])
    rate_guard.record_wait(protocol.current_frame, 90.0, 1, mid_transfer=False)
