"""Fr-HUB put together, on a real MongoDB: scans in, reports out, on one loop."""

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tenacity import wait_fixed

from common.audit.verification import AuditVerifier
from common.errors import AlreadyRunning, SettingsError
from common.settings.base import IN_PLAIN
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from common.store.scans import Scans
from common.wire.blocking_connection import Channel
from common.wire.messages import Ack, Report, Scan
from fr_hub import hub
from fr_hub.client import ReportClient
from tests.factories import (
    LONG_AGO,
    chunks_of,
    inside,
    make_report,
    make_reports,
    make_scan,
    make_upload,
)
from tests.fr_hub.pushing import Reports, is_sent, next_report, next_reports
from tests.running import acked, free_port, hub_settings, running_hub, send_scan, sender, until


def analysed(store: DBManager) -> str:
    """Analyse the scan that is to do; its id."""
    [claim] = store.claims.claim("the test", 1, 30)
    store.claims.complete([(claim, make_report(claim.scan))])
    return claim.scan.scan_id


def test_a_scan_comes_in_and_its_report_goes_back_to_where_it_came_from(
    store: DBManager, pacs: Reports
) -> None:
    settings = pacs.settings()
    with running_hub(store, settings), contextlib.closing(pacs.accept()) as reports:
        scan, voxels = make_scan()
        with sender(settings) as channel:
            assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
        assert analysed(store) == scan.scan_id
        assert next_report(reports) == scan.scan_id
        reports.send(Ack((scan.scan_id,)))
        until(lambda: is_sent(store, scan.scan_id))


def test_a_new_report_leaves_at_once_however_seldom_the_hub_looks(
    store: DBManager, pacs: Reports
) -> None:
    with (
        running_hub(store, pacs.settings(hub_poll_s=60)),
        contextlib.closing(pacs.accept()) as channel,
    ):
        assert channel.receive(0.2) is None
        for _ in range(3):
            store.scans.add([NewScan(*make_scan())])
            began = time.monotonic()
            scan_id = analysed(store)
            assert next_report(channel) == scan_id
            assert time.monotonic() - began < 2
            channel.send(Ack((scan_id,)))


