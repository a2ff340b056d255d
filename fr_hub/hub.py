"""Fr-HUB put together: one asyncio loop with the scan server, the report clients, housekeeping."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from common.audit.anchoring import ANCHOR_S
from common.audit.writer import AuditWriter
from common.domain.scan_key import pacs_of
from common.domain.types import HUB_NAME
from common.runtime.lifecycle import Stop
from common.runtime.logger import AvailabilityLog, Log
from common.settings.hub import HubSettings
from common.store.collections import Notification
from common.store.db_manager import DBManager
from common.store.notifications import NotificationListener
from common.store.presence import present
from common.store.unit_parts import HubStore, hub_parts
from common.wire.async_server import AsyncServer, serve
from common.wire.connection_policy import ConnectionPolicy
from common.wire.policy_from_settings import policy_from_settings, warn_of_dangers
from common.wire.protocol import Side
from fr_hub.async_store import AsyncStore
from fr_hub.backpressure import Backpressure
from fr_hub.client import ReportClient
from fr_hub.committer import Committer
from fr_hub.context import HubContext, memory_budget
from fr_hub.housekeeping import keep_house
from fr_hub.server import ScanServer

STORE_THREADS = 8
"""Concurrent calls of the store: two batches of scans, the chunks of some uploads, reports."""

_CLIENTS_STOP_S = 2.0
"""How long reports under way may take to be acknowledged when Fr-HUB stops."""


async def run_hub(settings: HubSettings, store: DBManager, stopping: Stop, log: Log) -> None:
    """Serve until asked to stop.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: a certificate or a key cannot be read.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    policy = policy_from_settings(settings, HUB_NAME)
    warn_of_dangers(settings, policy, log)

    def stop_soon() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: Fr-HUB has stopped already
            loop.call_soon_threadsafe(stop.set)

    stopping.on_stop(stop_soon)
    servers: list[ScanServer] = []

    def connected() -> frozenset[str]:
        return frozenset(pacs for server in servers for pacs in server.connected)

    with (
        present(store.units, store.connection.feed, HUB_NAME, connected),
        _context(settings, store, log) as (hub, parts),
    ):
        committer = Committer(hub.store, settings.hub_batch, log)
        backpressure = Backpressure(settings, hub.store, log)
        await backpressure.measure()  # before the first scan comes
        clients = {pacs: ReportClient(hub, pacs, policy) for pacs in settings.hub_pacs}
        server = ScanServer(
            hub, committer, backpressure, lambda pacs: clients[pacs].reconnect_now()
        )
        servers.append(server)
        listening = await _listen(settings, server, policy)
        log.info("receiving scans", host=settings.hub_host, port=settings.hub_port)
        sending = [asyncio.create_task(client.run()) for client in clients.values()]
        others = [
            asyncio.create_task(committer.run()),
            asyncio.create_task(backpressure.run()),
            asyncio.create_task(keep_house(hub)),
        ]
        with _waking(clients, parts, settings.hub_poll_s):
            try:
                await _first_end(stop, [*sending, *others])
            finally:
                # In this order: accept nothing new; make durable and acknowledge what was
                # received, so that it need not be sent again; let the reports under way be
                # acknowledged, and mark them.
                log.info("stopping")
                listening.close()
                await server.close(settings.hub_drain_s)
                for client in clients.values():
                    client.stop()
                await asyncio.wait(sending, timeout=min(_CLIENTS_STOP_S, settings.hub_drain_s))
                for task in (*sending, *others):
                    task.cancel()
                await asyncio.gather(*sending, *others, return_exceptions=True)


@contextlib.contextmanager
def _context(
    settings: HubSettings, store: DBManager, log: Log
) -> Iterator[tuple[HubContext, HubStore]]:
    audit = AuditWriter(
        store.audit_log, HUB_NAME, log, ANCHOR_S, durable_s=settings.mongodb_timeout_s
    )
    with (
        # Closed after the last call of the store, which may still record something.
        contextlib.closing(audit),
        ThreadPoolExecutor(STORE_THREADS, "store") as executor,
    ):
        parts = hub_parts(store.recorded_by(audit))
        async_store = AsyncStore(parts, executor, audit, AvailabilityLog(log, "MongoDB"))
        yield HubContext(settings, async_store, audit, log, memory_budget(settings)), parts


async def _listen(
    settings: HubSettings, server: ScanServer, policy: ConnectionPolicy
) -> AsyncServer:
    return await serve(
        (settings.hub_host, settings.hub_port),
        Side.SCAN_RECEIVER,
        settings.frame_limit_kib * 1024,
        settings.idle_timeout_s,
        server.handle,
        policy,
        server.refused,
    )


@contextlib.contextmanager
def _waking(clients: Mapping[str, ReportClient], parts: HubStore, poll_s: float) -> Iterator[None]:
    """Wake the clients when a report is written."""
    loop = asyncio.get_running_loop()

    def wake_clients(named: str | None) -> None:
        pacs = None if named is None else pacs_of(named)
        for name, client in clients.items():
            if pacs in (None, name):
                client.wake(named)

    def report_written(named: str | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(wake_clients, named)

    subscription = parts.subscribe(Notification.REPORT, poll_s)
    listener = NotificationListener(subscription, report_written, poll_s)
    try:
        yield
    finally:
        listener.close()


async def _first_end(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for ``stop``, or for the end of a task, whose exception is raised."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    for task in tasks:
        if task.done():
            task.result()
