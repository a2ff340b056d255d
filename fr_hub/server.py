"""Fr-HUB's server: accepts connections from Fr-PACS, admits or refuses them, closes them in order.

What happens on a connection is in ``fr_hub.session``.
"""

import asyncio
import contextlib
from collections.abc import Callable

from common.domain.foreign_text import quote
from common.domain.types import HUB_NAME
from common.errors import FrError, PeerAway, ProtocolError, Refusal, StoreError
from common.runtime.logger import RateLimitedLog
from common.settings.hub import HubSettings
from common.wire.async_connection import AsyncChannel
from common.wire.constants import CHUNK_BYTES
from fr_hub.backpressure import Backpressure
from fr_hub.committer import Committer
from fr_hub.context import HubContext
from fr_hub.session import Session, SessionContext
from fr_hub.shares import Shares
from fr_hub.upload import WRITE_BYTES


class ScanServer:
    """Handles the connections from Fr-PACS.

    Args:
        hub: the hub.
        committer: stores the scans.
        backpressure: decides whether a scan may come in.
        on_connect: called with the name of each Fr-PACS that connects.
    """

    def __init__(
        self,
        hub: HubContext,
        committer: Committer,
        backpressure: Backpressure,
        on_connect: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._hub = hub
        self._settings = hub.settings
        self._limited_log = RateLimitedLog(hub.log)
        self._backpressure = backpressure
        self._on_connect = on_connect
        self._shared = SessionContext(
            hub,
            committer,
            backpressure,
            _write_bytes(hub.settings),
            self._limited_log,
        )
        self._connections = Shares(hub.settings.hub_connections, hub.settings.hub_pacs)
        self._sessions: dict[asyncio.Task[None], Session | None] = {}  # None: not admitted yet

    @property
    def connected(self) -> frozenset[str]:
        """The names of the Fr-PACS that send here now; for any thread."""
        known = list(self._settings.hub_pacs)
        return frozenset(pacs for pacs in known if self._connections.used(pacs))

    async def handle(self, channel: AsyncChannel) -> None:
        """Serve one connection until it ends."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - handlers run as tasks
        self._sessions[task] = None
        try:
            await self._serve(channel, task)
        except PeerAway as error:
            self._limited_log.debug("connection ended", reason=str(error))
        except ProtocolError as error:
            # Rate-limited: many refused connections must not flood the log.
            self._limited_log.warning("connection refused", code=error.code, reason=error.reason)
            self._hub.audit.refused(channel.peer_address, error.code, error.reason)
            await channel.refuse(error)
        except StoreError as error:
            self._limited_log.error("closed the connection: MongoDB failed", reason=str(error))
        finally:
            del self._sessions[task]

    async def _serve(self, channel: AsyncChannel, task: asyncio.Task[None]) -> None:
        pacs = (await channel.accept_hello(HUB_NAME)).name
        self._admit(pacs)
        self._connections.take(pacs)
        try:
            self._limited_log.info("Fr-PACS connected", pacs=pacs)
            self._on_connect(pacs)
            self._hub.audit.connected(pacs, "sends scans", address=channel.peer_address)
            session = self._sessions[task] = Session(channel, pacs, self._shared)
            await session.run()
        finally:
            self._connections.release(pacs)

    def _admit(self, pacs: str) -> None:
        """Refuse a Fr-PACS that is unknown, and a connection over a limit."""
        if pacs not in self._settings.hub_pacs:
            raise ProtocolError(
                Refusal.UNKNOWN_PACS,
                f"Fr-HUB does not know a Fr-PACS named {quote(pacs)}: "
                "add it to Fr-HUB's HUB_PACS, as name=host:port of its report server",
            )
        mine, each = self._connections.used(pacs), self._settings.hub_connections_each
        if mine >= each:
            raise _too_many(f"{mine} connections of {pacs}", "HUB_CONNECTIONS_EACH")
        if not self._connections.fits(pacs):
            # Each known Fr-PACS has a share that the others leave free.
            raise _too_many(f"{self._connections.total_used} connections", "HUB_CONNECTIONS")

    def refused(self, error: FrError, address: str) -> None:
        """Log and record a connection that failed before its first message, as in TLS."""
        self._limited_log.warning("connection refused", reason=str(error), peer=address)
        if isinstance(error, ProtocolError):
            self._hub.audit.refused(address, error.code, error.reason)

    async def close(self, drain_s: float) -> None:
        """Let the scans in flight become durable and be acknowledged, for ``drain_s`` seconds at
        most; then end all connections."""
        # Scans that still come are answered with busy; else an endless stream would use up drain_s.
        self._backpressure.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self._backpressure.wait_idle()
                for session in filter(None, list(self._sessions.values())):
                    await session.wait_answered()
        tasks = list(self._sessions)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._limited_log.flush()


def _too_many(what: str, setting: str) -> ProtocolError:
    return ProtocolError(
        Refusal.LIMIT,
        f"{what} are open, which is the limit: retry later, or raise Fr-HUB's {setting}",
        retry=True,
    )


def _write_bytes(settings: HubSettings) -> int:
    """The size of the batches in which chunks are written: what slow senders can hold, on all
    connections together, is at most half of the memory."""
    share = settings.hub_memory_mib * 2**20 // (2 * settings.hub_connections)
    return max(CHUNK_BYTES, min(WRITE_BYTES, share))