def test_a_new_report_wakes_only_the_client_of_its_fr_pacs(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    wake = ReportClient.wake

    def waking(self: ReportClient, named: str | None = None) -> None:
        woken.append(self._pacs)
        wake(self, named)

    monkeypatch.setattr(ReportClient, "wake", waking)
    addresses = {"pacs-1": pacs.address, "pacs-2": ("127.0.0.1", free_port())}
    with (
        running_hub(store, hub_settings(hub_pacs=addresses, hub_poll_s=60)),
        contextlib.closing(pacs.accept()) as channel,
    ):
        until(lambda: set(woken) == addresses.keys())  # earlier reports were not announced
        [report] = make_reports(store, 1)
        assert next_report(channel) == report.scan_id
        make_reports(store, 2)
        assert len(next_reports(channel, 2)) == 2
    assert sorted(woken[2:]) == ["pacs-1", "pacs-1", "pacs-2"]


def test_a_pacs_that_sends_scans_is_connected_to_at_once(
    store: DBManager, pacs: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "common.runtime.retry.wait_random_exponential", lambda **_: wait_fixed(3600)
    )
    settings = pacs.settings()
    with running_hub(store, settings):
        pacs.turn_away()
        with sender(settings):
            pacs.accept().close()


def test_two_hubs_on_one_store_send_each_report_once(store: DBManager, pacs: Reports) -> None:
    came: dict[int, list[str]] = {0: [], 1: []}

    def take(number: int, channel: Channel) -> None:
        while len(came[0]) + len(came[1]) < 200:
            event = channel.receive(0.1)
            if isinstance(event, Report):
                came[number].append(event.report.scan_id)
                channel.send(Ack((event.report.scan_id,)))

    with (
        running_hub(store, pacs.settings(hub_batch=10)),
        running_hub(store, pacs.settings(hub_batch=10)),
        contextlib.closing(pacs.accept(window=10)) as one,
        contextlib.closing(pacs.accept(window=10)) as two,
    ):
        takers = [
            threading.Thread(target=take, args=(number, channel))
            for number, channel in enumerate((one, two))
        ]
        for taker in takers:
            taker.start()
        wanted = {report.scan_id for _ in range(4) for report in make_reports(store, 50)}
        for taker in takers:
            taker.join(30)
        until(lambda: store.queries.count_reports()[True] == 200)
    assert sorted(came[0] + came[1]) == sorted(wanted)


def test_a_report_that_one_hub_could_not_deliver_is_delivered_by_another(
    store: DBManager, pacs: Reports
) -> None:
    [report] = make_reports(store, 1)
    with running_hub(store, pacs.settings()) as stop:
        with contextlib.closing(pacs.accept()) as channel:
            assert next_report(channel) == report.scan_id
        stop.request_stop()
    with running_hub(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        assert next_reports(channel, 1) == {report.scan_id}


def test_voxels_of_uploads_that_were_cut_long_ago_are_swept_at_the_start(
    store: DBManager,
) -> None:
    cut, _ = make_upload(store)
    recent, _ = make_upload(store)
    uploads = inside(store, Collection.UPLOADS)
    uploads.update_one({"_id": cut.blob}, {"$set": {"started_at": LONG_AGO}})
    with running_hub(store, hub_settings()):
        until(lambda: chunks_of(store, cut.blob) == 0)
        until(lambda: uploads.count_documents({"_id": cut.blob}) == 0)
    assert chunks_of(store, recent.blob) == 3  # it may still be going on


def test_an_address_of_another_machine_is_refused(store: DBManager) -> None:
    settings = hub_settings(hub_host="192.0.2.1", insecure_plaintext_network=IN_PLAIN)
    with (
        pytest.raises(SettingsError, match=r"^cannot listen on 192\.0\.2\.1:"),
        running_hub(store, settings),
    ):
        pass


def test_stopping_an_idle_hub_is_quick(store: DBManager, pacs: Reports) -> None:
    settings = pacs.settings(hub_poll_s=60, hub_drain_s=30)
    with running_hub(store, settings) as stop, contextlib.closing(pacs.accept()):
        began = time.monotonic()
        stop.request_stop()
    assert time.monotonic() - began < 5  # the end of the with has waited for it


def test_a_hub_that_is_stopped_can_be_started_again_on_its_port(store: DBManager) -> None:
    settings = hub_settings(hub_port=free_port())
    for _ in range(2):
        with running_hub(store, settings), sender(settings) as channel:
            scan, voxels = make_scan()
            assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)


def test_a_port_in_use_is_an_error(store: DBManager) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = hub_settings(hub_port=taken.getsockname()[1])
        with pytest.raises(AlreadyRunning, match="is in use"), running_hub(store, settings):
            pass


def test_what_is_still_stored_when_the_time_to_stop_is_over_is_recorded_before_the_trail_ends(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a stall of MongoDB. A trail that ended before would seem to lack the scan."""
    add, at_work, gate = Scans.add, threading.Event(), threading.Event()

    def slow(self: Scans, new: Sequence[NewScan]) -> list[Added]:
        at_work.set()
        assert gate.wait(30)
        return add(self, new)

    class Executor(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            gate.set()
            super().shutdown(wait, cancel_futures=cancel_futures)

    monkeypatch.setattr(Scans, "add", slow)
    monkeypatch.setattr(hub, "ThreadPoolExecutor", Executor)
    settings = hub_settings(hub_drain_s=0.1)
    scan, voxels = make_scan()
    with running_hub(store, settings), sender(settings) as channel:
        channel.send(Scan(scan, voxels))
        assert at_work.wait(30)
    verdict = AuditVerifier(store).run()
    assert dict(store.queries.scan_states()) == {scan.key: "To Do"}
    assert (verdict.total, verdict.events.get("receive")) == (0, 1)
    assert verdict.open_chains == 0
