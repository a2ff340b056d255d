"""Fr-HUB put together: one asyncio loop with the server, the clients and the store's bell."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

from common.audit.writer import ANCHOR_S, AuditWriter
from common.domain.types import HUB_NAME
from common.errors import StoreError
from common.runtime.lifecycle import Stop
from common.runtime.logger import AvailabilityLog, Log
from common.settings.loading import HubSettings
from common.store.collections import Notification
from common.store.db_manager import DBManager
from common.store.notifications import NotificationListener
from common.wire.async_server import serve
from common.wire.policy_from_settings import policy_from_settings, warn_of_dangers
from common.wire.protocol import Side
from fr_hub.backpressure import Pressure
from fr_hub.client import ReportClient
from fr_hub.committer import Committer
from fr_hub.server import ScanServer

STORE_THREADS = 8
"""Database calls at once: two batches of scans, the chunks of some uploads, reports."""

SWEEP_EVERY_S = 600.0
RETAIN_EVERY_S = 3600.0


async def run_hub(settings: HubSettings, store: DBManager, stopping: Stop, log: Log) -> None:
    """Serve until it is time to stop.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: a certificate or a key cannot be read.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    policy = policy_from_settings(settings, HUB_NAME)
    warn_of_dangers(settings, policy, log)

    def stop_soon() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: it stopped by itself
            loop.call_soon_threadsafe(stop.set)

    stopping.on_stop(stop_soon)
    availability = AvailabilityLog(log, "MongoDB")
    with (
        ThreadPoolExecutor(STORE_THREADS, "store") as executor,
        # Closed when nothing is acknowledged any more, and before the store is.
        contextlib.closing(
            AuditWriter(
                store.audit_log, HUB_NAME, log, ANCHOR_S, durable_s=settings.mongodb_timeout_s
            )
        ) as audit,
    ):
        store = store.recorded_by(audit)
        committer = Committer(store, executor, availability, audit, settings.hub_batch)
        pressure = Pressure(settings, store, executor, log)
        await pressure.look()  # before the first scan comes
        by_name = {
            pacs: ReportClient(
                settings, pacs, address, store, executor, availability, audit, log, policy
            )
            for pacs, address in settings.hub_pacs.items()
        }
        clients = list(by_name.values())
        server = ScanServer(
            settings,
            store,
            executor,
            committer,
            availability,
            audit,
            pressure,
            log,
            lambda pacs: by_name[pacs].seen(),
        )

        def wake_clients() -> None:
            for client in clients:
                client.wake()

        def report_written() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(wake_clients)

        listening = await serve(
            (settings.hub_host, settings.hub_port),
            Side.SCAN_RECEIVER,
            settings.frame_limit_kib * 1024,
            settings.idle_timeout_s,
            server.handle,
            policy,
            server.refused,
        )
        log.info("receiving scans", host=settings.hub_host, port=settings.hub_port)
        sending = [asyncio.create_task(client.run()) for client in clients]
        others = [
            asyncio.create_task(committer.run()),
            asyncio.create_task(pressure.run()),
            asyncio.create_task(_retain(settings, store, executor, availability, log)),
            asyncio.create_task(_sweep(store, executor, availability, log)),
        ]
        subscription = store.connection.subscribe(Notification.REPORT, settings.hub_poll_s)
        listener = NotificationListener(subscription, report_written, settings.hub_poll_s)
        try:
            await _first_end(stop, [*sending, *others])
        finally:
            # In this order: take nothing new; make durable and acknowledge what was received, so
            # that it need not be sent again; let reports under way arrive and be marked.
            log.info("stopping")
            listening.close()
            await server.close(settings.hub_drain_s)
            for client in clients:
                client.stop()
            await asyncio.wait(sending, timeout=min(2.0, settings.hub_drain_s))
            for task in (*sending, *others):
                task.cancel()
            await asyncio.gather(*sending, *others, return_exceptions=True)
            listener.close()


async def _retain(
    settings: HubSettings,
    store: DBManager,
    executor: ThreadPoolExecutor,
    availability: AvailabilityLog,
    log: Log,
) -> None:
    """Have go what was delivered long ago, each hour; never, unless the settings say so twice."""
    days, include_report = settings.retention_days, settings.retention_what == "all"
    loop = asyncio.get_running_loop()
    while settings.retention_timer and days is not None:
        gone = 0
        try:
            pages = store.retention.purge(days, include_report=include_report)
            while page := await loop.run_in_executor(executor, next, pages, None):
                gone += len(page.scan_ids)
        except StoreError as error:
            availability.unavailable(error)
        if gone:
            log.info("retention", scans=gone, what=settings.retention_what, days=days)
        await asyncio.sleep(RETAIN_EVERY_S)
    await asyncio.Event().wait()  # a task that ends would end the hub


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


async def _sweep(
    store: DBManager, executor: ThreadPoolExecutor, availability: AvailabilityLog, log: Log
) -> None:
    """Delete what cut uploads left behind and settle late reports, now and then."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            swept = await loop.run_in_executor(executor, store.uploads.sweep)
            settled = await loop.run_in_executor(executor, store.reconciliation.reconcile_failed)
        except StoreError as error:
            availability.unavailable(error)
        else:
            if swept:
                log.info("swept voxels of cut uploads", uploads=swept)
            if settled:
                log.info("scans set aside have a report: 'Done'", scans=len(settled))
        await asyncio.sleep(SWEEP_EVERY_S)
