"""Fr-PACS' client on real sockets: what it sends, sends again, keeps and gives up."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from common.domain.scan import BrainScan
from common.domain.voxel_compression import unpack
from common.errors import ProtocolError, Refusal
from common.settings.pacs import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.messages import Ack, Chunk, Nack, ReportRequest, Scan
from fr_pacs.hub_connection import FINAL_AFTER
from fr_pacs.send_queue import OVERHEAD_BYTES
from tests.factories import make_scan
from tests.fr_pacs.streams import (
    Hub,
    Planted,
    ids_of,
    next_scan,
    next_scans,
    pacs_settings,
    small_scans,
    streaming,
)
from tests.running import answer, until

QUIET_S = 0.3
"""So long nothing may come that must not."""


@pytest.fixture
def settings() -> PacsSettings:
    return pacs_settings()


@pytest.fixture
def hub(settings: PacsSettings) -> Iterator[Hub]:
    with Hub(settings) as hub:
        yield hub


NOISE = np.random.default_rng(2).bytes(2**18)  # not worth compressing


def quarter() -> tuple[BrainScan, bytes]:
    """A scan of a quarter of a MiB, sent as it is."""
    return make_scan(voxels=NOISE, shape=(512, 512))


# --- acknowledgements ----------------------------------------------------------------------------


def test_a_scan_counts_as_acknowledged_when_the_hub_says_so_and_not_before(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(3)
    with streaming(settings, Planted(scans)) as stream, contextlib.closing(hub.accept()) as channel:
        assert next_scans(channel, 3) == ids_of(scans)
        assert stream.counts == (3, 0, 0)
        channel.send(Ack((scans[1][0].scan_id,)))
        until(lambda: stream.counts == (3, 1, 0))
        channel.send(Ack((scans[0][0].scan_id, scans[2][0].scan_id)))
        assert stream.ended()
        assert stream.counts == (3, 3, 0)
        assert stream.totals.megabytes == pytest.approx(300 / 1e6)


def test_an_acknowledgement_of_what_was_not_sent_or_came_before_counts_nothing(
    settings: PacsSettings, hub: Hub
) -> None:
    ((scan, voxels),) = scans = small_scans(1)
    with streaming(settings, Planted([*scans, *small_scans(1)])) as stream:
        with contextlib.closing(hub.accept(window=1)) as channel:
            first = next_scan(channel)
            channel.send(Ack((first, first, "a-stranger")), Ack((first,)))
            last = next_scan(channel)
            assert stream.counts == (2, 1, 0)
            channel.send(Ack((last,)))
            assert stream.ended()
        assert stream.counts == (2, 2, 0)
    assert (first, len(voxels)) == (scan.scan_id, 100)


def test_voxels_arrive_as_they_are_small_ones_inside_the_message_and_large_ones_in_chunks(
    settings: PacsSettings, hub: Hub
) -> None:
    large = make_scan(voxels=np.random.default_rng(1).bytes(600_000), shape=(1000, 600))
    small = make_scan()
    with (
        streaming(settings, Planted([large, small])) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        assert answer(channel) == Scan(large[0])
        chunks = [answer(channel) for _ in range(3)]
        assert b"".join(bytes(chunk.voxels) for chunk in chunks if isinstance(chunk, Chunk)) == (
            large[1]
        )
        assert answer(channel) == Scan(*small)
        channel.send(Ack((large[0].scan_id, small[0].scan_id)))
        assert stream.ended()


def test_a_large_scan_is_compressed_where_that_makes_it_smaller(
    settings: PacsSettings, hub: Hub
) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 8000, shape=(1000, 2000))
    with (
        streaming(settings, Planted([(scan, voxels)])) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        first = answer(channel)
        assert isinstance(first, Scan)
        assert first.scan == scan
        assert first.packing is not None
        assert first.packing.bytes < len(voxels) / 2
        payload = b""
        while len(payload) < first.packing.bytes:
            chunk = answer(channel)
            assert isinstance(chunk, Chunk)
            payload += bytes(chunk.voxels)
        assert unpack(payload, first.packing, len(voxels)) == voxels
        channel.send(Ack((scan.scan_id,)))
        assert stream.ended()


def test_compression_can_be_switched_off(settings: PacsSettings, hub: Hub) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 8000, shape=(1000, 2000))
    plain = settings.model_copy(update={"compression": False})
    with (
        streaming(plain, Planted([(scan, voxels)])) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        assert answer(channel) == Scan(scan)
        channel.send(Ack((scan.scan_id,)))
        assert stream.ended()


def test_no_more_scans_are_in_flight_than_the_window_of_the_hub(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(8)
    with (
        streaming(settings, Planted(scans)) as stream,
        contextlib.closing(hub.accept(window=3)) as channel,
    ):
        came = next_scans(channel, 3)
        assert channel.receive(QUIET_S) is None
        channel.send(Ack(tuple(came[:2])))
        came += next_scans(channel, 2)
        assert channel.receive(QUIET_S) is None
        channel.send(Ack(tuple(came[2:])))
        came += next_scans(channel, 3)
        channel.send(Ack(tuple(came[5:])))
        assert stream.ended()
    assert came == ids_of(scans)


def test_a_scan_that_cannot_be_read_is_told_and_the_others_go_on(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(3)
    with (
        streaming(settings, Planted(scans, unreadable=(1,))) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        came = next_scans(channel, 2)
        channel.send(Ack(tuple(came)))
        assert stream.ended()
        assert came == [scans[0][0].scan_id, scans[2][0].scan_id]
        assert stream.counts == (2, 2, 1)
        (failure,) = stream.totals.failures
        assert (failure.what, failure.reason) == ("planted 1", "the file is cut")


def test_a_scan_whose_file_changed_is_neither_sent_nor_failed(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(3)
    with (
        streaming(settings, Planted(scans, withdrawn=(1,))) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        came = next_scans(channel, 2)
        channel.send(Ack(tuple(came)))
        assert stream.ended()
        assert came == [scans[0][0].scan_id, scans[2][0].scan_id]
        assert stream.counts == (2, 2, 0)


# --- the connection ------------------------------------------------------------------------------


def test_after_a_cut_what_was_not_acknowledged_comes_again_in_order_and_counts_once(
    settings: PacsSettings, hub: Hub, tmp_path: Path
) -> None:
    scans = small_scans(6)
    ledger = tmp_path / "ledger.jsonl"
    with streaming(settings, Planted(scans), ledger) as stream:
        with contextlib.closing(hub.accept(window=5)) as channel:
            came = next_scans(channel, 5)
            channel.send(Ack((came[1],)))
            came.append(next_scan(channel))
            until(lambda: stream.counts[1] == 1)
        assert came == ids_of(scans)
        with contextlib.closing(hub.accept()) as channel:
            again = next_scans(channel, 5)
            assert again == [came[0], *came[2:]]
            channel.send(Ack(tuple(again)))
            assert stream.ended()
        assert stream.counts == (6, 6, 0)
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    for kind in ("sent", "acknowledged"):
        named = [event["scan_id"] for event in events if event["event"] == kind]
        assert sorted(named) == sorted(ids_of(scans))


def test_a_cut_in_the_middle_of_a_large_scan_sends_it_again_from_its_first_chunk(
    settings: PacsSettings, hub: Hub
) -> None:
    large = make_scan(voxels=bytes(30_000_000), shape=(5000, 6000))
    with streaming(settings, Planted([large])) as stream:
        with contextlib.closing(hub.accept()) as channel:
            assert next_scan(channel) == large[0].scan_id
        with contextlib.closing(hub.accept()) as channel:
            assert next_scan(channel) == large[0].scan_id
            first = answer(channel)
            assert isinstance(first, Chunk)
            assert first.n == 0
            channel.send(Ack((large[0].scan_id,)))
            assert stream.ended()
        assert stream.counts == (1, 1, 0)


def test_a_refusal_that_no_retry_can_mend_is_told_and_ends_the_client(
    settings: PacsSettings, hub: Hub
) -> None:
    with streaming(settings, Planted(small_scans(3))) as stream:
        for _ in range(FINAL_AFTER):
            with contextlib.closing(hub.accept_in_silence()) as channel:
                channel.send(Nack(None, Refusal.UNKNOWN_PACS, "add it to HUB_PACS", retry=False))
        assert stream.ended()
        (error,) = stream.fatal
        assert isinstance(error, ProtocolError)
        assert error.reason == "add it to HUB_PACS"


def test_a_hub_with_too_many_connections_is_asked_again(settings: PacsSettings, hub: Hub) -> None:
    scans = small_scans(1)
    with streaming(settings, Planted(scans)) as stream:
        with contextlib.closing(hub.accept_in_silence()) as channel:
            channel.send(Nack(None, Refusal.LIMIT, "128 connections are open", retry=True))
            with contextlib.closing(hub.accept()) as second:
                second.send(Ack((next_scan(second),)))
                assert stream.ended()
        assert (stream.fatal, stream.counts) == ([], (1, 1, 0))


def test_a_connection_that_the_hub_ends_with_a_reason_is_made_again(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(2)
    with streaming(settings, Planted(scans)) as stream:
        with contextlib.closing(hub.accept()) as channel:
            next_scans(channel, 2)
            channel.send(Nack(None, Refusal.MALFORMED, "the frame is damaged", retry=False))
            with contextlib.closing(hub.accept()) as second:
                assert next_scans(second, 2) == ids_of(scans)
                second.send(Ack(tuple(ids_of(scans))))
                assert stream.ended()
        assert (stream.fatal, stream.counts) == ([], (2, 2, 0))


def test_pauses_grow_while_connections_end_before_an_acknowledgement(
    settings: PacsSettings, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[int] = []

    def pause(count: int) -> float:
        failures.append(count)
        return 0.0

    monkeypatch.setattr("fr_pacs.hub_connection.backoff_s", pause)
    first, second = small_scans(2)
    with streaming(settings, Planted([first, second])) as stream:
        for _ in range(3):
            with contextlib.closing(hub.accept(window=1)) as channel:
                assert next_scan(channel) == first[0].scan_id
        with contextlib.closing(hub.accept(window=1)) as channel:
            channel.send(Ack((next_scan(channel),)))
            assert next_scan(channel) == second[0].scan_id
        with contextlib.closing(hub.accept(window=1)) as channel:
            channel.send(Ack((next_scan(channel),)))
            assert stream.ended()
    assert failures == [0, 1, 2, 0]


# --- a hub that is unreachable --------------------------------------------------------------------


def test_while_the_hub_is_away_the_buffer_is_bounded_and_synthetic_scans_fail_after_patience() -> (
    None
):
    settings = pacs_settings(buffer_mib=1, patience_s=0.05)
    source = Planted([quarter()], endless=True)
    with streaming(settings, source) as stream:
        until(lambda: stream.totals.failed >= 3)
        assert source.loaded == 4  # a MiB of them
        assert "buffer is full (BUFFER_MIB)" in stream.totals.failures[0].reason
        with Hub(settings) as hub, contextlib.closing(hub.accept()) as channel:
            for _ in range(8):  # those that were kept, and then the stream goes on
                _take_large(channel)
            until(lambda: stream.counts[1] == 8)
            stream.stop.set()


def _take_large(channel: Channel) -> None:
    scan_id = next_scan(channel)
    for _ in range(2):
        assert isinstance(answer(channel), Chunk)
    channel.send(Ack((scan_id,)))


def test_while_the_hub_is_away_small_scans_are_kept_by_the_thousand_and_bounded_too() -> None:
    settings = pacs_settings(patience_s=0.05, threads=1, buffer_mib=8)
    source = Planted(small_scans(1), endless=True)
    with streaming(settings, source) as stream:
        until(lambda: stream.totals.failed >= 2)
        assert 1000 < source.loaded <= 8 * 2**20 // OVERHEAD_BYTES


def test_while_the_hub_is_away_files_wait() -> None:
    settings = pacs_settings(buffer_mib=1, patience_s=0)
    scans = [quarter() for _ in range(9)]
    source = Planted(scans, waits=True)
    with streaming(settings, source) as stream:
        until(lambda: source.loaded == 4)
        assert not stream.ended(QUIET_S)
        assert (source.loaded, stream.counts) == (4, (0, 0, 0))
        with Hub(settings) as hub, contextlib.closing(hub.accept()) as channel:
            for _ in scans:
                _take_large(channel)
            assert stream.ended()
        assert stream.counts == (9, 9, 0)


def test_while_the_hub_is_there_and_slow_synthetic_scans_wait_too() -> None:
    settings = pacs_settings(patience_s=0)
    with Hub(settings) as hub, streaming(settings, Planted(small_scans(5))) as stream:
        with contextlib.closing(hub.accept(window=1)) as channel:
            for _ in range(5):
                scan_id = next_scan(channel)
                assert channel.receive(0.05) is None
                channel.send(Ack((scan_id,)))
            assert stream.ended()
        assert stream.counts == (5, 5, 0)


# --- scans that are known ------------------------------------------------------------------------


def test_the_reports_of_known_scans_are_asked_for(settings: PacsSettings, hub: Hub) -> None:
    scans = small_scans(3)
    first, second, third = ids_of(scans)
    with streaming(settings, Planted(scans)) as stream, contextlib.closing(hub.accept()) as channel:
        assert next_scans(channel, 3) == [first, second, third]
        stream.counter.delivered(second)  # it has come already
        channel.send(Ack((first, second, third), known=(first, second)))
        assert answer(channel) == ReportRequest((first,))
        assert stream.thread.is_alive()
        channel.send(Ack((first,)))
        assert stream.ended()
        assert stream.counts == (3, 3, 0)


def test_a_request_that_is_not_answered_is_sent_again(settings: PacsSettings, hub: Hub) -> None:
    scans = small_scans(1)
    [scan_id] = ids_of(scans)
    with streaming(settings, Planted(scans)) as stream:
        with contextlib.closing(hub.accept()) as channel:
            next_scan(channel)
            channel.send(Ack((scan_id,), known=(scan_id,)))
            assert answer(channel) == ReportRequest((scan_id,))
        with contextlib.closing(hub.accept()) as channel:
            assert answer(channel) == ReportRequest((scan_id,))
            channel.send(Ack((scan_id,)))
            assert stream.ended()
        assert stream.counts == (1, 1, 0)


def test_an_image_that_two_files_hold_is_sent_once(settings: PacsSettings, hub: Hub) -> None:
    one, other = small_scans(2)
    source = Planted([one, one, other, one], waits=True)
    with streaming(settings, source) as stream, contextlib.closing(hub.accept()) as channel:
        assert next_scans(channel, 2) == ids_of([one, other])
        channel.send(Ack(tuple(ids_of([one, other]))))
        assert stream.ended()
        assert (stream.counts, stream.totals.copies) == ((2, 2, 0), 2)
        labels = ("planted 0", "planted 1", "planted 3")
        assert stream.counter.labels_of(one[0].scan_id) == labels


def test_a_purged_scan_whose_report_came_is_acknowledged_and_another_one_fails(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(2)
    with streaming(settings, Planted(scans)) as stream, contextlib.closing(hub.accept()) as channel:
        ids = next_scans(channel, 2)
        stream.counter.delivered(ids[0])
        channel.send(*(Nack(one, Refusal.PURGED, "it is gone", retry=False) for one in ids))
        assert stream.ended()
        assert stream.counts == (2, 1, 1)
        assert [failure.reason for failure in stream.totals.failures] == ["refused: it is gone"]
