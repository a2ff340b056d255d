"""Reads the feed in a thread, for all who watch in this process."""

import contextlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.domain.types import Document
from common.errors import StoreError
from common.runtime.logger import AvailabilityLog, Log
from common.store.damage import UNDECODABLE, whole
from common.store.feed_documents import Change, ChangeKind, place_of, unpacked
from common.store.feed_tail import FeedTail
from common.store.scan_states import ScanStates
from fr_hub.web.live.ring import Batch, numbered
from fr_hub.web.live.writers import Writers

WAIT_S = 1.0
"""The longest wait for events, after which lost ones are looked for, seconds."""

_PAUSE_S = 0.5
_PLACES_MAX = 200_000
"""The most scans and reports of which the last place in their lives is known."""


_Place = tuple[int, int, bool]
"""As of ``place_of``, and whether it was looked up: whoever looks sees at least what led there, so
an event with the same place that comes later is late."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was read.

    Args:
        batches: in order.
        anew: they are not known to follow those before.
        lost: an event before now was lost.
        caught_up: these are the last ones there are.
    """

    batches: Sequence[Batch]
    anew: bool
    lost: bool
    caught_up: bool


class Reader:
    """A thread that reads until it is closed.

    Args:
        tail: where it reads; closed with it.
        states: looks up scans.
        on_read: called in the thread with what was read; must not raise.
        log: where it is told that the store cannot be reached.
    """

    def __init__(
        self, tail: FeedTail, states: ScanStates, on_read: Callable[[Taken], None], log: Log
    ) -> None:
        self._tail = tail
        self._states = states
        self._on_read = on_read
        self._log = log
        self._availability = AvailabilityLog(log, "MongoDB")
        self._closing = threading.Event()
        self._writers = Writers()
        self._places: OrderedDict[tuple[ChangeKind, str], _Place] = OrderedDict()
        self._last = 0
        self._offset = 0.0  # of the server's clock to this process's monotonic one
        self._caught_up = False
        threading.Thread(target=self._run, name="feed reader", daemon=True).start()

    def close(self) -> None:
        """Stop the thread, without waiting for it."""
        self._closing.set()
        self._tail.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._read()
                continue
            except StoreError as error:
                if not self._closing.is_set():
                    self._availability.unavailable(error)
            except Exception as error:  # noqa: BLE001 - streams must not fall silent for ever
                self._log.error("events could not be read", error=type(error).__name__)
                self._on_read(Taken([], anew=False, lost=True, caught_up=self._caught_up))
            self._closing.wait(_PAUSE_S)

    def _read(self) -> None:
        read = self._tail.read()
        self._availability.available()
        if read.anew:
            self._writers, self._last, self._offset = Writers(), 0, -math.inf
            self._places.clear()
            self._caught_up = False
        batches = [b for one in read.documents if (b := self._batch(one)) is not None]
        self._caught_up = self._caught_up or not read.more
        lost = self._caught_up and self._writers.is_lost(self._now)
        if batches or read.anew or lost or self._caught_up:
            self._on_read(Taken(batches, read.anew, lost, self._caught_up))

    @property
    def _now(self) -> float:
        """The server's time in seconds, at least."""
        return time.monotonic() + self._offset

    def _batch(self, document: Document) -> Batch | None:
        """The batch of a document; None if nothing is to be told of it."""
        writer, number = document.get("w"), whole(document.get("s"))
        at_us, changes = whole(document.get("at")), unpacked(document.get("e"))
        if (
            UNDECODABLE in document
            or not isinstance(writer, str)
            or number is None
            or at_us is None
            or changes is None
        ):
            return None  # its number is missing then
        if not self._caught_up:
            self._offset = max(self._offset, at_us / 1e6 - time.monotonic())
        heard = self._now if self._caught_up else at_us / 1e6
        self._writers.heard(
            writer, number, heard, announced="e" not in document, ended="x" in document
        )
        told = [one for change in changes for one in self._looked_up(change) if one.keys]
        if not told:
            return None
        before, self._last = self._last, numbered(self._last, at_us)
        return Batch(self._last, before, at_us, told)

    def _looked_up(self, change: Change) -> list[Change]:
        is_report = change.kind is ChangeKind.REPORT
        if change.kind is ChangeKind.LOOK or (is_report and "revision" not in change.facts):
            return self._now_of(change, is_report)
        if is_report or change.kind is ChangeKind.SCAN:
            return [self._in_order(change)]
        return [change]

    def _now_of(self, change: Change, is_report: bool) -> list[Change]:
        found: list[Change] = []
        look = self._states.of_reports if is_report else self._states.of
        if self._caught_up:
            with contextlib.suppress(StoreError):
                found = look(change.keys)
        if not found:  # of old ones, clients look up what they show
            return [Change(ChangeKind.REPORT if is_report else ChangeKind.SCAN, change.keys)]
        for one in found:
            self._note(one, looked_up=True)
        return found

    def _in_order(self, change: Change) -> Change:
        """The change without scans or reports of which a later event came before."""
        if (found := place_of(change)) is None:
            return change
        place = (*found, False)
        known = self._places
        keys = [key for key in change.keys if known.get((change.kind, key), place) <= place]
        one = change if len(keys) == len(change.keys) else Change(change.kind, keys, change.facts)
        self._note(one)
        return one

    def _note(self, change: Change, *, looked_up: bool = False) -> None:
        if (place := place_of(change)) is None:
            return
        for key in change.keys:
            self._places[change.kind, key] = (*place, looked_up)
            self._places.move_to_end((change.kind, key))
        while len(self._places) > _PLACES_MAX:
            self._places.popitem(last=False)
