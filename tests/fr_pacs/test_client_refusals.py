"""Fr-PACS' client when the hub does not take a scan, and when it is time to stop."""

import contextlib
import os
import time
from collections.abc import Iterator

import pytest

from common.errors import PeerAway, Refusal
from common.settings.pacs import PacsSettings
from common.wire.constants import CHUNK_BYTES
from common.wire.messages import Ack, Busy, Chunk, Hello, Nack, Scan
from fr_pacs.client import MAX_REFUSALS
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

CHUNKS = 115
"""More than the sockets between can hold."""


@pytest.fixture
def settings() -> PacsSettings:
    return pacs_settings()


@pytest.fixture
def hub(settings: PacsSettings) -> Iterator[Hub]:
    with Hub(settings) as hub:
        yield hub


def damaged(scan_id: str) -> Nack:
    """A refusal with hope."""
    return Nack(scan_id, Refusal.HASH, "the voxels do not have the declared hash", retry=True)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["malformed", "too_large", "unexpected"])
def test_a_greeting_that_was_damaged_on_its_way_is_said_again(
    settings: PacsSettings, hub: Hub, code: str
) -> None:
    with streaming(settings, Planted(small_scans(1))) as stream:
        with contextlib.closing(hub.accept_in_silence()) as channel:
            assert isinstance(answer(channel), Hello)
            channel.send(Nack(None, Refusal(code), "the frame is damaged", retry=False))
        with contextlib.closing(hub.accept()) as channel:
            channel.send(Ack((next_scan(channel),)))
            assert stream.ended()
            assert stream.counts == (1, 1, 0)


