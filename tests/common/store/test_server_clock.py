"""The server's time, whatever the clock of this host says."""

import datetime as clocks
import time
from datetime import UTC, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from common.domain import types
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.server_clock import REFRESH_S, ServerClock
from tests.factories import Commands, document_of, make_scan


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
