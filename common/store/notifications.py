"""Wake-ups through the store: a tiny document in a capped collection, and a tailing reader.

Measured on MongoDB 6.0.5 on a noisy 2-core machine: a reader wakes 1.2 ms after the write and
costs 0.2 % of a core while nothing happens, where polling every 20 ms costs 4 % of a core in the
reader and as much in mongod. Works on a standalone server, a replica set and through mongos;
a change stream needs a replica set, whose oplog makes large ingest 1.4 times slower.

A wake-up may be lost (fail-over, a wrapped collection): polling stays the truth.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pymongo
from pymongo import CursorType, MongoClient
from pymongo.cursor import Cursor
from pymongo.database import Database
from pymongo.errors import InvalidOperation, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from common.errors import StoreError
from common.store.collections import Collection, WakeUp
from common.store.error_mapping import translated

Document = dict[str, Any]

GOODBYE_S = 1.0
"""The longest that closing waits for a server that is away."""

_BYTES = 64 * 1024
_NAMESPACE_EXISTS = 48


class WakeUps:
    """The bell in a database. Nobody waits for MongoDB's answer to a ring, which can take as long
    as MongoDB stalls; only the next call on that connection comes after it. A thread that waited
    for it instead took a scan 6 % longer on its way to the report, on two cores."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        # On the store's own client, which knows of a new primary from the calls that are answered.
        self._bell = database[Collection.WAKE_UPS].with_options(write_concern=WriteConcern(w=0))

    def prepare(self) -> None:
        """Make the collection where it is missing."""
        try:
            # Without looking whether it is there, which would need one more privilege.
            self._database.create_collection(
                Collection.WAKE_UPS, check_exists=False, capped=True, size=_BYTES
            )
        except OperationFailure as error:
            if error.code != _NAMESPACE_EXISTS:  # another unit was faster
                raise
        # A tailing cursor on an empty capped collection is dead at once; so this one is durable.
        if self._database[Collection.WAKE_UPS].find_one() is None:
            self._database[Collection.WAKE_UPS].insert_one({"what": "made"})

    def ring(self, what: WakeUp) -> None:
        """Wake who waits for ``what``, soon. Never raises: what matters is stored already."""
        with contextlib.suppress(PyMongoError, MemoryError):  # an analyzer may have it all
            self._bell.insert_one({"what": what})


class Waiter:
    """Waits for one kind of wake-up, at most one poll interval; for one thread.

    Args:
        client: one without ``timeoutMS``, which would replace the server's waiting time, and with
            a ``socketTimeoutMS`` well above ``poll_s``.
        database: its name.
        what: the kind.
        poll_s: the longest wait, seconds.
    """

    def __init__(
        self, client: MongoClient[Document], database: str, what: WakeUp, poll_s: float
    ) -> None:
        self._client = client
        self._bell = client[database].get_collection(
            Collection.WAKE_UPS, read_concern=ReadConcern("local")
        )
        self._what = what
        self._poll_s = poll_s
        self._cursor: Cursor[Document] | None = None
        self._taken = 0

    @translated
    def wait(self) -> bool:
        """Wait; False when the poll interval passed without a wake-up. True may be a false alarm.

        What came since the last call ends the wait at once, so looking for work between two calls
        sleeps through nothing.

        Raises:
            StoreUnavailable: MongoDB is away.
        """
        cursor = self._cursor
        if cursor is None or not cursor.alive:
            if cursor is not None and not self._taken:
                # There is no bell, or mongod was started again and nobody has rung since, when it
                # gives out dead cursors only: polling is left.
                time.sleep(self._poll_s)
            self._open()
            return True  # what was there to do before, nobody told
        deadline = time.monotonic() + self._poll_s
        while time.monotonic() < deadline:
            if self._take(cursor):
                return True
            if not cursor.alive:  # the collection wrapped past it: much has happened
                return True
        return False

    def _open(self) -> None:
        # The other kinds are passed over by the server: nobody wakes up for them.
        mine = {"what": self._what}
        last = self._bell.find_one(mine, sort=[("$natural", -1)])
        cursor = self._bell.find(mine, cursor_type=CursorType.TAILABLE_AWAIT)
        self._cursor = cursor.max_await_time_ms(max(1, int(self._poll_s * 1000)))
        self._taken = 0
        for document in self._cursor:
            self._taken += 1
            if last is None or document["_id"] == last["_id"]:
                return

    def _take(self, cursor: Cursor[Document]) -> bool:
        """Wait for the next documents, take all that came at once."""
        rung = False
        while next(cursor, None) is not None:
            rung = True
            self._taken += 1
            if self._taken >= cursor.retrieved:
                break
        return rung

    def close(self) -> None:
        """Close the connections; ends a ``wait`` of another thread with an error. Idempotent."""
        # Raised by a second close where that other thread's cursor was left to the first.
        with contextlib.suppress(InvalidOperation), pymongo.timeout(GOODBYE_S):
            self._client.close()


class Listener:
    """A thread that waits for wake-ups and calls ``heard`` after each, until it is closed.

    Args:
        waiter: its own, which it closes.
        heard: called in the thread; must not raise.
        pause_s: the pause while MongoDB is away; who needs to know looks for itself meanwhile.
    """

    def __init__(self, waiter: Waiter, heard: Callable[[], None], pause_s: float) -> None:
        self._waiter = waiter
        self._heard = heard
        self._pause_s = pause_s
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="listener", daemon=True).start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                rung = self._waiter.wait()
            except StoreError:
                self._closing.wait(self._pause_s)
                continue
            if rung and not self._closing.is_set():
                self._heard()

    def close(self) -> None:
        """Stop the thread, without waiting for the end of its wait: it holds nothing."""
        self._closing.set()
        self._waiter.close()
