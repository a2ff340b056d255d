"""Fr-PACS' client: one thread and connection that streams scans to Fr-HUB and awaits their acks."""

import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from common.domain.types import HUB_NAME
from common.domain.voxel_compression import pack
from common.errors import PeerAway, ProtocolError, Refusal, SourceError
from common.runtime.logger import AvailabilityLog
from common.runtime.retry import backoff_s
from common.settings.loading import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.connection_policy import PLAIN, ConnectionPolicy
from common.wire.constants import INLINE_VOXELS_MAX
from common.wire.messages import Ack, Busy, Event, InvalidMessage, Message, Nack, Scan
from common.wire.protocol import Side
from common.wire.scan_transfer import scan_messages
from fr_pacs.rate_limit import Feed
from fr_pacs.run_counts import Tally
from fr_pacs.sources.base import LoadedScan

HELD_BYTES = 4096
"""What a scan that is kept takes beside its voxels."""

SMALL_TOGETHER = 128
"""Small scans sent in one write."""

TRIES = 5
"""A scan that Fr-HUB refuses with hope (damaged on its way) is sent so often."""

_JITTER = 0.5

_DAMAGED = frozenset({Refusal.MALFORMED, Refusal.TOO_LARGE, Refusal.UNEXPECTED})
"""What a link that changes bits makes of a greeting: the next one may arrive whole."""

_CONNECT_S = 3.0
_TICK_S = 0.1
_IDLE_S = 1.0
"""The longest that a thread listens before it looks whether it is time to stop."""
_POLL_EVERY_CHUNKS = 16


@dataclass(slots=True)
class _Held:
    """A scan that is not acknowledged."""

    label: str
    loaded: LoadedScan
    sent: bool = False
    number: int = 0  # of the scans of its thread
    refusals: int = 0
    not_before: float = 0.0

    @property
    def scan_id(self) -> str:
        return self.loaded.scan.scan_id

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.loaded.voxels) + HELD_BYTES

    @property
    def is_small(self) -> bool:
        return self.loaded.scan.voxels_bytes <= INLINE_VOXELS_MAX


@dataclass(slots=True)
class _Hold:
    """What is kept until it is acknowledged: waiting to be sent, put off, or in flight."""

    waiting: deque[_Held] = field(default_factory=deque)
    put_off: list[_Held] = field(default_factory=list)
    in_flight: dict[str, _Held] = field(default_factory=dict)
    bytes: int = 0

    def __len__(self) -> int:
        return len(self.waiting) + len(self.put_off) + len(self.in_flight)

    def everything(self) -> list[_Held]:
        """All of them, in no order."""
        return [*self.in_flight.values(), *self.waiting, *self.put_off]

    def take_up(self, now: float) -> None:
        """What was put off and is due waits again, all by their age: none is passed for ever."""
        due = [held for held in self.put_off if held.not_before <= now]
        if due:
            self.put_off = [held for held in self.put_off if held.not_before > now]
            self.waiting = deque(sorted([*due, *self.waiting], key=lambda held: held.number))


