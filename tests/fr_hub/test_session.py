"""A session on real sockets and a real MongoDB: small scans, stored and then acknowledged."""

import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from common.domain.types import hash_voxels
from common.mongod.embedded import find_mongod, start_mongod
from common.settings.hub import HubSettings
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.scans import Scans
from common.wire.messages import Ack, Nack, ReportRequest
from common.wire.scan_transfer import scan_messages
from fr_hub import session
from tests.factories import document_of, edit, make_reports, make_scan
from tests.fr_hub.serving import LARGE, still_serves
from tests.running import (
    RawPeer,
    acked,
    answer,
    hub_settings,
    refusal,
    running_hub,
    send_scan,
    sender,
    until,
)


def test_a_small_scan_is_stored_as_to_do_and_then_acknowledged(
    hub: HubSettings, store: DBManager
) -> None:
    scan, voxels = make_scan()
    with sender(hub) as channel:
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
    (claim,) = store.claims.claim("somebody", 10, 30)
    assert claim.scan == scan
    assert bytes(store.claims.fetch_voxels(claim)) == voxels


def test_scans_of_many_connections_are_all_acknowledged(hub: HubSettings, store: DBManager) -> None:
    def stream(count: int) -> None:
        scans = [make_scan() for _ in range(count)]
        with sender(hub) as channel:
            channel.send(*(m for scan, voxels in scans for m in scan_messages(scan, voxels)))
            missing = {scan.scan_id for scan, _ in scans}
            while missing:
                missing -= set(acked(answer(channel)))
        done.append(count)

    done: list[int] = []
    threads = [threading.Thread(target=stream, args=(50,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [50] * 8
    assert store.queries.count_states()["To Do"] == 400


def test_more_scans_than_the_window_are_taken_one_window_after_the_other(store: DBManager) -> None:
    settings = hub_settings(hub_window=3)
    with running_hub(store, settings), sender(settings) as channel:
        scans = [make_scan() for _ in range(20)]
        channel.send(*(m for scan, voxels in scans for m in scan_messages(scan, voxels)))
        missing = {scan.scan_id for scan, _ in scans}
        while missing:
            missing -= set(acked(answer(channel)))


def test_the_same_scan_again_is_acknowledged_without_effect(
    hub: HubSettings, store: DBManager
) -> None:
    for extra in ({}, LARGE):
        scan, voxels = make_scan(**extra)
        with sender(hub) as channel:
            for _ in range(3):
                assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
    assert sum(store.queries.count_states().values()) == 2
    # What the repeated uploads brought along is deleted.
    chunks = store.connection.chunks
    assert until(lambda: chunks.count_documents({}) == 4)


def test_a_scan_id_used_again_with_other_bytes_is_refused(
    hub: HubSettings, store: DBManager
) -> None:
    for extra in ({}, LARGE):
        scan, voxels = make_scan(**extra)
        other = bytes(len(voxels))
        forged = scan.model_copy(update={"voxels_hash": hash_voxels(other)})
        with sender(hub) as channel:
            send_scan(channel, scan, voxels)
            nack = refusal(send_scan(channel, forged, other))
        assert (nack.id, nack.code, nack.retry) == (scan.scan_id, "conflict", False)
    for claim in store.claims.claim("somebody", 10, 30):
        assert hash_voxels(store.claims.fetch_voxels(claim)) == claim.scan.voxels_hash


@pytest.mark.parametrize("extra", [{}, LARGE], ids=["small", "large"])
def test_voxels_without_their_hash_are_refused_and_the_connection_goes_on(
    hub: HubSettings, store: DBManager, extra: dict[str, object]
) -> None:
    scan, voxels = make_scan(**extra)
    damaged = bytes([voxels[0] ^ 1]) + voxels[1:]
    with sender(hub) as channel:
        nack = refusal(send_scan(channel, scan, damaged))
        assert (nack.id, nack.code, nack.retry) == (scan.scan_id, "hash", True)
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
    assert until(lambda: store.connection.uploads.count_documents({"sealed": None}) == 0)


def test_a_header_whose_shape_and_byte_count_disagree_is_refused_and_the_rest_goes_on(
    hub: HubSettings,
) -> None:
    scan, voxels = make_scan()
    header = {**scan.model_dump(exclude_none=True), "shape": [11, 10]}
    with RawPeer(hub.hub_port, "pacs-1") as peer:
        peer.put({"t": "scan", "scan": header, "voxels": voxels})
        nack = peer.read()
        assert (nack["t"], nack["id"], nack["code"]) == ("nack", scan.scan_id, "header")
        assert "110 bytes, the header declares 100" in nack["reason"]
        peer.say(*scan_messages(scan, voxels))
        assert peer.read()["ids"] == [scan.scan_id]


def test_a_scan_that_says_it_comes_from_another_pacs_is_refused(hub: HubSettings) -> None:
    scan, voxels = make_scan(pacs="pacs-2")
    with sender(hub) as channel:
        assert refusal(send_scan(channel, scan, voxels)).code == "header"


@pytest.mark.long
def test_a_peer_that_reads_no_answers_is_not_listened_to_until_it_does(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused fills no window, so only this bounds the answers that wait for it."""
    monkeypatch.setattr(session, "MAX_UNSENT_ANSWERS", 10)
    settings = hub_settings(hub_window=1, idle_timeout_s=60)
    messages = list(scan_messages(*make_scan(pacs="pacs-2")))  # refused: this is another's
    with running_hub(store, settings), RawPeer(settings.hub_port, "pacs-1") as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        peer.socket.setblocking(False)
        taken, quiet_since = 0, time.monotonic()
        left = b""
        while time.monotonic() - quiet_since < 2:
            left = left or b"".join(peer.frames(*messages) for _ in range(100))
            try:
                count = peer.socket.send(left)
                left, taken = left[count:], taken + count
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            assert taken < 64 * 2**20, "it takes all that comes"
        still_serves(settings, store)
        peer.socket.settimeout(10)
        assert peer.read()["code"] == "header"  # and answers when it is listened to


def test_a_request_is_answered_before_the_next_one_is_received(store: DBManager) -> None:
    settings = hub_settings(idle_timeout_s=60)
    requests = [ReportRequest(tuple(f"{n:04}{k:060}" for k in range(1000))) for n in range(20)]
    with running_hub(store, settings), RawPeer(settings.hub_port, "pacs-1") as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        peer.socket.setblocking(False)
        taken, quiet_since, left = 0, time.monotonic(), b""
        while time.monotonic() - quiet_since < 2:
            left = left or peer.frames(*requests)
            try:
                count = peer.socket.send(left)
                left, taken = left[count:], taken + count
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            assert taken < 32 * 2**20, "it takes all that comes"
        still_serves(settings, store)
        peer.socket.settimeout(10)
        assert peer.read()["ids"] == list(requests[0].ids)


@pytest.mark.parametrize("extra", [{}, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("header", [{"later": 1}, {"shape": "round"}, {"voxels_hash": None}])
def test_a_stored_header_that_no_hub_can_read_is_answered_and_stops_nothing(
    hub: HubSettings, store: DBManager, extra: dict[str, object], header: dict[str, object]
) -> None:
    scan, voxels = make_scan(**extra)
    with sender(hub) as channel:
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
        edit(store, scan.key, **{f"scan.{name}": value for name, value in header.items()})
        event = send_scan(channel, scan, voxels)
        if "later" in header:
            assert acked(event) == (scan.scan_id,)
        else:
            assert refusal(event).code == "conflict"
        still_serves(hub, store)


@pytest.mark.parametrize("part", ["add", "known"])
def test_a_scan_that_raises_what_nobody_expects_is_refused_and_the_others_are_stored(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    strange, strange_voxels = make_scan(**LARGE)
    good, voxels = make_scan()
    whole = getattr(Scans, part)

    def failing(self: Scans, new: Any) -> Any:
        if strange in (new, *([item.scan for item in new] if isinstance(new, list) else [])):
            raise KeyError("JANE-DOE")
        return whole(self, new)

    monkeypatch.setattr(Scans, part, failing)
    settings = hub_settings()
    with running_hub(store, settings), sender(settings) as channel:
        channel.send(*scan_messages(strange, strange_voxels), *scan_messages(good, voxels))
        events = [answer(channel), answer(channel)]
        [nack] = [event for event in events if isinstance(event, Nack)]
        assert (nack.id, nack.code, nack.retry) == (strange.scan_id, "unavailable", False)
        assert "KeyError" in nack.reason
        assert "JANE" not in nack.reason
        [ack] = [event for event in events if isinstance(event, Ack)]
        assert ack.ids == (good.scan_id,)
        still_serves(settings, store)


def test_no_answer_and_no_log_line_tells_who_was_scanned(
    hub: HubSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    scan, voxels = make_scan(subject="JANE-DOE-1970")
    header = {**scan.model_dump(exclude_none=True), "shape": [-1, 10]}
    with RawPeer(hub.hub_port, "pacs-1") as peer:
        peer.put({"t": "scan", "scan": header, "voxels": voxels})
        assert "JANE" not in str(peer.read())
        peer.say(*scan_messages(scan, voxels))
        peer.read()
    out = capfd.readouterr()
    assert "JANE" not in out.out + out.err


def test_while_mongodb_is_away_nothing_is_acknowledged_and_then_all_of_it() -> None:
    """On a MongoDB of its own, which is killed and started again."""
    with tempfile.TemporaryDirectory(prefix="fr-") as folder:
        mongod = start_mongod(Path(folder), find_mongod())
        store = DBManager(mongod.uri, "fr", timeout_s=2)
        settings = hub_settings()
        try:
            with running_hub(store, settings), sender(settings) as channel:
                first, voxels = make_scan()
                assert acked(send_scan(channel, first, voxels)) == (first.scan_id,)
                mongod.kill()
                small, small_voxels = make_scan()
                large, large_voxels = make_scan(**LARGE)
                channel.send(*scan_messages(small, small_voxels))
                assert channel.receive(1.0) is None
                mongod = start_mongod(Path(folder), find_mongod())
                assert acked(answer(channel, 30)) == (small.scan_id,)
                assert acked(send_scan(channel, large, large_voxels)) == (large.scan_id,)
            ids = [first.key, small.key, large.key]
            assert all(state == "To Do" for state, _ in store.queries.states_of(ids).values())
        finally:
            store.close()
            mongod.stop()


@pytest.mark.parametrize("extra", [{}, LARGE], ids=["small", "large"])
def test_a_scan_that_was_stored_before_is_acknowledged_as_known(
    hub: HubSettings, store: DBManager, extra: dict[str, object]
) -> None:
    scan, voxels = make_scan(**extra)
    with sender(hub) as channel:
        assert send_scan(channel, scan, voxels) == Ack((scan.scan_id,))
    again = scan.model_copy(update={"subject": "p-2", "acquired_at": None})
    with sender(hub) as channel:
        expected = Ack((scan.scan_id,), known=(scan.scan_id,))
        assert send_scan(channel, again, voxels) == expected
    assert sum(store.queries.count_states().values()) == 1


@pytest.mark.parametrize("extra", [{}, LARGE], ids=["small", "large"])
def test_a_purged_scan_that_is_sent_again_is_told_so(
    hub: HubSettings, store: DBManager, extra: dict[str, object]
) -> None:
    scan, voxels = make_scan(**extra)
    with sender(hub) as channel:
        acked(send_scan(channel, scan, voxels))
        edit(store, scan.key, report_generated="Purged", voxels_hash=scan.voxels_hash)
        nack = refusal(send_scan(channel, scan, voxels))
        assert (nack.id, nack.code, nack.retry) == (scan.scan_id, "purged", False)
        other, others = make_scan()
        assert acked(send_scan(channel, other, others)) == (other.scan_id,)  # it goes on


def test_a_request_makes_reports_due_again_and_is_acknowledged(
    hub: HubSettings, store: DBManager
) -> None:
    mine, other = (make_reports(store, 1, pacs=pacs)[0] for pacs in ("pacs-1", "pacs-2"))
    store.outbox.mark_sent([mine.key, other.key])
    with sender(hub) as channel:
        ids = (mine.scan_id, other.scan_id, "unknown")
        channel.send(ReportRequest(ids))
        assert answer(channel) == Ack(ids)
    assert document_of(store, mine.key, Collection.REPORTS)["status"] is False
    assert document_of(store, other.key, Collection.REPORTS)["status"] is True
