"""Fr-HUB's client: pushes each report to the Fr-PACS that its scan came from.

One ``ReportClient`` for each Fr-PACS that the settings name. A report is an outbox entry: leased,
sent, acknowledged, marked; what is not acknowledged is due again later, never dropped.
"""

import asyncio
import contextlib
from concurrent.futures import Executor

from common.audit.writer import AuditWriter
from common.domain.types import HUB_NAME
from common.errors import PeerAway, ProtocolError, StoreError
from common.runtime.logger import AvailabilityLog, Log, RateLimitedLog
from common.runtime.retry import async_retrying
from common.settings.loading import Address, HubSettings
from common.store.db_manager import DBManager
from common.store.documents import OutgoingReport
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import connect
from common.wire.connection_policy import PLAIN, ConnectionPolicy
from common.wire.messages import Ack, Forwarded, InvalidMessage, Nack, Welcome
from common.wire.protocol import Side
from fr_hub.committer import patiently

LEASE_S = 10.0
"""A report sent and not acknowledged within this time is due again: what a killed Fr-HUB had under
way waits so long. Sent twice, it is dropped by Fr-PACS."""

REFUSED_DELAY_S = 60.0
"""A report that Fr-PACS refused is sent again after this time: it may be a newer one by then."""

PATIENCE_S = 30.0
"""Reports wait in the store, so a Fr-PACS that is restarted within this time is no warning."""

_CONNECT_S = 5.0


