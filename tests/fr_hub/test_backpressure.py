"""Backpressure on a real hub and a real MongoDB: what is full takes nothing and loses nothing."""

import asyncio
import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from common.commands.verify import verify
from common.domain.scan import Priority
from common.domain.states import ReportGenerated
from common.errors import StoreUnavailable
from common.settings.hub import HubSettings
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.wire.blocking_connection import Channel
from common.wire.messages import Ack, Busy, Event
from common.wire.scan_transfer import scan_messages
from fr_hub.backpressure import MIN_RESERVE, Backpressure
from tests.factories import (
    inside,
    make_claimable,
    make_report,
    make_reports,
    make_scan,
    opened,
    own_mongod,
)
from tests.fr_hub.stores import hub_context
from tests.processes import start
from tests.running import (
    acked,
    answer,
    free_port,
    hub_settings,
    running_hub,
    send_scan,
    sender,
    until,
)
from tests.test_full_disk import fill, small_disk

__all__ = ["small_disk"]  # a fixture

MIB = 2**20


class Measurements:
    """Measures often, and lets a test wait for it."""

    def __init__(self, store: DBManager, monkeypatch: pytest.MonkeyPatch) -> None:
        self._counted = threading.Semaphore(0)
        count = store.capacity.count_to_do_by_pacs

        def counting(at_most: int) -> dict[str, int]:
            self._counted.release()
            return count(at_most)

        monkeypatch.setattr(store.capacity, "count_to_do_by_pacs", counting)
        monkeypatch.setattr("fr_hub.backpressure.MEASURE_S", 0.05)

    def wait(self) -> None:
        """Wait until a measurement that began after this has been decided on."""
        while self._counted.acquire(blocking=False):
            pass
        for _ in range(2):  # when the second begins, the first has been decided on
            assert self._counted.acquire(timeout=60)  # a slow measurement is rare on purpose


def work_off(store: DBManager, count: int) -> int:
    """Analyse so many scans; how many there were."""
    claims = store.claims.claim("the test", count, 60)
    store.claims.complete([(claim, make_report(claim.scan)) for claim in claims])
    return len(claims)


def waiting(store: DBManager) -> int:
    """Scans that are 'To Do'."""
    return store.queries.count_states()[ReportGenerated.TO_DO]


# --- the levels ----------------------------------------------------------------------------------


def test_what_is_to_do_is_counted_by_keys_alone_and_no_further_than_asked(
    store: DBManager,
) -> None:
    make_claimable(store, 7)
    work_off(store, 2)
    assert store.capacity.count_to_do(100) == 5
    assert store.capacity.count_to_do(3) == 3
    command = {"count": Collection.SCANS, "query": {"report_generated": "To Do"}}
    plan = store.connection.database.command("explain", {**command, "hint": "queue"})
    assert plan["executionStats"]["totalDocsExamined"] == 0


def test_the_disk_of_mongodb_is_seen(store: DBManager) -> None:
    free = store.capacity.disk_free()
    assert free is not None
    assert free > 0


# --- a full backlog ------------------------------------------------------------------------------


