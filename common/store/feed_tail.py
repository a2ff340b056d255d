"""Reads the events of the feed as they are inserted, by a tailing cursor."""

import contextlib
import time
from dataclasses import dataclass, field

import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo import CursorType, MongoClient
from pymongo.cursor import Cursor
from pymongo.errors import InvalidOperation
from pymongo.read_concern import ReadConcern

from common.domain.types import Document
from common.store.collections import Collection
from common.store.damage import as_stored, decoded
from common.store.error_mapping import translated

_CLOSE_S = 1.0
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Read:
    """What was read.

    Args:
        documents: in the order in which they were inserted; perhaps none.
        anew: they begin with the oldest that is retained, and what was read before may be lost.
        more: there may be more at once.
    """

    documents: list[Document] = field(default_factory=list)
    anew: bool = False
    more: bool = False


class FeedTail:
    """Reads all retained events, then those that come. Used by one thread.

    Args:
        client: a client without ``timeoutMS``, which would replace the server's waiting time, and
            with a ``socketTimeoutMS`` well above ``wait_s``.
        database: name of the database.
        wait_s: the longest wait for events, seconds.
    """

    def __init__(self, client: MongoClient[Document], database: str, wait_s: float) -> None:
        self._client = client
        local = ReadConcern("local")
        self._events = as_stored(
            client[database].get_collection(Collection.EVENTS, read_concern=local)
        )
        self._wait_s = wait_s
        self._cursor: Cursor[RawBSONDocument] | None = None
        self._received = 0
        self._last: object = None
        self._passing = False

    @translated
    def read(self) -> Read:
        """The next documents; waits for them.

        Raises:
            StoreUnavailable: MongoDB is unreachable. The next call continues where this one began.
        """
        anew = False
        cursor = self._cursor
        if cursor is None or not cursor.alive:
            if cursor is not None and not self._received:
                time.sleep(self._wait_s)  # the collection is empty or missing: it dies at once
            cursor, anew = self._open()
        documents: list[Document] = []
        while (raw := next(cursor, None)) is not None:
            self._received += 1
            document = decoded(raw)
            if self._passing:
                self._passing = document["_id"] != self._last
            else:
                documents.append(document)
            if self._received >= cursor.retrieved and not self._passing:
                break
        if self._passing:  # the collection wrapped past it meanwhile
            self._cursor = self._last = None
        if documents:
            self._last = documents[-1]["_id"]
        return Read(documents, anew, more=len(documents) >= _PAGE)

    def _open(self) -> tuple[Cursor[RawBSONDocument], bool]:
        self._cursor = None
        known = self._last is not None and self._has_last()
        cursor = self._events.find({}, cursor_type=CursorType.TAILABLE_AWAIT, batch_size=_PAGE)
        self._cursor = cursor.max_await_time_ms(max(1, int(self._wait_s * 1000)))
        self._received, self._passing = 0, known
        return self._cursor, not known

    def _has_last(self) -> bool:
        return self._events.find_one({"_id": self._last}, {"_id": 1}) is not None

    def close(self) -> None:
        """Close the connections; ends a ``read`` of another thread with an error. Idempotent."""
        with contextlib.suppress(InvalidOperation), pymongo.timeout(_CLOSE_S):
            self._client.close()