class ReportClient:
    """Sends the reports of one Fr-PACS."""

    def __init__(
        self,
        settings: HubSettings,
        pacs: str,
        address: Address,
        store: DBManager,
        executor: Executor,
        availability: AvailabilityLog,
        audit: AuditWriter,
        log: Log,
        policy: ConnectionPolicy = PLAIN,
    ) -> None:
        self._policy = policy
        self._settings = settings
        self._audit = audit
        self._pacs = pacs
        self._address = address
        self._store = store
        self._executor = executor
        self._store_availability = availability
        self._log = log
        self._limited_log = RateLimitedLog(log)
        self._peer = AvailabilityLog(
            log, f"{pacs}'s report server", patience_s=PATIENCE_S, announce=True
        )
        self._wake = asyncio.Event()
        self._seen = asyncio.Event()
        self._stopping = False
        self._connecting: asyncio.Task[tuple[AsyncChannel, Welcome]] | None = None
        # Of the current connection:
        self._unanswered: dict[str, int] = {}  # revision of the report of each scan
        self._acknowledged: list[str] = []
        self._full = False  # the window was, at the last look
        self._to_mark = asyncio.Event()
        self._leasing: asyncio.Future[list[OutgoingReport]] | None = None

    def wake(self) -> None:
        """There may be a report to send."""
        self._wake.set()

    def seen(self) -> None:
        """Its scans come in: it is there, so a pause before the next try to connect ends."""
        self._seen.set()

    def stop(self) -> None:
        """Send no more; ``run`` ends when what was sent is answered and marked."""
        self._stopping = True
        self._wake.set()
        if self._connecting is not None:
            self._connecting.cancel()

    async def run(self) -> None:
        """Send until cancelled or stopped, connecting again and again."""
        while not self._stopping:
            self._connecting = asyncio.create_task(self._connect())
            try:
                channel, welcome = await self._connecting
            except asyncio.CancelledError:
                self._connecting.cancel()
                if self._stopping:
                    return
                raise
            try:
                await self._converse(channel, welcome.window)
            except* (PeerAway, ProtocolError) as group:
                self._peer.unavailable(group.exceptions[0])
            except* StoreError as group:
                self._log.error("reports cannot be sent", reason=str(group.exceptions[0]))
            finally:
                await channel.close()
            with contextlib.suppress(StoreError):
                await self._settle()
            await asyncio.sleep(0.1)  # a peer that greets and closes must not keep us spinning

    async def _connect(self) -> tuple[AsyncChannel, Welcome]:
        async for attempt in async_retrying(
            (PeerAway, ProtocolError), self._peer.unavailable, sleep=self._pause
        ):
            with attempt:
                settings = self._settings
                channel = await connect(
                    self._address,
                    Side.REPORT_SENDER,
                    settings.frame_limit_kib * 1024,
                    settings.idle_timeout_s,
                    _CONNECT_S,
                    self._policy,
                )
                try:
                    welcome = await channel.greet(HUB_NAME)
                except BaseException:
                    channel.abort()
                    raise
                if welcome.name != self._pacs:
                    channel.abort()
                    raise PeerAway(f"{welcome.name!r} answers there: check HUB_PACS and PACS_NAME")
        self._peer.available()
        host, port = self._address
        self._audit.connected(self._pacs, "takes reports", address=f"{host}:{port}")
        return channel, welcome

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._seen.wait()
                self._seen.clear()  # afterwards: it may have come while the last try was failing

    async def _converse(self, channel: AsyncChannel, window: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(channel))
            marking = tasks.create_task(self._mark())
            await self._send(channel, window)
            # Stopped: what is under way may still arrive.
            while self._unanswered or self._acknowledged:
                self._wake.clear()
                await self._wake.wait()
            reading.cancel()
            marking.cancel()

    async def _send(self, channel: AsyncChannel, window: int) -> None:
        while not self._stopping:
            self._wake.clear()
            room = min(self._settings.hub_batch, window - len(self._unanswered))
            self._full = room <= 0
            found = [] if self._full else await self._lease(room)
            if found:
                # An acknowledgement names the scan: of its report's revisions one is under way
                # at a time. Another is due again when its lease is past.
                sending = [r for r in found if r.scan_id not in self._unanswered]
                self._unanswered.update({r.scan_id: r.revision for r in sending})
                plain = (Forwarded(r.content) for r in sending if r.picture_hash is None)
                await channel.send(*plain)
                for report in sending:
                    # One at a time: a thousand pictures would be 300 MB.
                    if report.picture_hash is not None:
                        await channel.send(Forwarded(report.content, await self._picture(report)))
                if len(found) == room:
                    continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.hub_poll_s):
                    await self._wake.wait()

    async def _lease(self, room: int) -> list[OutgoingReport]:
        loop = asyncio.get_running_loop()
        lease = self._store.outbox.lease
        async for attempt in patiently(self._store_availability):
            with attempt:
                self._leasing = loop.run_in_executor(
                    self._executor, lease, self._pacs, room, LEASE_S
                )
                # Shielded: when the connection is lost meanwhile, the call goes on in its thread,
                # and ``_settle`` has to give back what it leases.
                found = await asyncio.shield(self._leasing)
        self._leasing = None
        self._store_availability.available()
        return found

    async def _picture(self, report: OutgoingReport) -> bytes | None:
        loop = asyncio.get_running_loop()
        async for attempt in patiently(self._store_availability):
            with attempt:
                fetch, name = self._store.pictures.get, report.picture_hash or ""
                picture = await loop.run_in_executor(self._executor, fetch, report.scan_id, name)
        return picture

    async def _read(self, channel: AsyncChannel) -> None:
        while True:
            match await channel.receive():
                case Ack(ids):
                    # Of what was sent to it: no other Fr-PACS' reports are its to acknowledge.
                    self._acknowledged.extend(i for i in ids if i in self._unanswered)
                    self._to_mark.set()
                case Nack(id=scan_id, code=code, reason=reason):
                    if scan_id is None:
                        raise ProtocolError(code, reason)
                    self._limited_log.warning(
                        "report refused", scan_id=scan_id, pacs=self._pacs, code=code, reason=reason
                    )
                    if scan_id in self._unanswered:
                        self._audit.refused(self._pacs, f"report: {code}", reason, [scan_id])
                        await self._postpone([scan_id], REFUSED_DELAY_S)
                        self._answered([scan_id])
                case InvalidMessage():  # answers have no flaws of their own
                    continue

    async def _mark(self) -> None:
        """Mark what was acknowledged, all that came since the last time at once."""
        while True:
            await self._to_mark.wait()
            self._to_mark.clear()
            ids = list(self._acknowledged)
            if ids:
                async for attempt in patiently(self._store_availability):
                    with attempt:
                        await self._mark_sent({i: r for i in ids if (r := self._unanswered.get(i))})
                self._limited_log.debug_each("report delivered", ids, pacs=self._pacs)
                del self._acknowledged[: len(ids)]
                self._answered(ids)

    def _answered(self, scan_ids: list[str]) -> None:
        for scan_id in scan_ids:
            self._unanswered.pop(scan_id, None)
        if self._full or self._stopping:  # else room in the window is nothing new
            self._wake.set()

    async def _settle(self) -> None:
        """The connection is gone: mark what was acknowledged, have the rest due again at once."""
        leasing, self._leasing = self._leasing, None
        if leasing is not None:
            with contextlib.suppress(StoreError):  # then it leased nothing that is known
                for late in await leasing:
                    self._unanswered.setdefault(late.scan_id, late.revision)
        sent, self._unanswered = self._unanswered, {}
        acknowledged, self._acknowledged = set(self._acknowledged) & sent.keys(), []
        if acknowledged:
            await self._mark_sent({i: sent[i] for i in acknowledged})
        if unanswered := sent.keys() - acknowledged:
            await self._postpone(list(unanswered), 0)

    async def _mark_sent(self, revisions: dict[str, int]) -> None:
        loop = asyncio.get_running_loop()
        for revision in set(revisions.values()):
            ids = [scan_id for scan_id, its in revisions.items() if its == revision]
            await loop.run_in_executor(
                self._executor, self._store.outbox.mark_sent, ids, revision, self._pacs
            )

    async def _postpone(self, scan_ids: list[str], delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._store.outbox.postpone, scan_ids, delay_s)
