"""What a Fr-PACS answers to the reports and notices that it gets: those that it acknowledges are
marked as sent, those that it refuses come later, or are given up."""

import asyncio
import contextlib
from collections.abc import Callable

from common.domain.scan_key import scan_key
from common.errors import ProtocolError, StoreError
from common.runtime.logger import RateLimitedLog
from common.wire.async_connection import AsyncChannel
from common.wire.messages import Ack, InvalidMessage, Nack
from fr_hub.context import HubContext
from fr_hub.in_flight import NOTICE, REFUSED_DELAY_S, InFlight, Outgoing, delay_s
from fr_hub.label_delivery import LabelDelivery

MAX_REFUSALS = 5
"""A report is undeliverable after this many tries if Fr-PACS refuses it for good, or says that it
broke the protocol."""


class Answers:
    """The answers over one connection.

    Args:
        hub: the hub.
        pacs: the name of the Fr-PACS.
        channel: the connection.
        outgoing: what was sent over it.
        labels: forgets the label maps of reports that arrived.
        limited_log: logs refusals and deliveries.
        on_answered: called when something was answered.
    """

    def __init__(
        self,
        hub: HubContext,
        pacs: str,
        channel: AsyncChannel,
        outgoing: Outgoing,
        labels: LabelDelivery,
        limited_log: RateLimitedLog,
        on_answered: Callable[[], None],
    ) -> None:
        self._store = hub.store
        self._audit = hub.audit
        self._pacs = pacs
        self._channel = channel
        self._outgoing = outgoing
        self._labels = labels
        self._limited_log = limited_log
        self._on_answered = on_answered
        self._to_mark = asyncio.Event()
        self._marking: asyncio.Task[None] | None = None
        self._ended = False

    async def receive(self) -> None:
        """Receive answers until the connection ends.

        Raises:
            PeerAway: it has ended.
            ProtocolError: Fr-PACS says that something broke the protocol.
        """
        while True:
            match await self._channel.receive():
                case Ack(ids):
                    # Only of reports sent to it: a Fr-PACS cannot acknowledge another's reports.
                    keys = (scan_key(scan_id, self._pacs) for scan_id in ids)
                    self._outgoing.acknowledged.update(
                        (k, None) for k in keys if k in self._outgoing.unanswered
                    )
                    self._to_mark.set()
                case Nack(id=None, code=code, reason=reason):
                    raise ProtocolError(code, reason)
                case Nack(id=str() as scan_id) as nack:
                    await self._refused(scan_key(scan_id, self._pacs), nack)
                case InvalidMessage():  # reports alone can have invalid content, none comes here
                    continue

    async def _refused(self, key: str, nack: Nack) -> None:
        self._limited_log.warning(
            "report refused", scan_id=nack.id, pacs=self._pacs, code=nack.code, reason=nack.reason
        )
        report = self._outgoing.unanswered.get(key)
        if report is None:
            return
        self._audit.refused(self._pacs, f"report: {nack.code}", nack.reason, [key])
        if report.revision == NOTICE:
            await self._store.postpone_notices([key], delay_s(report.tries, REFUSED_DELAY_S))
        elif not nack.retry and report.tries >= MAX_REFUSALS:
            await self.give_up(key, report, f"Fr-PACS refuses it: {nack.reason}")
        else:
            # A newer revision may exist by then, or a newer release of Fr-PACS.
            await self._store.postpone([key], delay_s(report.tries, REFUSED_DELAY_S))
        self._count_answered([key])

    async def give_up(self, key: str, report: InFlight, cause: str) -> None:
        """Give a report up as undeliverable."""
        if await self._store.mark_undeliverable(key, cause, report.revision):
            self._limited_log.warning(
                "gave up on a report; make undelivered lists such reports",
                key=key,
                cause=cause,
                tries=report.tries,
            )

    async def mark_acknowledged(self) -> None:
        """Mark acknowledged reports as sent: all that came since the last time, together."""
        while True:
            await self._to_mark.wait()
            self._to_mark.clear()
            if ids := list(self._outgoing.acknowledged):
                # It goes on if the connection ends meanwhile, and ``end`` waits for it.
                self._marking = asyncio.create_task(self._mark_these(ids))
                await asyncio.shield(self._marking)

    async def end(self) -> None:
        """The connection has ended: mark what it has acknowledged and what is not marked yet, and
        do not try again.

        Raises:
            StoreError: MongoDB failed; then they are sent again.
        """
        self._ended = True
        if self._marking is not None:
            with contextlib.suppress(StoreError):  # tried once more
                await self._marking
        if ids := list(self._outgoing.acknowledged):
            await self._mark_these(ids)

    async def _mark_these(self, ids: list[str]) -> None:
        await self._mark({i: r for i in ids if (r := self._outgoing.unanswered.get(i))})
        self._limited_log.debug_each("report delivered", ids, pacs=self._pacs)
        for key in ids:
            del self._outgoing.acknowledged[key]
        self._labels.forget(ids)
        self._count_answered(ids)

    async def _mark(self, sent: dict[str, InFlight]) -> None:
        """Mark these as sent, by the key of the scan."""
        keys: dict[int, list[str]] = {}
        for key, report in sent.items():
            keys.setdefault(report.revision, []).append(key)
        if notices := keys.pop(NOTICE, None):
            await self._store.mark_notices_sent(notices, self._pacs, until=lambda: self._ended)
        for revision, those in keys.items():
            await self._store.mark_sent(those, revision, self._pacs, until=lambda: self._ended)

    def _count_answered(self, keys: list[str]) -> None:
        self._outgoing.answered += len(keys)
        for key in keys:
            self._outgoing.unanswered.pop(key, None)
        self._on_answered()
