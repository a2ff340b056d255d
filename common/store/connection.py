"""The connection to MongoDB: its options, its collections, and the upsert that all parts use."""

import re
from collections.abc import Sequence
from typing import Any

import pymongo
from bson.codec_options import CodecOptions
from pymongo import MongoClient, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError, ConfigurationError, InvalidURI
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from common.domain.types import Document
from common.errors import SettingsError
from common.store.collections import Collection, Notification
from common.store.documents import without_id
from common.store.error_mapping import DUPLICATE_KEY, bulk_failure
from common.store.feed import Feed
from common.store.feed_tail import FeedTail
from common.store.notifications import CLOSE_TIMEOUT_S, Notifications, Subscription
from common.store.server_clock import ServerClock

_OPTIONS: CodecOptions[Document] = CodecOptions(tz_aware=True)
_FAST = WriteConcern(w=1, j=False)
_LOCAL = ReadConcern("local")

BY_ID = [("_id", 1)]
"""Hint for updates of a batch of ids. Without it, MongoDB tries the partial indexes too, each time,
and may scan everything that waits. Leasing a report took 0.061 ms of mongod's CPU without the hint
and 0.037 ms with it where 10,000 reports waited; where 2,500 did, the same."""

_SELECTION_S = 3.0
"""Seconds that a call looks for a server before it fails. Callers retry; a short time only reports
an unreachable MongoDB sooner."""


class Connection:
    """One client and the collections, shared by the parts of ``DBManager``.

    Writes wait for a journaled majority; writes to the ``*_fast`` collections use ``w: 1``.
    """

    def __init__(self, uri: str, database: str, timeout_s: float = 10.0) -> None:
        self.uri = uri
        """May contain a password: never log it."""
        self.name = database
        self.timeout_s = timeout_s
        self.client = new_client(
            uri,
            w="majority",
            journal=True,
            readConcernLevel="majority",
            retryWrites=True,
            readPreference="primary",
            timeoutMS=int(timeout_s * 1000),
            serverSelectionTimeoutMS=int(min(timeout_s, _SELECTION_S) * 1000),
        )
        base = self.client.get_database(database, codec_options=_OPTIONS)
        self.database = base
        self.scans: MongoCollection[Document] = base[Collection.SCANS]
        self.reports: MongoCollection[Document] = base[Collection.REPORTS]
        self.history: MongoCollection[Document] = base[Collection.HISTORY]
        self.pictures: MongoCollection[Document] = base[Collection.PICTURES]
        self.labels: MongoCollection[Document] = base[Collection.LABELS]
        self.chunks: MongoCollection[Document] = base[Collection.CHUNKS]
        self.uploads: MongoCollection[Document] = base[Collection.UPLOADS]
        self.audit: MongoCollection[Document] = base[Collection.AUDIT]
        self.meta: MongoCollection[Document] = base[Collection.META]
        self.users: MongoCollection[Document] = base[Collection.USERS]
        self.tokens: MongoCollection[Document] = base[Collection.TOKENS]
        self.sessions: MongoCollection[Document] = base[Collection.SESSIONS]
        self.requests: MongoCollection[Document] = base[Collection.REQUESTS]
        self.patients: MongoCollection[Document] = base[Collection.PATIENTS]
        self.measurements: MongoCollection[Document] = base[Collection.MEASUREMENTS]
        self.units: MongoCollection[Document] = base[Collection.UNITS]
        self.audit_open: MongoCollection[Document] = base[Collection.AUDIT_OPEN]
        self.audit_exports: MongoCollection[Document] = base[Collection.AUDIT_EXPORTS]
        self.scans_fast = self.scans.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self.audit_open_fast = self.audit_open.with_options(
            write_concern=_FAST, read_concern=_LOCAL
        )
        self.uploads_fast = self.uploads.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self.reports_fast = self.reports.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self.units_fast = self.units.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self.sessions_fast = self.sessions.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self.notifications = Notifications(base)
        self.clock = ServerClock(base)
        self.feed = Feed(base[Collection.EVENTS], self.clock)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        # Closing sends a last command; an unreachable server would delay the exit by 30 s.
        with pymongo.timeout(CLOSE_TIMEOUT_S):
            self.feed.close()
            self.client.close()

    def tail(self, wait_s: float) -> FeedTail:
        """Reads the events of the feed, from the oldest one on; each ``read`` waits ``wait_s``
        seconds at most. Used by one thread, which closes it."""
        client = new_client(
            self.uri,
            socketTimeoutMS=int((wait_s + self.timeout_s) * 1000),
            serverSelectionTimeoutMS=int(min(self.timeout_s, _SELECTION_S) * 1000),
        )
        return FeedTail(client, self.database.name, wait_s)

    def subscribe(self, what: Notification, poll_s: float) -> Subscription:
        """A subscription to notifications of ``what``, whose ``wait`` takes ``poll_s`` seconds at
        most. Used by one thread, which closes it."""
        client = new_client(
            self.uri,
            socketTimeoutMS=int((poll_s + self.timeout_s) * 1000),
            serverSelectionTimeoutMS=int(self.timeout_s * 1000),
        )
        return Subscription(client, self.database.name, what, poll_s)

    @staticmethod
    def upsert(collection: MongoCollection[Document], documents: Sequence[Document]) -> None:
        """Insert the documents whose ids are missing, durably. Repeatable."""
        if documents:
            try:
                collection.bulk_write(
                    [
                        UpdateOne({"_id": d["_id"]}, {"$setOnInsert": without_id(d)}, upsert=True)
                        for d in documents
                    ],
                    ordered=False,
                )
            except BulkWriteError as error:
                raise bulk_failure(error) from error


def new_client(uri: str, **options: Any) -> MongoClient[Document]:
    """A client with these options, not connected yet.

    Raises:
        SettingsError: the URI is wrong; the message holds no password.
    """
    try:
        return MongoClient(uri, appname="fr", connect=False, **options)
    except (ConfigurationError, InvalidURI, ValueError) as error:
        text = str(error)
        if "@" in uri:
            # PyMongo quotes what it could not parse, which may be part of a password.
            text = re.split('[:"]', text)[0].strip()
            text += " (special characters of a user name or password must be percent-encoded)"
        raise SettingsError(f"MONGODB_URI: {text}") from None
    except OSError as error:
        raise SettingsError(f"MONGODB_URI: {error.strerror}: {error.filename!r}") from error


def duplicates(error: BulkWriteError) -> list[int]:
    """Positions of the documents whose ids existed before.

    Raises:
        StoreError: something else failed too.
    """
    failure = bulk_failure(error)
    lines = error.details["writeErrors"]
    if error.details["writeConcernErrors"] or any(e["code"] != DUPLICATE_KEY for e in lines):
        raise failure from error
    return [line["index"] for line in lines]
