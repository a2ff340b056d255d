"""Fr-HUB's client: pushes each report to the Fr-PACS that its scan came from.

There is one ``ReportClient`` for each Fr-PACS in the settings. A report is an outbox entry: leased,
sent, acknowledged, marked as sent (``fr_hub.delivery``). One that is not acknowledged becomes due
again; none is dropped.
"""

import asyncio
import contextlib

from common.domain.types import HUB_NAME
from common.errors import FrError, PeerAway, ProtocolError, StoreError
from common.runtime.logger import AvailabilityLog, RateLimitedLog
from common.runtime.retry import async_retrying, backoff_s
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import connect
from common.wire.connection_policy import ConnectionPolicy
from common.wire.messages import Welcome
from common.wire.protocol import Side
from fr_hub.context import HubContext
from fr_hub.delivery import Delivery

PATIENCE_S = 30.0
"""Reports wait in the store, so a Fr-PACS that is restarted within this time is no warning."""

_CONNECT_S = 5.0
_RECONNECT_S = 0.1
"""The shortest pause between two connections."""


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
        self._hub = hub
        self._pacs = pacs
        self._address = hub.settings.hub_pacs[pacs]
        self._policy = policy
        self._limited_log = RateLimitedLog(hub.log)
        self._peer = AvailabilityLog(
            hub.log, f"{pacs}'s report server", patience_s=PATIENCE_S, announce=True
        )
        self._reconnect = asyncio.Event()
        self._stopping = asyncio.Event()
        self._connecting: asyncio.Task[tuple[AsyncChannel, Welcome]] | None = None
        self._delivery: Delivery | None = None
        self._suspects: set[str] = set()
        """Keys of reports to send singly: one of them may have ended the last connection."""
        self._unlabelled: set[str] = set()
        """Keys of reports to send without their label maps, which ended a connection."""
        self._fruitless = 0  # connections in a row on which nothing was answered

    def wake(self, named: str | None = None) -> None:
        """Look for reports now: there may be a new one; ``named`` as for ``Delivery.wake``."""
        if self._delivery is not None:
            self._delivery.wake(named)

    def reconnect_now(self) -> None:
        """End a pause before the next attempt to connect: the Fr-PACS sends scans, so it runs."""
        self._reconnect.set()

    def stop(self) -> None:
        """Send nothing more; ``run`` ends when all sent reports are answered and marked."""
        self._stopping.set()
        if self._delivery is not None:
            self._delivery.stop()
        if self._connecting is not None:
            self._connecting.cancel()

    async def run(self) -> None:
        """Send until cancelled or stopped; reconnect when the connection is lost."""
        while not self._stopping.is_set():
            self._connecting = asyncio.create_task(self._connect())
            try:
                channel, welcome = await self._connecting
            except asyncio.CancelledError:
                self._connecting.cancel()
                if self._stopping.is_set():
                    return
                raise
            await self._deliver(channel, welcome.window)
            # A peer that accepts and closes must not cause a busy loop.
            pause_s = max(_RECONNECT_S, backoff_s(self._fruitless) if self._fruitless else 0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _deliver(self, channel: AsyncChannel, window: int) -> None:
        delivery = self._delivery = Delivery(
            self._hub,
            self._pacs,
            channel,
            window,
            self._suspects,
            self._unlabelled,
            self._limited_log,
        )
        error: Exception | None = None
        try:
            if self._stopping.is_set():
                delivery.stop()
            await delivery.run()
        except* (PeerAway, ProtocolError) as group:
            error = group.exceptions[0]
            self._peer.unavailable(error)
        except* Exception as group:  # noqa: BLE001 - whatever one report causes, others are sent
            error = group.exceptions[0]
            self._log.error("reports cannot be sent", reason=_reason(error))
        finally:
            self._delivery = None
            await channel.close()
        self._fruitless = 0 if delivery.answered else self._fruitless + 1
        try:
            self._suspects = await delivery.close(error)
        except Exception as failed:  # noqa: BLE001 - their leases end
            self._suspects = set()
            if not isinstance(failed, StoreError):
                self._log.error(
                    "could not release reports: their leases will expire", reason=_reason(failed)
                )

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


def _reason(error: Exception) -> str:
    """For the log. An unexpected error's text may quote what it met, so only its type is told."""
    return str(error) if isinstance(error, FrError) else type(error).__name__