def test_a_full_backlog_takes_nothing_until_there_is_a_tenth_of_room(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    measurements = Measurements(store, monkeypatch)
    make_claimable(store, 20)
    settings = hub_settings(hub_backlog=20)
    with running_hub(store, settings), sender(settings) as channel:
        scan, voxels = make_scan()
        for _ in range(3):
            event = send_scan(channel, scan, voxels)
            assert isinstance(event, Busy)
            assert (event.id, event.retry_after_ms >= 1000) == (scan.scan_id, True)
        work_off(store, 1)  # 19: over nine tenths
        measurements.wait()
        assert isinstance(send_scan(channel, scan, voxels), Busy)
        work_off(store, 1)
        until(lambda: isinstance(send_scan(channel, scan, voxels), Ack))
    said = capfd.readouterr().out
    assert said.count("accepting no scans for now") == 1
    assert said.count("accepting scans again") == 1
    assert "20 scans are 'To Do' (HUB_BACKLOG)" in said


def test_one_hub_never_takes_more_than_the_backlog_however_fast_they_come(
    store: DBManager,
) -> None:
    settings = hub_settings(hub_backlog=50)
    scans = [make_scan() for _ in range(300)]
    with running_hub(store, settings):
        answers = []

        def send(part: int) -> None:
            with sender(settings) as channel:
                mine = scans[part::3]
                channel.send(*(m for scan, voxels in mine for m in scan_messages(scan, voxels)))
                count = 0
                while count < len(mine):
                    event = answer(channel)
                    answers.append(event)
                    count += len(event.ids) if isinstance(event, Ack) else 1

        threads = [threading.Thread(target=send, args=(part,)) for part in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    taken = {i for event in answers if isinstance(event, Ack) for i in event.ids}
    turned_away = {event.id for event in answers if isinstance(event, Busy)}
    assert waiting(store) == len(taken) == 50
    assert taken | turned_away == {scan.scan_id for scan, _ in scans}


def test_one_slow_measurement_shuts_no_door_for_long(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = store.capacity.count_to_do_by_pacs
    # The second one stalls, as while MongoDB is stopped. Thirty times as long passed unmeasured.
    stalls = [3.0, 0.0]

    def counting(at_most: int) -> dict[str, int]:
        time.sleep(stalls.pop() if stalls else 0)
        return count(at_most)

    monkeypatch.setattr(store.capacity, "count_to_do_by_pacs", counting)
    settings = hub_settings(hub_backlog=5)
    with running_hub(store, settings), sender(settings) as channel:
        until(lambda: not stalls)
        sent = 0
        while isinstance(send_scan(channel, *make_scan()), Ack):
            sent += 1
        assert sent == work_off(store, 10)
        until(lambda: isinstance(send_scan(channel, *make_scan()), Ack), within_s=20)


def test_of_a_large_scan_that_is_turned_away_nothing_is_stored(store: DBManager) -> None:
    make_claimable(store, 1)
    settings = hub_settings(hub_backlog=1)
    large = make_scan(voxels=bytes(10**6), shape=(1000, 1000))
    small = make_scan()
    with running_hub(store, settings), sender(settings) as channel:
        channel.send(*scan_messages(*large))
        event = answer(channel)
        assert isinstance(event, Busy)
        assert event.id == large[0].scan_id
        assert isinstance(send_scan(channel, *small), Busy)  # the chunks were passed over
        assert inside(store, Collection.CHUNKS).count_documents({}) == 0
        assert inside(store, Collection.UPLOADS).count_documents({}) == 0
        work_off(store, 1)
        until(lambda: isinstance(send_scan(channel, *large), Ack))


def test_a_scan_that_is_refused_or_cut_off_takes_no_room(store: DBManager) -> None:
    settings = hub_settings(hub_backlog=1, hub_window=1)
    large, (scan, voxels) = make_scan(voxels=bytes(10**6), shape=(1000, 1000)), make_scan()
    with running_hub(store, settings):
        with sender(settings) as channel:
            send_scan(channel, scan, bytes(len(voxels)))  # refused: another hash
        with sender(settings) as channel:
            channel.send(*list(scan_messages(*large))[:2])
            until(lambda: inside(store, Collection.UPLOADS).count_documents({}) == 1)
        until(lambda: inside(store, Collection.UPLOADS).count_documents({}) == 0)
        with sender(settings) as channel:

            def taken() -> bool:
                return isinstance(send_scan(channel, scan, voxels), Ack)

            until(taken)


@pytest.mark.long
def test_a_stream_through_a_tiny_backlog_pauses_and_then_arrives_whole(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measurements = Measurements(store, monkeypatch)
    settings = hub_settings(hub_backlog=10)
    ((_, (_, pacs_port)),) = settings.hub_pacs.items()
    ledger = tmp_path / "ledger"
    with running_hub(store, settings):
        pacs = start(
            "fr_pacs",
            tmp_path / "log",
            HUB_PORT=str(settings.hub_port),
            PACS_PORT=str(pacs_port),
            SCANS="60",
            KIND="grid",
            LEDGER=str(ledger),
        )
        try:
            until(lambda: waiting(store) == 10, 30)
            until(lambda: "Fr-HUB is busy" in (tmp_path / "log").read_text(), 30)
            measurements.wait()
            assert waiting(store) == 10
            assert pacs.poll() is None

            def all_done() -> bool:
                assert waiting(store) <= 10
                work_off(store, 5)
                return store.queries.count_states()[ReportGenerated.DONE] == 60

            until(all_done, 90)
            assert pacs.wait(30) == 0
        finally:
            pacs.kill()
            pacs.wait()
    verdict = verify(store, ledger)
    assert (verdict.acknowledged, verdict.sent, verdict.gaps) == (60, 60, 0)


# --- shares --------------------------------------------------------------------------------------


def two_pacs(**given: Any) -> HubSettings:
    known = {name: ("127.0.0.1", free_port()) for name in ("pacs-1", "pacs-2")}
    return hub_settings(hub_pacs=known, **given)


@pytest.fixture
def measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub measures when it starts and not again: while it does, it counts what comes twice."""
    monkeypatch.setattr("fr_hub.backpressure.MEASURE_S", 3600.0)
    monkeypatch.setattr("fr_hub.backpressure.LONGEST_PAUSE_S", 3600.0)


def sent(channel: Channel, count: int, **overrides: Any) -> list[Event]:
    """The answers to so many scans."""
    return [send_scan(channel, *make_scan(**overrides)) for _ in range(count)]


@pytest.mark.usefixtures("measured_once")
def test_one_fr_pacs_that_floods_the_hub_shuts_the_door_on_itself_alone(store: DBManager) -> None:
    settings = two_pacs(hub_backlog=40)
    with (
        running_hub(store, settings),
        sender(settings) as flooding,
        sender(settings, "pacs-2") as other,
    ):
        flood = sent(flooding, 40)
        assert [type(event) for event in flood] == [Ack] * 30 + [Busy] * 10
        assert [type(event) for event in sent(other, 10, pacs="pacs-2")] == [Ack] * 10
        assert isinstance(sent(other, 1, pacs="pacs-2")[0], Busy)  # it has its share
    with running_hub(store, settings), sender(settings, "pacs-2") as other:
        # As measured, too: with what waits the door stays as it was.
        assert isinstance(sent(other, 1, pacs="pacs-2")[0], Busy)
        assert store.queries.count_states()["To Do"] == 40


@pytest.mark.usefixtures("measured_once")
def test_an_urgent_scan_is_taken_at_a_full_backlog_within_a_reserve(store: DBManager) -> None:
    settings = hub_settings(hub_backlog=3)
    with running_hub(store, settings), sender(settings) as channel:
        assert [type(event) for event in sent(channel, 4)] == [Ack, Ack, Ack, Busy]
        for priority in (Priority.STAT, Priority.URGENT):
            assert isinstance(sent(channel, 1, priority=priority)[0], Ack)
        assert isinstance(sent(channel, 1, priority=Priority.BACKGROUND)[0], Busy)
        events = sent(channel, MIN_RESERVE, priority=Priority.STAT)
        assert [type(event) for event in events] == [Ack] * (MIN_RESERVE - 2) + [Busy] * 2
    with running_hub(store, settings), sender(settings) as channel:
        # As measured, too.
        assert isinstance(sent(channel, 1, priority=Priority.STAT)[0], Busy)


def test_reanalyses_shut_no_door_on_new_scans(store: DBManager) -> None:
    make_reports(store, 5)
    assert store.revisions.schedule_reanalysis([k for k, _ in store.queries.scan_states()], 1) == 5
    settings = hub_settings(hub_backlog=2)
    with running_hub(store, settings), sender(settings) as channel:
        assert [type(event) for event in sent(channel, 3)] == [Ack, Ack, Busy]


# --- a full disk ---------------------------------------------------------------------------------


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/bin/mount").exists(), reason="only root may mount a tmpfs"
)
@pytest.mark.parametrize("small_disk", [700], indirect=True)
def test_below_the_watermark_nothing_is_taken_until_there_is_room_again(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        own_mongod(small_disk) as mongod,
        opened(mongod.uri, "fr") as store,
        contextlib.nullcontext(Measurements(store, monkeypatch)) as measurements,
        running_hub(store, settings := hub_settings(hub_disk_free_mib=100)),
        sender(settings) as channel,
    ):
        first = make_scan()
        assert acked(send_scan(channel, *first)) == (first[0].scan_id,)
        filler = fill(small_disk, 60 * MIB)
        scan, voxels = make_scan()

        def turned_away() -> bool:
            scan, voxels = make_scan()
            return isinstance(send_scan(channel, scan, voxels), Busy)

        measurements.wait()
        assert turned_away()
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - 45 * MIB)  # 105: over it, not by a tenth
        measurements.wait()
        assert turned_away()
        filler.unlink()
        measurements.wait()
        assert isinstance(send_scan(channel, scan, voxels), Ack)
        assert store.queries.states_of([first[0].key])[first[0].key][0] == "To Do"
    said = capfd.readouterr().out
    assert said.count("accepting no scans for now") == said.count("accepting scans again") == 1
    assert "HUB_DISK_FREE_MIB" in said


def test_a_mongodb_that_does_not_say_how_full_its_disk_is_sets_no_watermark(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.capacity, "disk_free", lambda: None)
    settings = hub_settings(hub_disk_free_mib=10**9)
    with running_hub(store, settings), sender(settings) as channel:
        scan, voxels = make_scan()
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)


# --- the judgement -------------------------------------------------------------------------------


@pytest.mark.long
def test_while_mongodb_is_away_what_was_taken_still_counts() -> None:
    with tempfile.TemporaryDirectory(prefix="fr-") as name, contextlib.ExitStack() as stack:
        mongod = stack.enter_context(own_mongod(Path(name)))
        store = stack.enter_context(opened(mongod.uri, "fr", timeout_s=1))
        store.scans.add([NewScan(*make_scan()) for _ in range(3)])
        hub = stack.enter_context(hub_context(store, hub_settings(hub_backlog=6)))
        backpressure = Backpressure(hub.settings, hub.store, hub.log)
        asyncio.run(backpressure.measure())
        assert backpressure.admit("pacs-1")
        mongod.kill()
        with pytest.raises(StoreUnavailable):
            store.capacity.count_to_do(1)
        for _ in range(4):
            asyncio.run(backpressure.measure())
        assert [backpressure.admit("pacs-1") for _ in range(4)] == [True, True, False, False]


def test_who_is_turned_away_for_long_comes_again_later_but_not_too_late(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_context(store, hub_settings(hub_backlog=1)) as hub:
        backpressure = Backpressure(hub.settings, hub.store, hub.log)
        make_claimable(store, 1)
        asyncio.run(backpressure.measure())
    assert not backpressure.admit("pacs-1")
    began = backpressure._full_at["pacs-1"]
    told = []
    for lasted in (0, 2, 20, 4000):
        monkeypatch.setattr("fr_hub.backpressure.time.monotonic", lambda at=began + lasted: at)
        told.append(backpressure.retry_after_ms("pacs-1"))
    assert told == [1000, 1000, 5000, 15000]


def test_a_hub_that_closes_admits_nothing_and_waits_for_what_is_in_flight(
    store: DBManager,
) -> None:
    async def main() -> None:
        with hub_context(store) as hub:
            backpressure = Backpressure(hub.settings, hub.store, hub.log)
            assert backpressure.admit("pacs-1")
            assert backpressure.admit("pacs-1")
            backpressure.close()
            assert not backpressure.admit("pacs-1")
            assert backpressure.retry_after_ms("pacs-1") == 1000
            idle = asyncio.create_task(backpressure.wait_idle())
            backpressure.released("pacs-1")
            await asyncio.sleep(0)
            assert not idle.done()
            backpressure.withdrawn("pacs-1")
            async with asyncio.timeout(10):
                await idle

    asyncio.run(main())
