"""Fr-HUB's server on real sockets and a real MongoDB: what it acknowledges, what it refuses."""

import contextlib
import math
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.domain.types import hash_voxels
from common.domain.voxel_compression import pack
from common.errors import AlreadyRunning, PeerAway, ProtocolError
from common.mongod.embedded import find_mongod, start_mongod
from common.settings.loading import HubSettings
from common.store.db_manager import DBManager
from common.wire.constants import CHUNK_BYTES, PROTOCOL_VERSION
from common.wire.frames import encode
from common.wire.messages import Chunk, Scan
from common.wire.scan_transfer import scan_messages
from fr_hub import server
from tests.factories import make_scan
from tests.processes import hub_process, peak_memory_mib
from tests.running import (
    RawPeer,
    acked,
    answer,
    frame,
    free_port,
    hello,
    hub_settings,
    refusal,
    running_hub,
    send_scan,
    sender,
    sending,
    until,
)

LARGE: dict[str, object] = {  # four chunks, the last one short
    "shape": (64, 64, 100),
    "dtype": "uint16",
    "voxels": np.random.default_rng(1).bytes(64 * 64 * 100 * 2),
}


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    manager = DBManager(mongodb_uri, database)
    yield manager
    manager.close()


@pytest.fixture
def hub(store: DBManager) -> Iterator[HubSettings]:
    settings = hub_settings()
    with running_hub(store, settings):
        yield settings


def still_serves(hub: HubSettings, store: DBManager) -> None:
    """Others are served: a good scan is stored and acknowledged."""
    scan, voxels = make_scan()
    with sender(hub) as channel:
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
    assert store.queries.states_of([scan.scan_id])[scan.scan_id][0] == ReportGenerated.TO_DO


def test_a_small_scan_is_stored_as_to_do_and_then_acknowledged(
    hub: HubSettings, store: DBManager
) -> None:
    scan, voxels = make_scan()
    with sender(hub) as channel:
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
    (claim,) = store.claims.claim("somebody", 10, 30)
    assert claim.scan == scan
    assert bytes(store.claims.fetch_voxels(claim)) == voxels


def test_a_large_scan_comes_in_chunks_and_is_whole_in_the_store(
    hub: HubSettings, store: DBManager
) -> None:
    scan, voxels = make_scan(**LARGE)
    with sender(hub) as channel:
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
    (claim,) = store.claims.claim("somebody", 10, 30)
    assert bytes(store.claims.fetch_voxels(claim)) == voxels
    assert store.uploads.sweep(grace_s=0) == 0


def test_a_compressed_scan_is_stored_as_it_came(hub: HubSettings, store: DBManager) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 8000, shape=(1000, 2000))
    packed = pack(voxels, 1)
    assert packed is not None
    with sender(hub) as channel:
        channel.send(*scan_messages(scan, *packed))
        assert acked(answer(channel)) == (scan.scan_id,)
        # The same scan, however it travels.
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
    (claim,) = store.claims.claim("somebody", 10, 30)
    assert (bytes(store.claims.fetch_voxels(claim)), claim.packing) == packed
    # The second one's voxels are deleted when it has been acknowledged.
    assert until(lambda: store.connection.uploads.count_documents({"sealed": None}) == 0)
    assert store.uploads.sweep(grace_s=0) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"hash": "0" * 64}, "hash"),
        ({"bytes": 2_000_000}, "header"),
        ({"bytes": 0}, "header"),
        ({"codec": "zip"}, "header"),
    ],
)
def test_a_wrong_packing_is_refused_and_the_connection_goes_on(
    hub: HubSettings, change: dict[str, Any], code: str
) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 8000, shape=(1000, 2000))
    packed = pack(voxels, 1)
    assert packed is not None
    payload, packing = packed
    wrong = packing.model_copy(update=change)
    with sender(hub) as channel:
        channel.send(*scan_messages(scan, payload, wrong))
        nack = refusal(answer(channel))
        assert (nack.id, nack.code) == (scan.scan_id, code)
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)


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


