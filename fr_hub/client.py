"""Fr-HUB's client: pushes each report to the Fr-PACS that its scan came from.

There is one ``ReportClient`` for each Fr-PACS in the settings. A report is an outbox entry: leased,
sent, acknowledged, marked as sent. One that is not acknowledged becomes due again; none is dropped.
"""

import asyncio
import contextlib

from common.domain.scan_key import scan_key
from common.domain.types import HUB_NAME
from common.errors import PeerAway, ProtocolError, StoreError
from common.runtime.logger import AvailabilityLog, RateLimitedLog
from common.runtime.retry import async_retrying
from common.store.documents import OutgoingReport
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import connect
from common.wire.connection_policy import ConnectionPolicy
from common.wire.messages import Ack, Forwarded, InvalidMessage, Nack, Welcome
from common.wire.protocol import Side
from fr_hub.async_store import Leasing
from fr_hub.context import HubContext

LEASE_S = 10.0
"""A report that is not acknowledged within this time is due again. After a kill, the reports that
were under way wait this long. Fr-PACS drops a report that it receives twice."""

REFUSED_DELAY_S = 60.0
"""A report that Fr-PACS refused is sent again after this time: a newer revision may exist then."""

PATIENCE_S = 30.0
"""Reports wait in the store, so a Fr-PACS that is restarted within this time is no warning."""

_CONNECT_S = 5.0
_RECONNECT_S = 0.1
"""The pause between two connections: a peer that accepts and closes must not cause a busy loop."""


