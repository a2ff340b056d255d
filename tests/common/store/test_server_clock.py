"""The server's time, whatever the clock of this host says."""

import contextlib
import datetime as clocks
import time
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

from common.domain import types
from common.store import server_clock
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.server_clock import REFRESH_S, TOLERANCE_S, ServerClock
from tests.factories import Commands, document_of, make_reports, make_scan
from tests.faults.proxy import Loop, Proxy, Weather


class TwoHoursAhead(clocks.datetime):
    """The clock of a host that is wrong."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return clocks.datetime.now(tz) + timedelta(hours=2)


def server_time(store: DBManager) -> clocks.datetime:
    local: clocks.datetime = store.connection.database.command("hello")["localTime"]
    return local.replace(tzinfo=UTC)


def test_a_scan_is_received_by_the_servers_clock_not_the_hosts(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = NewScan(*make_scan())
    monkeypatch.setattr(types, "datetime", TwoHoursAhead)
    before = server_time(store)
    store.scans.add([new])
    after = server_time(store)
    received = document_of(store, new.scan.key)["received_at"]
    margin = timedelta(seconds=(after - before).total_seconds() + 0.01)
    assert before - margin <= received <= after + margin


def test_the_clock_is_read_once_in_a_while_and_carried_on_between(
    mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Commands()
    client: MongoClient[Any] = MongoClient(mongodb_uri, event_listeners=[seen], tz_aware=True)
    with client:
        clock = ServerClock(client["admin"])
        first = clock.now()
        time.sleep(0.02)
        assert clock.now() - first >= timedelta(seconds=0.019)
        assert [command["name"] for command in seen.seen] == ["hello"]
        monotonic = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 2 * REFRESH_S)
        clock.now()
        assert [command["name"] for command in seen.seen] == ["hello", "hello"]


def off_by(clock: ServerClock, seconds: float) -> None:
    """As if the server's clock had been set, or a primary with another clock elected, since the
    clock was read."""
    clock.now()
    assert clock._read is not None
    at, then = clock._read
    clock._read = at, then + timedelta(seconds=seconds)


def ends_in(store: DBManager, key: str) -> float:
    """Seconds until the lease of a report ends."""
    ends = document_of(store, key, Collection.REPORTS)["next_try_at"]
    left: timedelta = ends - server_time(store)
    return left.total_seconds()


@pytest.fixture
def slow(mongodb_uri: str) -> Iterator[Proxy]:
    """A slow way to MongoDB."""
    (place, port), *_ = parse_uri(mongodb_uri)["nodelist"]
    loop = Loop()
    proxy = Proxy(loop, port or place)
    proxy.weather = Weather(delay_s=0.05)
    try:
        yield proxy
    finally:
        proxy.close()
        loop.close()


BEYOND = [-7200, -TOLERANCE_S - 1, TOLERANCE_S + 1, 7200]


@pytest.mark.parametrize("seconds", BEYOND)
def test_a_condition_on_the_clock_is_checked_by_the_server(
    store: DBManager, seconds: float
) -> None:
    make_reports(store, 1)
    clock, reports = store.connection.clock, store.connection.reports
    assert reports.count_documents(clock.still(clock.now())) == 1
    off_by(clock, seconds)
    assert reports.count_documents(clock.still(clock.now())) == 0
    clock.forget()
    assert reports.count_documents(clock.still(clock.now())) == 1


@pytest.mark.parametrize("seconds", BEYOND)
def test_a_lease_does_not_end_by_a_clock_that_was_read_before_it_was_set(
    store: DBManager, seconds: float
) -> None:
    [report] = make_reports(store, 1)
    off_by(store.connection.clock, seconds)
    [out] = store.outbox.lease("pacs-1", 1, 60)
    assert (out.key, out.tries) == (report.key, 1)
    assert ends_in(store, report.key) == pytest.approx(60, abs=TOLERANCE_S)


def test_a_process_that_stands_still_before_it_leases_does_not_lease_for_the_past(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    [report] = make_reports(store, 1)
    clock = store.connection.clock
    then = clock.now() - timedelta(seconds=50)
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: then)
        [out] = store.outbox.lease("pacs-1", 1, 60)
    assert (out.key, out.tries) == (report.key, 1)
    assert ends_in(store, out.key) == pytest.approx(60, abs=TOLERANCE_S)


def test_reports_are_leased_by_the_servers_clock_while_mongodb_is_slow(
    store: DBManager, slow: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = make_reports(store, 3)
    monkeypatch.setattr(server_clock, "TOLERANCE_S", 0.02)  # less than any command takes
    uri = f"mongodb://127.0.0.1:{slow.port}/?directConnection=true"
    with contextlib.closing(DBManager(uri, store.connection.name)) as through:
        out = list(through.outbox.lease("pacs-1", 5, 60))
        assert {(one.key, one.tries) for one in out} == {(one.key, 1) for one in reports}
        assert list(through.outbox.lease("pacs-1", 5, 60)) == []  # they are leased
    for report in reports:
        assert ends_in(store, report.key) == pytest.approx(60, abs=TOLERANCE_S)


def test_a_clock_that_was_read_slowly_is_read_again(
    mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Commands()
    client: MongoClient[Any] = MongoClient(mongodb_uri, event_listeners=[seen], tz_aware=True)
    with client:
        clock = ServerClock(client["admin"])
        with monkeypatch.context() as patched:
            patched.setattr(server_clock, "TOLERANCE_S", -1.0)  # less than any command takes
            clock.now()
        clock.now()
        clock.now()
        clock.now()
        assert [command["name"] for command in seen.seen] == ["hello", "hello"]