def test_the_same_scan_from_many_senders_at_once_is_stored_once(
    hub: HubSettings, store: DBManager
) -> None:
    scan, voxels = make_scan(**LARGE)
    answers: list[tuple[str, ...]] = []

    def send() -> None:
        with sender(hub) as channel:
            answers.append(acked(send_scan(channel, scan, voxels)))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(scan.scan_id,)] * 6
    (claim,) = store.claims.claim("somebody", 10, 30)
    assert bytes(store.claims.fetch_voxels(claim)) == voxels


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
    with RawPeer(hub.hub_port, hello()) as peer:
        peer.socket.sendall(frame({"t": "scan", "scan": header, "voxels": voxels}))
        nack = peer.read()
        assert (nack["t"], nack["id"], nack["code"]) == ("nack", scan.scan_id, "header")
        assert "110 bytes, the header declares 100" in nack["reason"]
        peer.socket.sendall(sending(*scan_messages(scan, voxels)))
        assert peer.read()["ids"] == [scan.scan_id]


@pytest.mark.parametrize(
    "order", [(0, 2), (0, 0), (1,), (0, 1, 2, 2)], ids=["missing", "repeated", "late", "twice"]
)
def test_chunks_missing_or_out_of_order_are_refused_and_the_connection_goes_on(
    hub: HubSettings, order: tuple[int, ...]
) -> None:
    scan, voxels = make_scan(**LARGE)
    first, *chunks = scan_messages(scan, voxels)
    with sender(hub) as channel:
        channel.send(first, *(chunks[n] for n in order))
        nack = refusal(answer(channel))
        assert (nack.id, nack.code) == (scan.scan_id, "chunks")
        channel.send(*chunks[1:])  # still under way when the refusal came: passed over
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)


def test_a_chunk_of_a_wrong_size_is_refused(hub: HubSettings) -> None:
    scan, voxels = make_scan(**LARGE)
    first, chunk, *_ = scan_messages(scan, voxels)
    assert isinstance(chunk, Chunk)
    with sender(hub) as channel:
        channel.send(first, replace(chunk, voxels=bytes(chunk.voxels)[:-1]))
        nack = refusal(answer(channel))
    assert (nack.code, nack.reason) == (
        "chunks",
        f"chunk 0 has {CHUNK_BYTES - 1} bytes, not {CHUNK_BYTES}",
    )


def test_a_scan_that_begins_before_the_last_chunk_of_another_ends_that_one(
    hub: HubSettings, store: DBManager
) -> None:
    scan, voxels = make_scan(**LARGE)
    other, other_voxels = make_scan()
    with sender(hub) as channel:
        channel.send(*list(scan_messages(scan, voxels))[:-1], *scan_messages(other, other_voxels))
        nack = refusal(answer(channel))
        assert (nack.id, nack.code, nack.retry) == (scan.scan_id, "chunks", True)
        assert acked(answer(channel)) == (other.scan_id,)
    assert list(store.queries.states_of([scan.scan_id]).values()) == [(None, None)]


def test_a_chunk_without_its_scan_ends_the_connection(hub: HubSettings, store: DBManager) -> None:
    with sender(hub) as channel:
        channel.send(Chunk("nobody", 0, b"x"))
        nack = refusal(answer(channel))
        assert (nack.id, nack.reason) == (None, "a chunk without its scan")
    still_serves(hub, store)


