"""Fr-PACS' client: a thread that streams scans to Fr-HUB and waits for acknowledgements."""

import random
import threading
import time
from collections.abc import Callable

from common.domain.file_outcomes import FileOutcome
from common.errors import PeerAway, ProtocolError, Refusal, SourceError
from common.runtime.logger import AvailabilityLog
from common.settings.pacs import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.connection_policy import ConnectionPolicy
from common.wire.messages import (
    Ack,
    Busy,
    Event,
    InvalidMessage,
    Nack,
    ReportRequest,
    Scan,
)
from common.wire.scan_transfer import scan_messages
from fr_pacs.hub_connection import HubConnection
from fr_pacs.packing import packed
from fr_pacs.rate_limit import RateLimitedSource
from fr_pacs.report_requests import ReportRequests
from fr_pacs.run_counts import RunCounter
from fr_pacs.send_queue import PendingScan, SendQueue
from fr_pacs.sources.base import HasOrigins, Withdrawn, with_priority

BATCH_SCANS = 128
"""Small scans sent in one write."""

MAX_REFUSALS = 5
"""A scan fails when Fr-HUB has refused it this often, though it said that a retry may help."""

_JITTER = 0.5
_TICK_S = 0.1
_IDLE_S = 1.0
"""The longest that a thread waits for an answer before it checks whether to stop."""
_POLL_EVERY_CHUNKS = 16


