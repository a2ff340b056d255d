"""Fr-HUB's server on real sockets: whom it admits, whom it refuses, how it closes."""

import contextlib

import pytest

from common.domain.scan_key import scan_key
from common.errors import PeerAway, ProtocolError
from common.settings.hub import HubSettings
from common.store.db_manager import DBManager
from common.wire.constants import PROTOCOL_VERSION
from common.wire.scan_transfer import scan_messages
from tests.factories import make_scan
from tests.fr_hub.serving import still_serves
from tests.running import (
    RawPeer,
    acked,
    answer,
    free_port,
    hello,
    hub_settings,
    running_hub,
    sender,
    until,
)


def test_bytes_that_are_not_bson_are_refused_with_a_reason(
    hub: HubSettings, store: DBManager
) -> None:
    for garbage in (b"GET / HTTP/1.1\r\n\r\n" * 4, bytes(64), b"\xff" * 64):
        with RawPeer(hub.hub_port) as peer:
            peer.socket.sendall(garbage)
            nack = peer.read()
            assert nack["t"] == "nack"
            assert nack["code"] in ("malformed", "too_large")
            assert peer.closed()
    still_serves(hub, store)


def test_a_frame_over_the_limit_is_refused_before_it_is_read(
    hub: HubSettings, store: DBManager
) -> None:
    with RawPeer(hub.hub_port, "pacs-1") as peer:
        peer.socket.sendall((2**31 - 1).to_bytes(4, "little"))
        nack = peer.read()
        assert nack["code"] == "too_large"
        assert str(hub.frame_limit_kib * 1024) in nack["reason"]
        assert peer.closed()
    still_serves(hub, store)


def test_another_protocol_version_is_refused_and_told(hub: HubSettings, store: DBManager) -> None:
    with RawPeer(hub.hub_port) as peer:
        peer.socket.sendall(hello(version=PROTOCOL_VERSION + 1))
        nack = peer.read()
        assert (nack["code"], nack["id"]) == ("version", None)
        assert (
            nack["reason"]
            == f"Fr-PACS speaks protocol version {PROTOCOL_VERSION + 1}, Fr-HUB version "
            f"{PROTOCOL_VERSION}: upgrade Fr-HUB to the release of the other"
        )
        assert peer.closed()
    still_serves(hub, store)


def test_an_unknown_message_is_refused(hub: HubSettings, store: DBManager) -> None:
    with RawPeer(hub.hub_port, "pacs-1") as peer:
        peer.put({"t": "dance"})
        assert peer.read()["code"] == "unexpected"
        assert peer.closed()
    still_serves(hub, store)


def test_a_scan_before_the_greeting_is_refused(hub: HubSettings, store: DBManager) -> None:
    scan, voxels = make_scan()
    with RawPeer(hub.hub_port) as peer:
        peer.say(*scan_messages(scan, voxels))
        assert peer.read()["code"] == "unexpected"
        assert peer.closed()
    still_serves(hub, store)


def test_an_unknown_pacs_is_told_what_to_do(hub: HubSettings) -> None:
    with pytest.raises(ProtocolError, match="add it to Fr-HUB's HUB_PACS"), sender(hub, "stranger"):
        pass


def test_one_connection_too_many_is_refused_and_told_to_try_again(store: DBManager) -> None:
    settings = hub_settings(hub_connections=2)
    with running_hub(store, settings), sender(settings), sender(settings):
        with pytest.raises(ProtocolError, match="the limit") as refused, sender(settings):
            pass
        assert refused.value.retry


def test_one_fr_pacs_cannot_take_the_connections_of_another(store: DBManager) -> None:
    pacs = {name: ("127.0.0.1", free_port()) for name in ("pacs-1", "pacs-2")}
    settings = hub_settings(hub_connections=4, hub_pacs=pacs)
    with running_hub(store, settings), contextlib.ExitStack() as stack:
        for _ in range(3):  # its share, and what is common
            stack.enter_context(sender(settings))
        with pytest.raises(ProtocolError, match="HUB_CONNECTIONS"):
            stack.enter_context(sender(settings))
        stack.enter_context(sender(settings, "pacs-2"))


def test_one_connection_of_a_fr_pacs_too_many_is_refused_and_another_fr_pacs_finds_room(
    store: DBManager,
) -> None:
    pacs = {name: ("127.0.0.1", free_port()) for name in ("pacs-1", "pacs-2")}
    settings = hub_settings(hub_connections_each=2, hub_pacs=pacs)
    with running_hub(store, settings), sender(settings):
        with sender(settings):
            with (
                pytest.raises(ProtocolError, match="2 connections of pacs-1 are open") as refused,
                sender(settings),
            ):
                pass
            assert refused.value.retry
            with sender(settings, "pacs-2"):
                pass
        until(lambda: opens(settings))  # there is room again


def opens(settings: HubSettings) -> bool:
    try:
        with sender(settings):
            return True
    except ProtocolError:
        return False


def test_a_silent_connection_is_closed_and_others_are_served(store: DBManager) -> None:
    settings = hub_settings(idle_timeout_s=1.0)
    with running_hub(store, settings), RawPeer(settings.hub_port, "pacs-1") as peer:
        assert peer.closed()
        still_serves(settings, store)


def test_stopping_acknowledges_what_was_received(store: DBManager) -> None:
    settings = hub_settings()
    scans = [make_scan() for _ in range(500)]
    with running_hub(store, settings) as stop, sender(settings) as channel:
        channel.send(*(m for scan, voxels in scans for m in scan_messages(scan, voxels)))
        seen = set(acked(answer(channel)))
        stop.request_stop()
        with contextlib.suppress(PeerAway):
            while True:
                seen.update(acked(answer(channel)))
    states = store.queries.states_of([scan_key(i, "pacs-1") for i in sorted(seen)])
    assert all(state == "To Do" for state, _ in states.values())