def test_a_connection_cut_in_the_middle_of_a_scan_leaves_nothing_behind(
    hub: HubSettings, store: DBManager
) -> None:
    scan, voxels = make_scan(**LARGE)
    data = sending(*scan_messages(scan, voxels))
    with RawPeer(hub.hub_port, hello()) as peer:
        peer.socket.sendall(data[: len(data) * 2 // 3])
        until(lambda: store.connection.uploads.count_documents({"sealed": None}) == 1)
    assert until(lambda: store.connection.uploads.count_documents({"sealed": None}) == 0)
    assert store.connection.chunks.count_documents({}) == 0
    assert sum(store.queries.count_states().values()) == 0
    still_serves(hub, store)


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
    with RawPeer(hub.hub_port, hello()) as peer:
        peer.socket.sendall((2**31 - 1).to_bytes(4, "little"))
        nack = peer.read()
        assert nack["code"] == "too_large"
        assert str(hub.frame_limit_kib * 1024) in nack["reason"]
        assert peer.closed()
    still_serves(hub, store)


def test_a_scan_over_the_limit_is_refused_before_its_voxels_come(store: DBManager) -> None:
    settings = hub_settings(scan_limit_mib=1)
    scan, _ = make_scan(shape=(128, 128, 65), voxels=bytes(128 * 128 * 65))
    with running_hub(store, settings), sender(settings) as channel:
        channel.send(Scan(scan))
        nack = refusal(answer(channel))
    assert (nack.id, nack.code) == (scan.scan_id, "too_large")
    assert "SCAN_LIMIT_MIB" in nack.reason


def test_another_protocol_version_is_refused_and_told(hub: HubSettings, store: DBManager) -> None:
    with RawPeer(hub.hub_port) as peer:
        peer.socket.sendall(hello(version=PROTOCOL_VERSION + 1))
        nack = peer.read()
        assert (nack["code"], nack["id"]) == ("version", None)
        assert (
            nack["reason"]
            == f"the peer speaks protocol version {PROTOCOL_VERSION + 1}, this unit version "
            f"{PROTOCOL_VERSION}: run the same release of Fr at both ends"
        )
        assert peer.closed()
    still_serves(hub, store)


def test_an_unknown_message_is_refused(hub: HubSettings, store: DBManager) -> None:
    with RawPeer(hub.hub_port, hello()) as peer:
        peer.socket.sendall(frame({"t": "dance"}))
        assert peer.read()["code"] == "unexpected"
        assert peer.closed()
    still_serves(hub, store)


def test_a_scan_before_the_greeting_is_refused(hub: HubSettings, store: DBManager) -> None:
    scan, voxels = make_scan()
    with RawPeer(hub.hub_port) as peer:
        peer.socket.sendall(sending(*scan_messages(scan, voxels)))
        assert peer.read()["code"] == "unexpected"
        assert peer.closed()
    still_serves(hub, store)


def test_an_unknown_pacs_is_told_what_to_do(hub: HubSettings) -> None:
    with pytest.raises(ProtocolError, match="add it to Fr-HUB's HUB_PACS"), sender(hub, "stranger"):
        pass


def test_a_scan_that_says_it_comes_from_another_pacs_is_refused(hub: HubSettings) -> None:
    scan, voxels = make_scan(pacs="pacs-2")
    with sender(hub) as channel:
        assert refusal(send_scan(channel, scan, voxels)).code == "header"


def test_one_connection_too_many_is_refused_and_told_to_try_again(store: DBManager) -> None:
    settings = hub_settings(hub_connections=2)
    with running_hub(store, settings), sender(settings), sender(settings):
        with pytest.raises(ProtocolError, match="the limit") as refused, sender(settings):
            pass
        assert refused.value.retry


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


def test_a_large_scan_that_does_not_come_whole_in_its_time_is_refused_and_leaves_nothing(
    store: DBManager,
) -> None:
    scan, voxels = make_scan(**LARGE)
    first, *chunks = scan_messages(scan, voxels)
    settings = hub_settings(scan_timeout_s=1)
    with running_hub(store, settings), sender(settings) as channel:
        channel.send(first, chunks[0])
        time.sleep(1.2)
        channel.send(chunks[1])
        nack = refusal(answer(channel))
        assert (nack.id, nack.code, nack.retry) == (scan.scan_id, "limit", True)
        assert "SCAN_TIMEOUT_S" in nack.reason
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
        until(lambda: store.connection.uploads.count_documents({"sealed": None}) == 0)


def test_a_peer_that_reads_no_answers_is_not_listened_to_until_it_does(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused fills no window, so only this bounds the answers that wait for it."""
    monkeypatch.setattr(server, "ANSWERS_MORE", 10)
    settings = hub_settings(hub_window=1, idle_timeout_s=60)
    scan, voxels = make_scan(pacs="pacs-2")  # refused: this is another's
    refused = sending(*scan_messages(scan, voxels))
    with running_hub(store, settings), RawPeer(settings.hub_port, hello()) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        peer.socket.setblocking(False)
        taken, quiet_since = 0, time.monotonic()
        many = refused * 100
        while time.monotonic() - quiet_since < 2:
            try:
                taken += peer.socket.send(many[taken % len(many) :])
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            assert taken < 64 * 2**20, "it takes all that comes"
        still_serves(settings, store)
        peer.socket.settimeout(10)
        assert peer.read()["code"] == "header"  # and answers when it is listened to


def test_a_silent_connection_is_closed_and_others_are_served(store: DBManager) -> None:
    settings = hub_settings(idle_timeout_s=1.0)
    with running_hub(store, settings), RawPeer(settings.hub_port, hello()) as peer:
        assert peer.closed()
        still_serves(settings, store)


def test_no_answer_and_no_log_line_tells_who_was_scanned(
    hub: HubSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    scan, voxels = make_scan(subject="JANE-DOE-1970")
    header = {**scan.model_dump(exclude_none=True), "shape": [-1, 10]}
    with RawPeer(hub.hub_port, hello()) as peer:
        peer.socket.sendall(frame({"t": "scan", "scan": header, "voxels": voxels}))
        assert "JANE" not in str(peer.read())
        peer.socket.sendall(sending(*scan_messages(scan, voxels)))
        peer.read()
    out = capfd.readouterr()
    assert "JANE" not in out.out + out.err


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
    states = store.queries.states_of(sorted(seen))
    assert all(state == "To Do" for state, _ in states.values())


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
            ids = [first.scan_id, small.scan_id, large.scan_id]
            assert all(state == "To Do" for state, _ in store.queries.states_of(ids).values())
        finally:
            store.close()
            mongod.stop()


def test_a_port_in_use_is_said(store: DBManager) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = hub_settings(hub_port=taken.getsockname()[1])
        with pytest.raises(AlreadyRunning, match="is in use"), running_hub(store, settings):
            pass


def test_memory_is_bounded_by_the_settings_and_not_by_the_scan(store: DBManager) -> None:
    """512x512x512 int16: 268 MB through a hub that may hold 32 MiB; real processes, as only a
    process has a memory of its own."""
    scan, voxels = _zeros((512, 512, 512))
    with hub_process(store, HUB_MEMORY_MIB="32") as (settings, pid):
        before = peak_memory_mib(pid)
        began = time.monotonic()
        with sender(settings) as channel:
            for message in scan_messages(scan, voxels):
                channel.send(message)
            assert acked(answer(channel, 60)) == (scan.scan_id,)
        assert time.monotonic() - began < 60
        assert peak_memory_mib(pid) - before < 32 + 64
    (claim,) = store.claims.claim("somebody", 1, 30)
    assert hash_voxels(store.claims.fetch_voxels(claim)) == scan.voxels_hash


def _zeros(shape: tuple[int, int, int]) -> tuple[BrainScan, memoryview]:
    voxels = memoryview(bytearray(2 * math.prod(shape)))
    scan, _ = make_scan()
    header = {
        **scan.model_dump(),
        "shape": shape,
        "dtype": "int16",
        "voxels_bytes": len(voxels),
        "voxels_hash": hash_voxels(voxels),
    }
    return BrainScan.model_validate(header), voxels


def test_encoded_frames_stay_below_the_smallest_frame_limit() -> None:
    chunk = Chunk("s" * 64, 2**31 - 1, bytes(CHUNK_BYTES))
    assert len(encode(chunk)) < 512 * 1024