class ScanClient:
    """Streams scans of a source until it is exhausted or ``stop`` is set.

    While Fr-HUB is unreachable, scans are kept up to this thread's share of BUFFER_MIB. Beyond
    that, files wait; synthetic scans, which keep coming as from a scanner, count as failed.
    """

    def __init__(
        self,
        settings: PacsSettings,
        source: RateLimitedSource,
        counter: RunCounter,
        availability: AvailabilityLog,
        stop: threading.Event,
        on_fatal: Callable[[Exception], None],
        policy: ConnectionPolicy,
    ) -> None:
        self._settings = settings
        self._source = source
        self._counter = counter
        self._availability = availability
        self._stop = stop
        self._on_fatal = on_fatal
        self._queue = SendQueue()
        self._requests = ReportRequests(counter.awaited)
        self._connection = HubConnection(settings, availability, policy)
        self._share = settings.buffer_mib * 2**20 // settings.threads
        self._window = 1  # until Fr-HUB's welcome gives it
        self._allowed = 1  # scans in flight: halved by each "busy", doubled by each ack
        self._resume = 0.0  # nothing is sent before this time.monotonic()
        self._full_since: float | None = None
        self._patience_s = settings.patience_s
        if settings.pace is not None:
            self._patience_s = min(settings.patience_s, settings.threads / settings.pace)

    def run(self) -> None:
        """Run the thread to its end; an error that no retry can fix goes to ``on_fatal``."""
        try:
            while not self._stop.is_set() and not self._is_done:
                self._turn()
            self._drain()
        except Exception as error:  # noqa: BLE001 - a thread's error must reach the main thread
            self._on_fatal(error)
        finally:
            self._connection.close()
            for scan in self._queue.pending():
                self._counter.interrupted(scan.label, scan.scan_id)

    @property
    def _is_done(self) -> bool:
        return self._source.exhausted and not self._queue and not self._requests

    def _turn(self) -> None:
        if window := self._connection.open():
            self._window = self._allowed = window
        self._refill()
        try:
            self._send_waiting()
            self._request_reports()
            self._listen(self._pause())
        except (PeerAway, ProtocolError) as error:
            if self._stop.is_set():  # both units are being stopped: no cause for a warning
                self._connection.close()
            else:
                self._connection.lost(error)
            self._queue.requeue_in_flight()
            self._requests.lost()

    def _drain(self) -> None:
        """After a stop, wait for the acknowledgements of scans in flight, PACS_DRAIN_S at most."""
        deadline = time.monotonic() + self._settings.pacs_drain_s
        while self._queue.in_flight and self._connection.channel and time.monotonic() < deadline:
            try:
                self._listen(_TICK_S)
            except (PeerAway, ProtocolError):
                return

    # --- taking scans --------------------------------------------------------------------------

    def _has_room(self) -> bool:
        """Whether to load more scans: up to the window, or, while Fr-HUB is unreachable, up to
        this thread's share of the buffer."""
        unreachable = self._connection.channel is None
        return self._queue.bytes < self._share and (unreachable or len(self._queue) < self._window)

    def _refill(self) -> None:
        if not self._has_room():
            self._wait_or_fail()
            return
        self._full_since = None
        for _ in range(BATCH_SCANS):
            task = self._source.take() if self._has_room() else None
            if task is None:
                return
            try:
                loaded = with_priority(task.load(), self._settings.priority)
            except SourceError as error:
                origins = task.origins if isinstance(task, HasOrigins) else ()
                self._counter.failed(task.label, str(error), origins=origins)
                continue
            except Withdrawn:
                continue
            # Only files can hold the same image twice.
            if self._source.waits and self._counter.is_copy(
                loaded.scan.scan_id, task.label, loaded.origin
            ):
                continue
            scan = self._queue.add(
                task.label, packed(loaded) if self._settings.compression else loaded
            )
            if not scan.is_small:
                return  # it can be on its way while the next one is loaded

    def _wait_or_fail(self) -> None:
        """The buffer is full. While Fr-HUB takes scans, that only slows the stream."""
        now = time.monotonic()
        if self._source.waits or self._connection.channel is not None:
            self._full_since = None
            return
        self._full_since = self._full_since or now
        if now - self._full_since >= self._patience_s and (task := self._source.take()):
            self._full_since = now
            reason = "Fr-HUB is unreachable and the buffer is full (BUFFER_MIB)"
            self._counter.failed(task.label, reason)

    # --- sending -------------------------------------------------------------------------------

    def _send_waiting(self) -> None:
        """Send waiting scans as far as the window allows, small ones many at a time."""
        queue = self._queue
        queue.requeue_due()
        while queue.waiting and self._connection.channel is not None and self._may_send():
            batch = queue.next_batch(min(BATCH_SCANS, self._allowed - len(queue.in_flight)))
            new = queue.start(batch)
            self._counter.sent({scan.scan_id: scan.label for scan in new})
            if batch[0].is_small:
                self._connection.channel.send(
                    *(Scan(scan.loaded.scan, scan.loaded.voxels) for scan in batch)
                )
            else:
                self._send_large(self._connection.channel, batch[0])

    def _request_reports(self) -> None:
        """Ask for the reports of known scans, which may have been sent to an earlier run."""
        if self._connection.channel is not None and (wanted := self._requests.next()):
            self._connection.channel.send(ReportRequest(wanted))

    def _may_send(self) -> bool:
        return len(self._queue.in_flight) < self._allowed and time.monotonic() >= self._resume

    def _send_large(self, channel: Channel, scan: PendingScan) -> None:
        loaded = scan.loaded
        for n, message in enumerate(scan_messages(loaded.scan, loaded.voxels, loaded.packing), 1):
            channel.send(message)
            if n % _POLL_EVERY_CHUNKS == 0:
                self._listen(0)
            if scan.scan_id not in self._queue.in_flight:
                return  # refused: Fr-HUB does not want the rest

    def _pause(self) -> float:
        """Seconds for which only an answer can give this thread work."""
        now = time.monotonic()
        if self._connection.channel is None:
            return min(_TICK_S, self._connection.due_in())
        if self._requests.due or (self._queue.waiting and self._may_send()):
            return 0
        if self._resume > now:
            return min(_IDLE_S, self._resume - now)
        scan_due = self._source.due_in() if self._has_room() else None
        return min(
            pause for pause in (_IDLE_S, self._queue.due_in(), scan_due) if pause is not None
        )

    # --- answers -------------------------------------------------------------------------------

    def _listen(self, timeout_s: float) -> None:
        if self._connection.channel is None:
            self._stop.wait(timeout_s)
            return
        event = self._connection.channel.receive(timeout_s)
        while event is not None:
            self._handle(event)
            event = self._connection.channel.receive(0) if self._connection.channel else None

    def _handle(self, event: Event) -> None:
        match event:
            case Ack(ids, known):
                self._requests.answered(ids)
                self._acknowledged(self._queue.remove(ids))
                self._requests.add(known)
            case Busy(scan_id, retry_after_ms):
                self._slow_down(scan_id, retry_after_ms / 1000)
            case Nack(id=None, code=code, reason=reason):
                raise ProtocolError(code, reason)
            case Nack(id=str() as scan_id) as nack:
                self._refused(scan_id, nack)
            case InvalidMessage():
                pass  # Fr-HUB's answers to scans have no parts that can be malformed

    def _acknowledged(self, scans: list[PendingScan]) -> None:
        self._connection.proved()
        size = sum(scan.loaded.scan.voxels_bytes for scan in scans)
        self._counter.acknowledged([scan.scan_id for scan in scans], size)
        if self._allowed < self._window and scans:
            self._allowed = min(self._window, self._allowed * 2 ** min(len(scans), 16))
            self._availability.available()

    def _refused(self, scan_id: str, nack: Nack) -> None:
        scan = self._queue.in_flight.get(scan_id)
        if scan is None:
            return
        scan.refusals += 1
        if nack.retry and scan.refusals < MAX_REFUSALS:
            self._queue.postpone(scan_id, _TICK_S)
            return
        removed = self._queue.remove([scan_id])
        if nack.code is Refusal.PURGED and not self._counter.awaited([scan_id]):
            # Its report arrived before the answer to the scan: only the acknowledgement was lost.
            self._acknowledged(removed)
        else:
            for_good = nack.code in (Refusal.PURGED, Refusal.ERASED)
            reason = f"refused: {nack.reason}"
            erased = nack.code is Refusal.ERASED
            outcome = FileOutcome.ERASED if erased else FileOutcome.REFUSED
            self._counter.failed(scan.label, reason, scan_id, outcome=outcome, for_good=for_good)

    def _slow_down(self, scan_id: str, after_s: float) -> None:
        """Fr-HUB is busy. One postponed scan delays no other; once the window has shrunk to one,
        a single scan at a time probes whether Fr-HUB takes scans again."""
        # Later, never sooner, and not all senders at the same moment.
        after_s *= random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311
        self._queue.postpone(scan_id, after_s)
        self._allowed = max(1, self._allowed // 2)
        if self._allowed == 1:
            self._availability.busy()
            self._resume = time.monotonic() + after_s