class ReportClient:
    """Sends the reports of one Fr-PACS.

    Args:
        hub: the hub.
        pacs: the name of the Fr-PACS, one of ``HUB_PACS``.
        policy: authentication and limits of the connection.
    """

    def __init__(self, hub: HubContext, pacs: str, policy: ConnectionPolicy) -> None:
        self._settings = hub.settings
        self._store = hub.store
        self._audit = hub.audit
        self._log = hub.log
        self._pacs = pacs
        self._address = hub.settings.hub_pacs[pacs]
        self._policy = policy
        self._limited_log = RateLimitedLog(hub.log)
        self._peer = AvailabilityLog(
            hub.log, f"{pacs}'s report server", patience_s=PATIENCE_S, announce=True
        )
        self._wake = asyncio.Event()
        self._reconnect = asyncio.Event()
        self._stopping = False
        self._connecting: asyncio.Task[tuple[AsyncChannel, Welcome]] | None = None
        # Of the current connection:
        self._unanswered: dict[str, int] = {}  # key of the scan to the revision of its report
        self._acknowledged: list[str] = []  # and not marked yet
        self._window_full = False  # when reports were last leased
        self._to_mark = asyncio.Event()
        self._leasing: Leasing | None = None

    def wake(self) -> None:
        """Look for reports now: there may be a new one."""
        self._wake.set()

    def reconnect_now(self) -> None:
        """End a pause before the next attempt to connect: the Fr-PACS sends scans, so it runs."""
        self._reconnect.set()

    def stop(self) -> None:
        """Send nothing more; ``run`` ends when all sent reports are answered and marked."""
        self._stopping = True
        self._wake.set()
        if self._connecting is not None:
            self._connecting.cancel()

    async def run(self) -> None:
        """Send until cancelled or stopped; reconnect when the connection is lost."""
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
                await self._use(channel, welcome.window)
            except* (PeerAway, ProtocolError) as group:
                self._peer.unavailable(group.exceptions[0])
            except* StoreError as group:
                self._log.error("reports cannot be sent", reason=str(group.exceptions[0]))
            finally:
                await channel.close()
            with contextlib.suppress(StoreError):  # their leases end
                await self._release_leases()
            await asyncio.sleep(_RECONNECT_S)

    # --- the connection ------------------------------------------------------------------------

    async def _connect(self) -> tuple[AsyncChannel, Welcome]:
        async for attempt in async_retrying(
            (PeerAway, ProtocolError), self._peer.unavailable, sleep=self._pause
        ):
            with attempt:
                channel, welcome = await self._try_to_connect()
        self._peer.available()
        host, port = self._address
        self._audit.connected(self._pacs, "takes reports", address=f"{host}:{port}")
        return channel, welcome

    async def _try_to_connect(self) -> tuple[AsyncChannel, Welcome]:
        channel = await connect(
            self._address,
            Side.REPORT_SENDER,
            self._settings.frame_limit_kib * 1024,
            self._settings.idle_timeout_s,
            _CONNECT_S,
            self._policy,
        )
        try:
            return channel, await channel.greet(HUB_NAME, self._pacs)
        except BaseException:
            channel.abort()
            raise

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._reconnect.wait()
                # Not before the wait: it may have been set while the last attempt was failing.
                self._reconnect.clear()

    async def _use(self, channel: AsyncChannel, window: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            receiving = tasks.create_task(self._receive_answers(channel))
            marking = tasks.create_task(self._mark_acknowledged())
            await self._send_reports(channel, window)
            # Stopped: reports under way may still be acknowledged.
            while self._unanswered or self._acknowledged:
                self._wake.clear()
                await self._wake.wait()
            receiving.cancel()
            marking.cancel()

    # --- sending -------------------------------------------------------------------------------

    async def _send_reports(self, channel: AsyncChannel, window: int) -> None:
        while not self._stopping:
            self._wake.clear()
            free = min(self._settings.hub_batch, window - len(self._unanswered))
            self._window_full = free <= 0
            leased = [] if self._window_full else await self._lease(free)
            if leased:
                await self._send(channel, leased)
                if len(leased) == free:
                    continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.hub_poll_s):
                    await self._wake.wait()

    async def _lease(self, limit: int) -> list[OutgoingReport]:
        def calling(call: Leasing) -> None:
            # Remembered, for ``_release_leases``: the call outlives a lost connection.
            self._leasing = call

        leased = await self._store.lease_reports(self._pacs, limit, LEASE_S, calling)
        self._leasing = None
        return leased

    async def _send(self, channel: AsyncChannel, leased: list[OutgoingReport]) -> None:
        # An acknowledgement names only the scan, so one revision of its report is under way at a
        # time. Another one is due again when its lease ends.
        reports = [r for r in leased if r.key not in self._unanswered]
        self._unanswered.update({r.key: r.revision for r in reports})
        await channel.send(*(Forwarded(r.content) for r in reports if r.picture_hash is None))
        for report in reports:
            # One at a time: a thousand pictures would take 300 MB.
            if report.picture_hash is not None:
                picture = await self._store.picture(report.key, report.picture_hash)
                await channel.send(Forwarded(report.content, picture))

    # --- answers -------------------------------------------------------------------------------

    async def _receive_answers(self, channel: AsyncChannel) -> None:
        while True:
            match await channel.receive():
                case Ack(ids):
                    # Only of reports sent to it: a Fr-PACS cannot acknowledge another's reports.
                    keys = (scan_key(scan_id, self._pacs) for scan_id in ids)
                    self._acknowledged.extend(key for key in keys if key in self._unanswered)
                    self._to_mark.set()
                case Nack(id=None, code=code, reason=reason):
                    raise ProtocolError(code, reason)
                case Nack(id=str() as scan_id, code=code, reason=reason):
                    self._limited_log.warning(
                        "report refused", scan_id=scan_id, pacs=self._pacs, code=code, reason=reason
                    )
                    key = scan_key(scan_id, self._pacs)
                    if key in self._unanswered:
                        self._audit.refused(self._pacs, f"report: {code}", reason, [key])
                        await self._store.postpone([key], REFUSED_DELAY_S)
                        self._answered([key])
                case InvalidMessage():  # reports alone can have invalid content, none comes here
                    continue

    async def _mark_acknowledged(self) -> None:
        """Mark acknowledged reports as sent: all that came since the last time, together."""
        while True:
            await self._to_mark.wait()
            self._to_mark.clear()
            ids = list(self._acknowledged)
            if ids:
                sent = {i: r for i in ids if (r := self._unanswered.get(i))}
                for revision, keys in _by_revision(sent).items():
                    await self._store.mark_sent(keys, revision, self._pacs)
                self._limited_log.debug_each("report delivered", ids, pacs=self._pacs)
                del self._acknowledged[: len(ids)]
                self._answered(ids)

    def _answered(self, keys: list[str]) -> None:
        for key in keys:
            self._unanswered.pop(key, None)
        if self._window_full or self._stopping:  # otherwise ``_send_reports`` does not wait for it
            self._wake.set()

    async def _release_leases(self) -> None:
        """The connection is lost: mark what was acknowledged, make the rest due again at once."""
        leasing, self._leasing = self._leasing, None
        if leasing is not None:
            with contextlib.suppress(StoreError):  # if it leased anything, the leases end
                for late in await leasing:
                    self._unanswered.setdefault(late.key, late.revision)
        sent, self._unanswered = self._unanswered, {}
        acknowledged, self._acknowledged = set(self._acknowledged) & sent.keys(), []
        for revision, keys in _by_revision({i: sent[i] for i in acknowledged}).items():
            await self._store.mark_sent(keys, revision, self._pacs, until=lambda: True)
        if unanswered := sent.keys() - acknowledged:
            await self._store.postpone(list(unanswered), 0)


def _by_revision(revisions: dict[str, int]) -> dict[int, list[str]]:
    """The keys of the scans of each revision."""
    keys: dict[int, list[str]] = {}
    for key, revision in revisions.items():
        keys.setdefault(revision, []).append(key)
    return keys
