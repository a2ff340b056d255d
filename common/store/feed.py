"""The feed: each committed batch of changes writes one small event, which the API tells to all who
watch.

**What it promises.** Nobody who watches misses a change for good: they get its event, perhaps more
than once and perhaps late, or are told ``reset``, and read again what they show.

**Why it needs no round trip.** Events are inserted without waiting for an answer (``w: 0``), after
the change is durable. So an event may be lost: MongoDB or the writer is killed between the two, or
a new primary does not have it. Such a loss is found, not prevented:

* Each writer, one for each process, numbers its documents. A number that does not come within
  ``fr_hub.web.live.writers.LATE_S`` is a lost event.
* A writer that announced itself writes a document every ``BEAT_S`` seconds, so the loss of its last
  event is found, too. One that ends in order says so. One that falls silent without that was
  killed, perhaps between a change and its event, or lost its connection.
* A writer announces itself, and waits for that, before it changes anything: units when they start,
  commands before their first change (``begin``).
* If MongoDB was killed and lost the end of the collection, what the reader had read last is gone.

In each of these cases the reader tells ``reset``.

**The order.** The collection is capped. MongoDB returns its documents in the order in which they
were inserted, and shows none before those that it inserted earlier (on a replica set, such inserts
wait for each other), so a tailing cursor passes over none. Two writers may still write in another
order than that of their changes: a processor may claim a scan before Fr-HUB has told that it is
there, and a report may be delivered before the processor has told that it is ready. So events of
scans have the fence of the claim, those of reports the revision, and readers drop the late ones
(``feed_documents.place_of``).

**The numbers** that clients see are made by the readers, all in the same way, from the order and
the times of the documents (``fr_hub.web.live.ring``): a counter in MongoDB would cost a round trip
for each batch, and what its writer took and never wrote would be a gap that means nothing.

What is written here has no personal data: keys, states, Fr-PACS, priorities, revisions.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable

import pymongo
from bson.errors import BSONError
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from common.domain.types import Document
from common.store.error_mapping import translated
from common.store.feed_documents import Change
from common.store.server_clock import ServerClock

BEAT_S = 10.0
"""How often a writer that announced itself writes at least, seconds."""

_CLOSE_S = 1.0


class Feed:
    """Writes events, as one writer. Thread-safe.

    Args:
        events: the collection.
        clock: gives events their times.
    """

    def __init__(self, events: MongoCollection[Document], clock: ServerClock) -> None:
        self._unacknowledged = events.with_options(write_concern=WriteConcern(w=0))
        self._acknowledged = events.with_options(write_concern=WriteConcern(w=1, j=False))
        self._clock = clock
        self.writer = secrets.token_hex(6)
        """The name of this writer."""
        self._lock = threading.Lock()
        self._announcing = threading.Lock()
        self._number = 0
        self._closing = threading.Event()
        self._beating: threading.Thread | None = None

    def tell(self, *changes: Change) -> None:
        """Tell what has changed. Never raises: the change is committed, and if its event is lost,
        readers find that out."""
        told = [change.packed() for change in changes if change.keys]
        if told:
            # MemoryError: an analyzer in this process may have used up the memory.
            with contextlib.suppress(PyMongoError, BSONError, MemoryError):
                self._unacknowledged.insert_one(self._document(e=told))

    @translated
    def begin(self) -> None:
        """Announce this writer, unless it is announced. To be called before a change.

        Raises:
            StoreUnavailable: MongoDB is unreachable.
        """
        with self._announcing:  # nobody changes anything while another one announces
            if (beating := self._to_beat(None)) is None:
                return
            try:
                # A user without the right still makes the change: the feed does not decide that.
                with contextlib.suppress(OperationFailure):
                    self._acknowledged.insert_one(self._document(o=True))
            except PyMongoError:
                self._beating = None  # the next change announces it
                raise
            beating.start()

    def open(self, on_beat: Callable[[], object] | None = None) -> None:
        """Announce this writer, and write from now on at least every ``BEAT_S`` seconds.

        Args:
            on_beat: called as often, in a thread; must not raise.
        """
        with self._announcing:
            if (beating := self._to_beat(on_beat)) is not None:
                with contextlib.suppress(PyMongoError):  # the next beat announces it
                    self._acknowledged.insert_one(self._document(o=True))
                beating.start()

    def _to_beat(self, on_beat: Callable[[], object] | None) -> threading.Thread | None:
        """The thread to start; None if it was started before."""
        with self._lock:
            if self._beating is not None or self._closing.is_set():
                return None
            self._beating = threading.Thread(
                target=self._beat, args=(on_beat,), name="feed", daemon=True
            )
            return self._beating

    def _beat(self, on_beat: Callable[[], object] | None) -> None:
        while not self._closing.wait(BEAT_S):
            with contextlib.suppress(PyMongoError, MemoryError):
                self._acknowledged.insert_one(self._document())
            if on_beat is not None:
                on_beat()

    def _document(self, **more: object) -> Document:
        with self._lock:
            self._number += 1
            number = self._number
        return {"w": self.writer, "s": number, "at": self._clock.now_us(), **more}

    def close(self) -> None:
        """Say that this writer ends in order, if it has written anything. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._number:
            with contextlib.suppress(PyMongoError), pymongo.timeout(_CLOSE_S):
                self._acknowledged.insert_one(self._document(x=True))