class ScanClient:
    """Streams scans of a feed until it is exhausted or ``stop`` is set.

    While Fr-HUB is away, scans are kept up to this thread's share of the buffer. Beyond it files
    wait; synthetic scans, which go on as a scanner does, count as failed.
    """

    def __init__(
        self,
        settings: PacsSettings,
        feed: Feed,
        tally: Tally,
        availability: AvailabilityLog,
        stop: threading.Event,
        on_fatal: Callable[[Exception], None],
        policy: ConnectionPolicy = PLAIN,
    ) -> None:
        self._policy = policy
        self._hub = HUB_NAME if policy.tls or policy.secret else None
        self._settings = settings
        self._feed = feed
        self._tally = tally
        self._availability = availability
        self._stop = stop
        self._on_fatal = on_fatal
        self._hold = _Hold()
        self._share = settings.buffer_mib * 2**20 // settings.threads
        self._channel: Channel | None = None
        self._window = 1  # until Fr-HUB tells
        self._allowed = 1  # in flight: halved by each "busy", doubled by each ack
        self._resume = 0.0  # nothing is sent before, time.monotonic()
        self._numbers = itertools.count()
        self._failures = 0
        self._next_try = 0.0
        self._full_since: float | None = None
        self._patience_s = settings.patience_s
        if settings.pace is not None:
            self._patience_s = min(settings.patience_s, settings.threads / settings.pace)

    def run(self) -> None:
        """The thread's whole life; a refusal that no retry can mend is told and ends it."""
        try:
            while not self._stop.is_set() and not (self._feed.exhausted and not self._hold):
                self._turn()
            self._drain()
        except Exception as error:  # noqa: BLE001 - a thread's error must reach the main thread
            self._on_fatal(error)
        finally:
            self._disconnect()
            for held in self._hold.everything():
                self._tally.failed(held.label, "not acknowledged when stopped", held.scan_id)

    def _turn(self) -> None:
        self._connect()
        self._refill()
        try:
            self._send_waiting()
            self._listen(self._pause())
        except (PeerAway, ProtocolError) as error:
            self._lost(error)

    def _drain(self) -> None:
        """Stopped: what is in flight may still be acknowledged."""
        deadline = time.monotonic() + self._settings.pacs_drain_s
        while self._hold.in_flight and self._channel and time.monotonic() < deadline:
            try:
                self._listen(_TICK_S)
            except (PeerAway, ProtocolError):
                return

    # --- connection ----------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._channel is not None or time.monotonic() < self._next_try:
            return
        settings = self._settings
        try:
            channel = Channel.connect(
                (settings.hub_host, settings.hub_port),
                Side.SCAN_SENDER,
                settings.frame_limit_kib * 1024,
                settings.idle_timeout_s,
                _CONNECT_S,
                self._policy,
            )
            welcome = channel.greet(settings.pacs_name, self._hub)
        except PeerAway as error:
            self._lost(error)
        except ProtocolError as error:
            if not error.retry and error.code not in _DAMAGED:
                raise
            self._lost(error)
        else:
            self._channel = channel
            self._window = self._allowed = max(1, welcome.window)
            self._failures = 0
            self._availability.available()

    def _lost(self, error: Exception) -> None:
        self._availability.unavailable(error)
        self._disconnect()
        # Nobody knows which of these arrived: all again, in their order.
        self._hold.waiting.extendleft(reversed(self._hold.in_flight.values()))
        self._hold.in_flight.clear()
        self._next_try = time.monotonic() + backoff_s(self._failures)
        self._failures += 1

    def _disconnect(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    # --- taking scans --------------------------------------------------------------------------

    def _has_room(self) -> bool:
        """The buffer is for when Fr-HUB is away; else no more is taken than can be in flight."""
        away = self._channel is None
        return self._hold.bytes < self._share and (away or len(self._hold) < self._window)

    def _refill(self) -> None:
        if not self._has_room():
            self._wait_or_fail()
            return
        self._full_since = None
        for _ in range(SMALL_TOGETHER):
            task = self._feed.take() if self._has_room() else None
            if task is None:
                return
            try:
                loaded = task.load()
            except SourceError as error:
                self._tally.failed(task.label, str(error))
                continue
            held = _Held(task.label, self._packed(loaded), number=next(self._numbers))
            self._hold.waiting.append(held)
            self._hold.bytes += held.size
            if not held.is_small:
                return  # it can be on its way while the next is made

    def _packed(self, loaded: LoadedScan) -> LoadedScan:
        """A large scan compressed, where that is wanted and worth it. In C, without Python's lock:
        other threads send meanwhile."""
        scan = loaded.scan
        if not self._settings.compression or scan.voxels_bytes <= INLINE_VOXELS_MAX:
            return loaded
        packed = pack(loaded.voxels, scan.voxel_bytes)
        return loaded if packed is None else LoadedScan(scan, *packed)

    def _wait_or_fail(self) -> None:
        """The buffer is full. While Fr-HUB takes scans, that only slows the stream."""
        now = time.monotonic()
        if self._feed.waits or self._channel is not None:
            self._full_since = None
            return
        self._full_since = self._full_since or now
        if now - self._full_since >= self._patience_s and (task := self._feed.take()):
            self._full_since = now
            self._tally.failed(task.label, "Fr-HUB is away and the buffer is full (BUFFER_MIB)")

    # --- sending -------------------------------------------------------------------------------

    def _send_waiting(self) -> None:
        """Send what waits, as far as the window allows; small scans many at a time."""
        hold = self._hold
        hold.take_up(time.monotonic())
        while hold.waiting and self._channel is not None and self._may_send():
            room = min(SMALL_TOGETHER, self._allowed - len(hold.in_flight))
            together = list(itertools.islice(hold.waiting, room))
            small = list(itertools.takewhile(lambda held: held.is_small, together))
            self._begin(small or together[:1])
            if small:
                self._channel.send(*(Scan(h.loaded.scan, h.loaded.voxels) for h in small))
            else:
                self._send_large(self._channel, together[0])

    def _may_send(self) -> bool:
        return len(self._hold.in_flight) < self._allowed and time.monotonic() >= self._resume

    def _begin(self, chosen: list[_Held]) -> None:
        """These go out now: in flight from before the first byte, as an answer may come at once."""
        new = [held for held in chosen if not held.sent]
        self._tally.sent([held.scan_id for held in new], [held.label for held in new])
        for held in chosen:
            self._hold.waiting.popleft()
            self._hold.in_flight[held.scan_id] = held
            held.sent = True

    def _send_large(self, channel: Channel, held: _Held) -> None:
        for n, message in enumerate(self._messages(held), 1):
            channel.send(message)
            if n % _POLL_EVERY_CHUNKS == 0:
                self._listen(0)
            if held.scan_id not in self._hold.in_flight:
                return  # refused: the rest of it is not wanted

    @staticmethod
    def _messages(held: _Held) -> Iterator[Message]:
        loaded = held.loaded
        return scan_messages(loaded.scan, loaded.voxels, loaded.packing)

    def _pause(self) -> float:
        """How long nothing but an answer can give this thread work, seconds."""
        hold = self._hold
        now = time.monotonic()
        if self._channel is None:
            return min(_TICK_S, max(0.0, self._next_try - now))
        if hold.waiting and self._may_send():
            return 0
        pause = _IDLE_S
        if self._resume > now:
            return min(pause, self._resume - now)
        if hold.put_off:
            pause = min(pause, max(0.0, min(held.not_before for held in hold.put_off) - now))
        due = self._feed.due_in()
        if due is not None and self._has_room():
            pause = min(pause, due)
        return pause

    # --- answers -------------------------------------------------------------------------------

    def _listen(self, timeout_s: float) -> None:
        if self._channel is None:
            self._stop.wait(timeout_s)
            return
        event = self._channel.receive(timeout_s)
        while event is not None:
            self._handle(event)
            event = self._channel.receive(0) if self._channel else None

    def _handle(self, event: Event) -> None:
        hold = self._hold
        match event:
            case Ack(ids):
                done = [held for scan_id in ids if (held := hold.in_flight.pop(scan_id, None))]
                hold.bytes -= sum(held.size for held in done)
                size = sum(held.loaded.scan.voxels_bytes for held in done)
                self._tally.acknowledged([held.scan_id for held in done], size)
                if self._allowed < self._window and done:
                    self._allowed = min(self._window, self._allowed * 2 ** min(len(done), 16))
                    self._availability.available()
            case Busy(scan_id, retry_after_ms):
                self._slow_down(scan_id, retry_after_ms / 1000)
            case Nack(id=None, code=code, reason=reason):
                raise ProtocolError(code, reason)
            case Nack(id=str() as scan_id, reason=reason, retry=retry):
                held = hold.in_flight.get(scan_id)
                if held is None:
                    return
                held.refusals += 1
                if retry and held.refusals < TRIES:
                    self._again(scan_id, _TICK_S)
                    return
                del hold.in_flight[scan_id]
                hold.bytes -= held.size
                self._tally.failed(held.label, f"refused: {reason}", scan_id)
            case InvalidMessage():
                pass  # answers have no flaws of their own

    def _slow_down(self, scan_id: str, after_s: float) -> None:
        """Not now. One scan that is put off holds up no other; when all are, one at a time asks
        whether Fr-HUB takes scans again."""
        # Later, never sooner, and not all senders at the same moment.
        after_s *= random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311
        self._again(scan_id, after_s)
        self._allowed = max(1, self._allowed // 2)
        if self._allowed == 1:
            self._availability.busy()
            self._resume = time.monotonic() + after_s

    def _again(self, scan_id: str, after_s: float) -> None:
        held = self._hold.in_flight.pop(scan_id, None)
        if held is not None:
            held.not_before = time.monotonic() + after_s
            self._hold.put_off.append(held)
