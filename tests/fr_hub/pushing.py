"""Fr-HUB's client in a loop of its own, and the report server of a Fr-PACS played by hand."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from common.domain.scan_key import scan_key
from common.settings.hub import HubSettings
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.wire.blocking_connection import Channel
from common.wire.constants import FEATURES
from common.wire.messages import Report
from common.wire.protocol import Side
from fr_hub.client import ReportClient
from tests.factories import document_of
from tests.fr_hub.stores import hub_context
from tests.running import FRAME, POLICY, SOON_S, answer, hub_settings


class Reports:
    """The report server of a Fr-PACS: it answers only what a test tells it to."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(SOON_S)
        self.address: tuple[str, int] = self._server.getsockname()

    def accept(
        self, name: str = "pacs-1", window: int = 100, features: tuple[str, ...] = FEATURES
    ) -> Channel:
        """The next connection, greeted."""
        connection, _ = self._server.accept()
        policy = replace(POLICY, features=features)
        channel = Channel(connection, Side.REPORT_RECEIVER, FRAME, 60, policy)
        assert channel.welcome(name, window).name == "fr-hub"
        return channel

    def turn_away(self) -> None:
        """Close the next connection without a word."""
        self._server.accept()[0].close()

    def settings(self, **given: Any) -> HubSettings:
        """Settings of a hub that knows it."""
        return hub_settings(hub_pacs={"pacs-1": self.address}, **given)

    def __enter__(self) -> "Reports":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()


def next_report(channel: Channel) -> str:
    """The scan's id of the report that comes next."""
    event = answer(channel)
    assert isinstance(event, Report), event
    return event.report.scan_id


def next_reports(channel: Channel, count: int) -> set[str]:
    """The ids of the reports that come next."""
    return {next_report(channel) for _ in range(count)}


def is_sent(store: DBManager, scan_id: str, pacs: str = "pacs-1") -> bool:
    """Whether the report of this Fr-PACS' scan was delivered."""
    return bool(document_of(store, scan_key(scan_id, pacs), Collection.REPORTS)["status"])


def due_at(store: DBManager, scan_id: str, pacs: str = "pacs-1") -> datetime:
    """When a report may be sent again."""
    at: datetime = document_of(store, scan_key(scan_id, pacs), Collection.REPORTS)["next_try_at"]
    return at


class Pushing:
    """A client at work; what it raises is raised at the end."""

    def __init__(self, store: DBManager, settings: HubSettings, pacs: str) -> None:
        self._failed: list[BaseException] = []
        self._loop = asyncio.new_event_loop()
        self._resources = contextlib.ExitStack()
        hub = self._resources.enter_context(hub_context(store, settings))
        self._client = ReportClient(hub, pacs, POLICY)
        self._running = self._loop.create_task(self._client.run())
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._running)
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - told at the end
            self._failed.append(error)

    def stop(self) -> None:
        """Ask it to stop when what is under way is answered."""
        self._call(self._client.stop)

    def wake(self, *named: str) -> None:
        """Tell it that there may be a report, or that there are these, one after the other."""

        def wake() -> None:
            for one in named or (None,):
                self._client.wake(one)

        self._call(wake)

    def _call(self, call: Any) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(call)

    def ended(self, within_s: float = SOON_S) -> bool:
        """Whether it comes to its end."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def close(self) -> None:
        """End it at once, as a hub does whose time to stop is over."""
        self.stop()
        self._call(self._running.cancel)
        assert self.ended()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        self._resources.close()
        if self._failed:
            raise self._failed[0]


@contextlib.contextmanager
def pushing(store: DBManager, settings: HubSettings, pacs: str = "pacs-1") -> Iterator[Pushing]:
    """A client that sends the reports of this Fr-PACS."""
    client = Pushing(store, settings, pacs)
    try:
        yield client
    finally:
        client.close()
