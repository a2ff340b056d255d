"""A session on real sockets and a real MongoDB: large scans, in chunks."""

import math
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from common.domain.scan import BrainScan
from common.domain.types import hash_voxels
from common.domain.voxel_compression import pack
from common.settings.hub import HubSettings
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.wire.constants import CHUNK_BYTES
from common.wire.frames import encode
from common.wire.messages import Chunk, Scan
from common.wire.scan_transfer import scan_messages
from tests.factories import make_scan
from tests.fr_hub.serving import LARGE, still_serves
from tests.processes import hub_process, peak_memory_mib
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


def test_a_scan_that_is_stored_is_answered_at_its_header_and_its_voxels_are_not_written_again(
    hub: HubSettings, store: DBManager
) -> None:
    scan, voxels = make_scan(**LARGE)
    other = scan.model_copy(update={"voxels_hash": hash_voxels(bytes(len(voxels)))})
    with sender(hub) as channel:
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
        stored = chunk_writes(store)
        header, *chunks = scan_messages(scan, voxels)
        channel.send(header)  # and no chunk yet
        assert acked(answer(channel)) == (scan.scan_id,)
        channel.send(*chunks, Scan(other))
        assert refusal(answer(channel)).code == "conflict"
        small, small_voxels = make_scan()  # the connection goes on
        assert acked(send_scan(channel, small, small_voxels)) == (small.scan_id,)
    assert chunk_writes(store) == stored


def chunk_writes(store: DBManager) -> int:
    """Chunks written since mongod started, as it counts them."""
    statistics = store.connection.database.command("collStats", "brain_chunks")
    return int(statistics["wiredTiger"]["cursor"]["insert calls"])


def test_a_stored_scan_that_could_still_be_removed_is_received_again(
    hub: HubSettings, store: DBManager
) -> None:
    """Its hub was killed before it could seal the upload."""
    scan, voxels = make_scan(**LARGE)
    blob = store.uploads.begin()
    store.scans.add([NewScan(scan, blob=blob)])  # without its chunks, which nobody may trust
    with sender(hub) as channel:
        channel.send(next(scan_messages(scan, voxels)))
        assert channel.receive(0.3) is None


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
    assert list(store.queries.states_of([scan.key]).values()) == [(None, None)]


def test_a_chunk_without_its_scan_ends_the_connection(hub: HubSettings, store: DBManager) -> None:
    with sender(hub) as channel:
        channel.send(Chunk("nobody", 0, b"x"))
        nack = refusal(answer(channel))
        assert (nack.id, nack.code) == (None, "chunks")
        assert "a chunk without its scan" in nack.reason
    still_serves(hub, store)


def test_a_connection_cut_in_the_middle_of_a_scan_leaves_nothing_behind(
    hub: HubSettings, store: DBManager
) -> None:
    scan, voxels = make_scan(**LARGE)
    with RawPeer(hub.hub_port, "pacs-1") as peer:
        data = peer.frames(*scan_messages(scan, voxels))
        peer.socket.sendall(data[: len(data) * 2 // 3])
        until(lambda: store.connection.uploads.count_documents({"sealed": None}) == 1)
    assert until(lambda: store.connection.uploads.count_documents({"sealed": None}) == 0)
    assert store.connection.chunks.count_documents({}) == 0
    assert sum(store.queries.count_states().values()) == 0
    still_serves(hub, store)


def test_a_scan_over_the_limit_is_refused_before_its_voxels_come(store: DBManager) -> None:
    settings = hub_settings(scan_limit_mib=1)
    scan, _ = make_scan(shape=(128, 128, 65), voxels=bytes(128 * 128 * 65))
    with running_hub(store, settings), sender(settings) as channel:
        channel.send(Scan(scan))
        nack = refusal(answer(channel))
    assert (nack.id, nack.code) == (scan.scan_id, "too_large")
    assert "SCAN_LIMIT_MIB" in nack.reason


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


@pytest.mark.long
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