def test_a_busy_hub_gets_the_scan_again_after_the_time_that_it_says(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(1)
    with (
        streaming(settings, Planted(scans)) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        scan_id = next_scan(channel)
        began = time.monotonic()
        channel.send(Busy(scan_id, 400))
        assert next_scan(channel) == scan_id
        assert time.monotonic() - began >= 0.4
        channel.send(Ack((scan_id,)))
        assert stream.ended()
        assert stream.counts == (1, 1, 0)


def test_a_scan_refused_with_hope_is_sent_again_a_few_times_and_then_fails_with_the_reason(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(1)
    with (
        streaming(settings, Planted(scans)) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        for _ in range(MAX_REFUSALS):
            assert not stream.totals.failed
            channel.send(damaged(next_scan(channel)))
        assert stream.ended()
        assert stream.counts == (1, 0, 1)
        (failure,) = stream.totals.failures
        assert failure.what == "planted 0"
        assert failure.reason == "refused: the voxels do not have the declared hash"


def test_a_scan_refused_once_with_hope_arrives_at_the_second_try(
    settings: PacsSettings, hub: Hub
) -> None:
    with (
        streaming(settings, Planted(small_scans(1))) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        scan_id = next_scan(channel)
        channel.send(damaged(scan_id))
        assert next_scan(channel) == scan_id
        channel.send(Ack((scan_id,)))
        assert stream.ended()
        assert stream.counts == (1, 1, 0)


def test_connections_that_were_cut_do_not_use_up_the_tries_of_a_scan(
    settings: PacsSettings, hub: Hub
) -> None:
    with streaming(settings, Planted(small_scans(1))) as stream:
        for _ in range(MAX_REFUSALS):
            with contextlib.closing(hub.accept()) as channel:
                next_scan(channel)
        with contextlib.closing(hub.accept()) as channel:
            channel.send(damaged(next_scan(channel)))
            channel.send(Ack((next_scan(channel),)))
            assert stream.ended()
        assert stream.counts == (1, 1, 0)


def test_a_scan_refused_for_good_fails_with_the_reason_and_the_others_go_on(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(3)
    with (
        streaming(settings, Planted(scans)) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        first, second, third = next_scans(channel, 3)
        channel.send(Nack(second, Refusal.CONFLICT, "taken by other content", retry=False))
        channel.send(Ack((first, third)))
        assert stream.ended()
        assert stream.counts == (3, 2, 1)
        (failure,) = stream.totals.failures
        assert failure.reason == "refused: taken by other content"


def test_a_refusal_of_what_was_not_sent_counts_nothing(settings: PacsSettings, hub: Hub) -> None:
    with (
        streaming(settings, Planted(small_scans(1))) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        scan_id = next_scan(channel)
        channel.send(damaged("a-stranger"), Busy("a-stranger", 1), Ack((scan_id,)))
        assert stream.ended()
        assert stream.counts == (1, 1, 0)


@pytest.mark.parametrize("final", [True, False], ids=["refused", "busy"])
def test_a_large_scan_that_is_not_wanted_stops_on_its_way(
    settings: PacsSettings, hub: Hub, final: bool
) -> None:
    rows = CHUNKS * CHUNK_BYTES // 5000
    large, small = make_scan(voxels=os.urandom(rows * 5000), shape=(rows, 5000)), make_scan()
    with (
        streaming(settings, Planted([large, small])) as stream,
        contextlib.closing(hub.accept()) as channel,
    ):
        scan_id = next_scan(channel)
        channel.send(
            Nack(scan_id, Refusal.TOO_LARGE, "the limit is 1 MiB (SCAN_LIMIT_MIB)", retry=False)
            if final
            else Busy(scan_id, 200)
        )
        chunks = 0
        while isinstance(event := answer(channel), Chunk):
            chunks += 1
        assert chunks < CHUNKS - 10
        assert event == Scan(*small)
        channel.send(Ack((small[0].scan_id,)))
        if not final:
            assert next_scan(channel) == scan_id
            came = [answer(channel) for _ in range(CHUNKS)]
            assert [chunk.n for chunk in came if isinstance(chunk, Chunk)] == list(range(CHUNKS))
            channel.send(Ack((scan_id,)))
        assert stream.ended()
        assert stream.counts == ((2, 1, 1) if final else (2, 2, 0))


# --- stopping ------------------------------------------------------------------------------------


def test_stopping_waits_for_acknowledgements_and_what_does_not_come_is_counted() -> None:
    settings = pacs_settings(pacs_drain_s=1.0)
    scans = small_scans(3)
    with Hub(settings) as hub, streaming(settings, Planted(scans, endless=True)) as stream:
        with contextlib.closing(hub.accept(window=3)) as channel:
            came = next_scans(channel, 3)
            stream.stop.set()
            channel.send(Ack(tuple(came[:2])))
            until(lambda: stream.counts[1] == 2)
            assert not stream.ended(0.1)
            assert stream.ended(5)
            with pytest.raises(PeerAway):  # and nothing new was sent meanwhile
                answer(channel)
        assert stream.counts == (3, 2, 0)
        assert stream.counter.open()["not_acknowledged"] == 1


def test_stopping_does_not_wait_longer_than_for_the_last_acknowledgement() -> None:
    settings = pacs_settings(pacs_drain_s=60)
    scans = small_scans(2)
    with Hub(settings) as hub, streaming(settings, Planted(scans)) as stream:
        with contextlib.closing(hub.accept()) as channel:
            came = next_scans(channel, 2)
            stream.stop.set()
            channel.send(Ack(tuple(came)))
            assert stream.ended()
        assert stream.counts == (2, 2, 0)


def test_stopping_while_the_hub_is_away_does_not_wait() -> None:
    settings = pacs_settings(pacs_drain_s=60)
    scans = small_scans(2)
    source = Planted(scans)
    with streaming(settings, source) as stream:
        until(lambda: source.loaded == 2)
        stream.stop.set()
        assert stream.ended()
        assert stream.counts == (0, 0, 0)


def test_a_hub_that_goes_while_the_client_stops_does_not_keep_it() -> None:
    settings = pacs_settings(pacs_drain_s=60)
    scans = small_scans(2)
    with Hub(settings) as hub, streaming(settings, Planted(scans)) as stream:
        with contextlib.closing(hub.accept()) as channel:
            assert next_scans(channel, 2) == ids_of(scans)
            stream.stop.set()
        assert stream.ended()
        assert stream.counts == (2, 0, 0)
        assert stream.counter.open()["not_acknowledged"] == 2
