"""Notifications through the store: tiny documents in a capped collection, and tailing cursors.

Measured on MongoDB 6.0.5 on a noisy 2-core machine: a reader wakes 1.2 ms after the write and
costs 0.2 % of a core while idle; polling every 20 ms costs 4 % of a core in the reader and as much
in mongod. It works on a standalone server, a replica set and through mongos. A
change stream would need a replica set, whose oplog makes storing large scans 1.4 times slower.

A notification may be lost (a fail-over, a wrapped collection), so subscribers must also poll.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

import pymongo
from pymongo import CursorType, MongoClient
from pymongo.cursor import Cursor
from pymongo.database import Database
from pymongo.errors import InvalidOperation, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from common.domain.types import Document
from common.errors import StoreError
from common.store.collections import Collection, Notification
from common.store.error_mapping import translated

CLOSE_TIMEOUT_S = 1.0
"""How long closing waits for an unreachable server, seconds."""


class Notifications:
    """Publishes notifications without waiting for MongoDB's answer, which can take as long as
    MongoDB stalls; only the next call on that connection is delayed. Publishing in a thread that
    waits for the answer took 6 % longer from scan to report, on two cores."""

    def __init__(self, database: Database[Document]) -> None:
        # On the store's own client, whose acknowledged calls learn of a new primary.
        self._collection = database[Collection.NOTIFICATIONS].with_options(
            write_concern=WriteConcern(w=0)
        )

    def publish(self, what: Notification, named: Sequence[str] = ()) -> None:
        """Wake the subscribers of ``what`` soon. Never raises: the data is already stored.

        Args:
            what: the kind of notification.
            named: the keys of the scans that it is about, which must be durable. A single one is
                named in the notification, so a subscriber can take it without a search. For
                several, a search costs less than it saves.
        """
        notification: Document = {"what": what}
        if len(named) == 1:
            notification["named"] = named[0]
        # MemoryError: an analyzer in this process may have used up the memory.
        with contextlib.suppress(PyMongoError, MemoryError):
            self._collection.insert_one(notification)


class Subscription:
    """Waits for one kind of notification; used by one thread.

    Args:
        client: a client without ``timeoutMS``, which would replace the server's waiting time, and
            with a ``socketTimeoutMS`` well above ``poll_s``.
        database: name of the database.
        what: the kind of notification.
        poll_s: the longest wait, seconds.
    """

    def __init__(
        self, client: MongoClient[Document], database: str, what: Notification, poll_s: float
    ) -> None:
        self._client = client
        self._collection = client[database].get_collection(
            Collection.NOTIFICATIONS, read_concern=ReadConcern("local")
        )
        self._what = what
        self._poll_s = poll_s
        self._cursor: Cursor[Document] | None = None
        self._received = 0
        self.named: str | None = None
        """The key of the scan that the last wait ended for; None: of several, or of none that is
        known."""

    @translated
    def wait(self) -> bool:
        """Wait for a notification; False if the poll interval passed without one. True may be a
        false alarm.

        A notification since the last call ends the wait immediately, so a caller that looks for
        work between two calls misses none.

        Raises:
            StoreUnavailable: MongoDB is unreachable.
        """
        self.named = None
        cursor = self._cursor
        if cursor is None or not cursor.alive:
            if cursor is not None and not self._received:
                # The collection is missing, or mongod was restarted and nobody has published
                # since: then it returns only dead cursors, and polling is all that is left.
                time.sleep(self._poll_s)
            self._open()
            return True  # work from before the subscription was not announced
        deadline = time.monotonic() + self._poll_s
        while time.monotonic() < deadline:
            if self._receive(cursor):
                return True
            if not cursor.alive:  # the collection wrapped past the cursor: much has happened
                return True
        return False

    def _open(self) -> None:
        # The server skips the other kinds, so they wake nobody.
        mine = {"what": self._what}
        last = self._collection.find_one(mine, sort=[("$natural", -1)])
        cursor = self._collection.find(mine, cursor_type=CursorType.TAILABLE_AWAIT)
        self._cursor = cursor.max_await_time_ms(max(1, int(self._poll_s * 1000)))
        self._received = 0
        for document in self._cursor:
            self._received += 1
            if last is None or document["_id"] == last["_id"]:
                return

    def _receive(self, cursor: Cursor[Document]) -> bool:
        """Wait for the next documents and read all that arrived together."""
        read: list[Document] = []
        while (document := next(cursor, None)) is not None:
            read.append(document)
            self._received += 1
            if self._received >= cursor.retrieved:
                break
        if len(read) == 1 and isinstance(named := read[0].get("named"), str):
            self.named = named
        return bool(read)

    def close(self) -> None:
        """Close the connections; ends a ``wait`` of another thread with an error. Idempotent."""
        # A second close raises this if the first left another thread's cursor to it.
        with contextlib.suppress(InvalidOperation), pymongo.timeout(CLOSE_TIMEOUT_S):
            self._client.close()


class NotificationListener:
    """A thread that calls ``on_notification`` after each notification, until it is closed.

    Args:
        subscription: used by this listener alone, which closes it.
        on_notification: called in the thread with the key of the scan that the notification is
            about, or None; must not raise.
        pause_s: seconds between tries while MongoDB is unreachable.
    """

    def __init__(
        self,
        subscription: Subscription,
        on_notification: Callable[[str | None], None],
        pause_s: float,
    ) -> None:
        self._waiter = subscription
        self._on_notification = on_notification
        self._pause_s = pause_s
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="listener", daemon=True).start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                notified = self._waiter.wait()
            except StoreError:
                self._closing.wait(self._pause_s)
                continue
            if notified and not self._closing.is_set():
                self._on_notification(self._waiter.named)

    def close(self) -> None:
        """Stop the thread, without waiting for it: it holds no resources."""
        self._closing.set()
        self._waiter.close()
