"""A Fr-HUB that is busy for long: the stream slows down, nothing is dropped or passed for ever."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from common.settings.pacs import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.messages import Ack, Busy, Scan
from tests.fr_pacs.streams import (
    Hub,
    Planted,
    ids_of,
    next_scans,
    pacs_settings,
    small_scans,
    streaming,
)
from tests.running import until


@pytest.fixture
def settings() -> PacsSettings:
    return pacs_settings()


@pytest.fixture
def hub(settings: PacsSettings) -> Iterator[Hub]:
    with Hub(settings) as hub:
        yield hub


def turn_away(channel: Channel, for_s: float, retry_ms: int) -> list[str]:
    """Answer "busy" to all that comes; what came."""
    came = []
    until = time.monotonic() + for_s
    while (left := until - time.monotonic()) > 0:
        event = channel.receive(left)
        if isinstance(event, Scan):
            came.append(event.scan.scan_id)
            channel.send(Busy(event.scan.scan_id, retry_ms))
    return came


def take(channel: Channel, count: int) -> list[str]:
    """Acknowledge so many scans one by one; in the order in which they came."""
    came = []
    for _ in range(count):
        came += next_scans(channel, 1)
        channel.send(Ack((came[-1],)))
    return came


def test_a_hub_that_turns_all_away_is_asked_with_one_scan_at_a_time(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(64)
    with (
        streaming(settings, Planted(scans)) as stream,
        contextlib.closing(hub.accept(window=64)) as channel,
    ):
        came = turn_away(channel, 3.5, 400)
        assert set(came) == set(ids_of(scans))
        # Every 0.4 to 0.6 s one, as 64 scans every 0.4 s would be 500.
        assert len(scans) < len(came) <= len(scans) + 9
        taken = take(channel, 64)
        assert sorted(taken) == sorted(ids_of(scans))
        assert stream.ended()
        assert stream.counts == (64, 64, 0)


def test_after_it_was_busy_the_oldest_scans_come_first(settings: PacsSettings, hub: Hub) -> None:
    scans = small_scans(40)
    with (
        streaming(settings, Planted(scans)) as stream,
        contextlib.closing(hub.accept(window=40)) as channel,
    ):
        asked = turn_away(channel, 1.0, 300)[40:]
        taken = take(channel, 40)
        assert stream.ended()
    # Those that asked last are not due yet; all others come by their age.
    assert len(asked) <= 4
    rest = [scan_id for scan_id in taken if scan_id not in asked]
    assert rest == [scan_id for scan_id in ids_of(scans) if scan_id not in asked]


def test_one_scan_that_is_put_off_for_ever_holds_up_no_other(
    settings: PacsSettings, hub: Hub
) -> None:
    scans = small_scans(300)
    bad = scans[5][0].scan_id
    with (
        streaming(settings, Planted(scans)) as stream,
        contextlib.closing(hub.accept(window=20)) as channel,
    ):
        good: list[str] = []
        while len(good) < 299:
            [scan_id] = next_scans(channel, 1)
            channel.send(Busy(scan_id, 200) if scan_id == bad else Ack((scan_id,)))
            good += [scan_id] if scan_id != bad else []
        assert sorted([*good, bad]) == sorted(ids_of(scans))
        take(channel, 1)
        assert stream.ended()
        assert stream.counts == (300, 300, 0)


def test_an_endless_stream_pauses_and_drops_nothing(hub: Hub, settings: PacsSettings) -> None:
    source = Planted(small_scans(1), endless=True)
    with (
        streaming(settings, source) as stream,
        contextlib.closing(hub.accept(window=8)) as channel,
    ):
        came = turn_away(channel, 2.0, 300)
        assert source.loaded == 8  # a window full, and no more are made
        assert len(came) <= 8 + 7
        taken = take(channel, 100)
        assert len(set(taken)) == 100
        assert set(came) <= set(taken)
        until(lambda: stream.totals.acknowledged == 100)
        assert stream.totals.failed == 0
        stream.stop.set()
        stream.ended()
