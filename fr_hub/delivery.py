"""Delivering reports over one connection to a Fr-PACS: leased and sent. Those that it acknowledges
are marked in ``fr_hub.answers``.

A report that ends the connection must not block the others. When a connection ends, the reports
that were under way are suspects; on the next one they are sent singly, each after the answer to the
one before. The one that ends the connection again is delayed, in the end given up as undeliverable;
all others are delivered meanwhile.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Collection, Sequence

from common.domain.report import PICTURE_BYTES_MAX
from common.domain.scan_key import scan_id_of
from common.errors import PeerAway, ProtocolError, Refusal, StoreError
from common.runtime.logger import RateLimitedLog
from common.store.documents import Leased, OutgoingReport
from common.wire.async_connection import AsyncChannel
from common.wire.constants import FAILED_SCANS
from common.wire.messages import Failed, Forwarded
from fr_hub.answers import MAX_REFUSALS, Answers
from fr_hub.async_store import Leasing
from fr_hub.context import HubContext
from fr_hub.in_flight import NOTICE, InFlight, Outgoing, delay_s
from fr_hub.label_delivery import LabelDelivery

LEASE_S = 10.0
"""A report that is not acknowledged within this time is due again. After a kill, the reports that
were under way wait this long. Fr-PACS drops a report that it receives twice."""

MEMORY_BYTES = 8 * 1024 * 1024
"""Memory for the reports that are being sent to one Fr-PACS, of which the reports themselves get
half: each is in memory as it is stored and as a frame."""

ANSWER_S = 60.0
"""How long a report that is sent singly may stay unanswered."""

MAX_LOSSES = 10
"""A report is undeliverable after this many tries if the connection is lost each time that it is
sent alone. Fr-PACS may have been stopped at these moments, so this takes more tries than
``answers.MAX_REFUSALS``."""

_FRAME_OVERHEAD = 256
"""More than what surrounds a report in its frame, bytes."""

_TOGETHER_BYTES = 256 * 1024
"""Reports are handed to the connection in pieces of about this size."""


class Delivery:
    """Sends the reports of one Fr-PACS over one connection.

    Args:
        hub: the hub.
        pacs: the name of the Fr-PACS.
        channel: the connection.
        window: the most reports under way at once.
        suspects: the keys of reports to send singly first.
        unlabelled: the keys of reports to send without their label maps; added to.
        limited_log: logs refusals and deliveries.
    """

    def __init__(
        self,
        hub: HubContext,
        pacs: str,
        channel: AsyncChannel,
        window: int,
        suspects: Collection[str],
        unlabelled: set[str],
        limited_log: RateLimitedLog,
    ) -> None:
        self._settings = hub.settings
        self._store = hub.store
        self._audit = hub.audit
        self._memory_budget = hub.memory_budget
        self._limited_log = limited_log
        self._pacs = pacs
        self._channel = channel
        self._window = window
        self._suspects = set(suspects)
        self._frame_bytes = hub.settings.frame_limit_kib * 1024
        self._memory_bytes = max(
            2 * self._frame_bytes, min(MEMORY_BYTES, hub.memory_budget.share(pacs) // 2)
        )
        self._labels = LabelDelivery(
            hub.store, pacs, channel, limited_log, unlabelled, self._renew_all_leases
        )
        self._outgoing = Outgoing()
        self._answers = Answers(
            hub, pacs, channel, self._outgoing, self._labels, limited_log, self._on_answered
        )
        self._wake = asyncio.Event()
        self._named: str | None = None  # the key of the only report that the last wake-up is about
        self._searched = -math.inf  # for reports, time.monotonic()
        self._more = True  # reports may be due that no wake-up is about
        self._stopping = False
        self._window_full = False  # when reports were last leased
        self._leasing: Leasing | None = None
        self._unsent: dict[str, float] = {}  # leased, and when: time.monotonic()
        self._looked_at = -math.inf  # for notices, time.monotonic()

    def wake(self, named: str | None = None) -> None:
        """Look for reports now: there may be a new one.

        Args:
            named: the key of the only new report; None: search for reports.
        """
        self._named = None if self._wake.is_set() else named
        self._wake.set()

    @property
    def answered(self) -> int:
        """Reports that were acknowledged or refused."""
        return self._outgoing.answered

    def _on_answered(self) -> None:
        if self._window_full or self._stopping:  # otherwise ``_send_reports`` does not wait for it
            self._wake.set()

    def stop(self) -> None:
        """Send nothing more; ``run`` ends when all sent reports are answered and marked."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Send until the connection ends, or until stopped.

        Raises:
            ExceptionGroup: of ``PeerAway``, ``ProtocolError`` or ``StoreError``.
        """
        async with asyncio.TaskGroup() as tasks:
            receiving = tasks.create_task(self._answers.receive())
            marking = tasks.create_task(self._answers.mark_acknowledged())
            await self._send_singly()
            await self._send_reports()
            # Stopped: reports under way may still be acknowledged.
            await self._all_answered()
            receiving.cancel()
            marking.cancel()

    async def _all_answered(self) -> None:
        while self._outgoing.unanswered or self._outgoing.acknowledged:
            self._wake.clear()
            await self._wake.wait()

    # --- sending -------------------------------------------------------------------------------

    async def _send_reports(self) -> None:
        while not self._stopping:
            self._wake.clear()
            named, self._named = self._named, None
            self._window_full = self._free <= 0
            if self._window_full:
                self._more = True  # nobody looks for what is due now
            else:
                await self._renew_leases()
                if await self._send_leased(self._free, named):
                    continue
            if self._free > 0:
                await self._send_notices(self._free)
            # While the window is full, an answer ends the wait.
            pause_s = self._settings.hub_poll_s if self._window_full else self._search_due_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    @property
    def _search_due_s(self) -> float:
        """Seconds until the next search for reports is due; 0: it is due. A report that was leased
        by its name begins no new interval."""
        return max(0.0, self._searched + self._settings.hub_poll_s - time.monotonic())

    @property
    def _held_bytes(self) -> int:
        """What the reports that are being sent take of the memory budget."""
        return self._memory_bytes + self._labels.memory_bytes

    @property
    def _free(self) -> int:
        """How many more may be under way."""
        return min(self._settings.hub_batch, self._window - len(self._outgoing.unanswered))

    async def _send_notices(self, limit: int) -> None:
        """Tell Fr-PACS which of its scans failed for good."""
        if FAILED_SCANS not in self._channel.features:
            return
        # Each report that is written wakes this; notices can wait for the poll interval.
        now = time.monotonic()
        if now - self._looked_at < self._settings.hub_poll_s / 2:
            return
        self._looked_at = now
        leased = await self._store.lease_notices(self._pacs, limit, LEASE_S)
        # As of reports: an acknowledgement names only the scan.
        notices = [one for one in leased if one.key not in self._outgoing.unanswered]
        self._outgoing.unanswered.update(
            {one.key: InFlight(NOTICE, one.tries, now) for one in notices}
        )
        if notices:
            await self._channel.send(*(Failed(scan_id_of(one.key), one.cause) for one in notices))

    async def _renew_leases(self) -> None:
        """Extend the leases of reports whose answers take long. Fr-PACS may only be slow, and a
        lease that ended would begin anew, which counts as a try."""
        now = time.monotonic()
        old = [
            key
            for key, one in self._outgoing.unanswered.items()
            if now - one.leased_at >= LEASE_S / 2
        ]
        for key in old:
            self._outgoing.unanswered[key] = self._outgoing.unanswered[key]._replace(leased_at=now)
        await self._extend(
            [key for key in old if self._outgoing.unanswered[key].revision != NOTICE]
        )

    async def _renew_all_leases(self) -> None:
        """Extend also those of reports that wait behind the label maps of another one."""
        await self._renew_leases()
        now = time.monotonic()
        old = [key for key, leased_at in self._unsent.items() if now - leased_at >= LEASE_S / 2]
        self._unsent.update(dict.fromkeys(old, now))
        await self._extend(old)

    async def _extend(self, keys: Sequence[str]) -> None:
        if keys:
            with contextlib.suppress(StoreError):  # then they are leased once more
                await self._store.postpone(keys, LEASE_S)

    async def _send_leased(self, limit: int, named: str | None) -> bool:
        """Lease reports and send them; whether more are due."""
        # Nothing announces reports whose pause is over: search from time to time.
        if self._more or not self._search_due_s:
            named = None
        async with self._memory_budget.held(self._held_bytes, self._pacs):
            leased = await (self._lease(limit) if named is None else self._lease_named(named))
            # An acknowledgement names only the scan, so one revision of its report is under way at
            # a time. Another one is due again when its lease ends.
            await self._send([r for r in leased if r.key not in self._outgoing.unanswered])
        self._more = leased.more
        return leased.more

    async def _send_singly(self) -> None:
        self._window_full = True  # each answer is waited for
        while self._suspects and not self._stopping:
            async with self._memory_budget.held(self._held_bytes, self._pacs):
                leased = await self._lease(self._settings.hub_batch, self._suspects)
                if not leased and not leased.more:
                    break  # delivered, or due later
                for report in leased:
                    if self._stopping:
                        break
                    await self._send([report])
                    await self._answer_of(report)
                    self._suspects.discard(report.key)
        self._suspects.clear()

    async def _answer_of(self, report: OutgoingReport) -> None:
        sent = self._outgoing.unanswered.get(report.key)
        answer_s = ANSWER_S + (0 if sent is None else sent.labels_s)
        try:
            async with asyncio.timeout(answer_s):
                await self._all_answered()
        except TimeoutError:
            raise PeerAway(
                f"no answer to the report of {report.content['scan_id']} in {answer_s:.0f} s"
            ) from None

    async def _lease(self, limit: int, among: Collection[str] | None = None) -> Leased:
        leased = await self._store.lease_reports(
            self._pacs,
            limit,
            LEASE_S,
            self._calling,
            *self._sizes,
            None if among is None else list(among),
        )
        if among is None:
            self._searched = time.monotonic()  # not before: it may take longer than the interval
        return self._leased(leased)

    async def _lease_named(self, key: str) -> Leased:
        return self._leased(
            await self._store.lease_named(self._pacs, key, LEASE_S, self._calling, *self._sizes)
        )

    @property
    def _sizes(self) -> tuple[int, int]:
        """The most bytes to lease, and those of the largest report that can be sent."""
        return self._memory_bytes // 2, self._frame_bytes - _FRAME_OVERHEAD

    def _calling(self, call: Leasing) -> None:
        # Remembered, for ``close``: the call outlives a lost connection.
        self._leasing = call

    def _leased(self, leased: Leased) -> Leased:
        self._leasing = None
        self._unsent = dict.fromkeys((report.key for report in leased), time.monotonic())
        return leased

    async def _send(self, reports: Sequence[OutgoingReport]) -> None:
        together: list[Forwarded] = []
        size = 0
        for report in reports:
            if self._labels.wanted and self._stopping:
                break  # what is leased is released
            # One picture at a time: a thousand would take 300 MB.
            forwarded, sized = await self._forwarded(report)
            maps = await self._labels.of(report)
            if together and (maps is not None or size + sized > _TOGETHER_BYTES):
                await self._channel.send(*together)
                together, size = [], 0
            leased_at = self._unsent.pop(report.key, time.monotonic())
            labels_s = 0.0 if maps is None else maps.writing_s
            self._outgoing.unanswered[report.key] = InFlight(
                report.revision, report.tries, leased_at, labels_s
            )
            if maps is not None:
                await self._labels.send(maps)
            together.append(forwarded)
            size += sized
        if together:
            await self._channel.send(*together)

    async def _forwarded(self, report: OutgoingReport) -> tuple[Forwarded, int]:
        """The message of a report, and its size in bytes."""
        size = report.size
        if report.picture_hash is None:
            return Forwarded(report.content), size
        # A report without its picture is better than none.
        largest = min(PICTURE_BYTES_MAX, self._frame_bytes - _FRAME_OVERHEAD - size)
        picture = None
        with contextlib.suppress(StoreError):  # it is damaged
            picture = await self._store.picture(report.key, report.picture_hash, largest)
        return Forwarded(report.content, picture), size + len(picture or b"")

    # --- the end -------------------------------------------------------------------------------

    async def close(self, error: Exception | None) -> set[str]:
        """The connection has ended: mark what was acknowledged, make the rest due again.

        Args:
            error: why it ended; None: Fr-HUB ended it.

        Returns:
            The keys of the reports to send singly on the next connection.

        Raises:
            StoreError: MongoDB failed; then leases end by time.
        """
        if self._leasing is not None:
            with contextlib.suppress(StoreError):  # if it leased anything, the leases end
                self._unsent.update({late.key: 0.0 for late in await self._leasing})
        await self._answers.end()
        sent, self._outgoing.unanswered = self._outgoing.unanswered, {}
        if notices := [key for key, one in sent.items() if one.revision == NOTICE]:
            by_tries: dict[int, list[str]] = {}
            for key in notices:
                by_tries.setdefault(sent.pop(key).tries, []).append(key)
            # One of them may have ended the connection: each time it comes later.
            for tries, those in by_tries.items():
                await self._store.postpone_notices(those, delay_s(tries))
        leased = self._unsent.keys() - sent.keys()
        suspects = self._suspects - sent.keys()
        if len(sent) == 1 and isinstance(error, PeerAway | ProtocolError):
            [(key, report)] = sent.items()
            await self._blame(key, report, error)
        else:
            leased |= sent.keys()
            suspects |= sent.keys()
        if leased:
            await self._store.release(list(leased))
        return suspects if error is not None else set()

    async def _blame(self, key: str, report: InFlight, error: PeerAway | ProtocolError) -> None:
        """The connection ended while this report alone was under way."""
        if report.labels_s and _may_be_labels(error, report.tries):
            cause = (
                f"the connection was lost each time Fr-HUB sent this report's label maps: {error}"
            )
            self._labels.refuse(key, cause)
            await self._store.postpone([key], delay_s(report.tries))
            return
        most = MAX_REFUSALS if isinstance(error, ProtocolError) else MAX_LOSSES
        if report.tries >= most:
            await self._answers.give_up(
                key, report, f"the connection was lost each time Fr-HUB sent this report: {error}"
            )
        else:
            await self._store.postpone([key], delay_s(report.tries))


def _may_be_labels(error: PeerAway | ProtocolError, tries: int) -> bool:
    """Whether label maps may be what ended the connection on which they were sent: Fr-PACS says
    that something broke the protocol, or it was lost again and again."""
    if isinstance(error, ProtocolError):
        return error.code not in (Refusal.LIMIT, Refusal.UNAVAILABLE, Refusal.UNAUTHENTICATED)
    return tries >= MAX_LOSSES // 2
