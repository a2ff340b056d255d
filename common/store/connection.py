"""The connection to MongoDB under ``DBManager``: its options, its collections, the one upsert."""

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

from common.errors import SettingsError
from common.store.collections import Collection, WakeUp
from common.store.documents import Document, without_id
from common.store.error_mapping import DUPLICATE_KEY, bulk_failure
from common.store.notifications import GOODBYE_S, Waiter, WakeUps

_OPTIONS: CodecOptions[Document] = CodecOptions(tz_aware=True)
_FAST = WriteConcern(w=1, j=False)
_LOCAL = ReadConcern("local")

BY_ID = [("_id", 1)]
"""Hint for updates of a batch of ids: left to choose, MongoDB tries the partial indexes too, anew
each time, and may walk through all that waits. Of mongod's CPU the lease of a report took 0.061 ms
without and 0.037 ms with it where 10,000 waited; where 2,500 did, the same."""

_SELECTION_S = 3.0
"""A call finds no server for so long: it is away. Callers repeat, so this only says it sooner."""


class Connection:
    """One client and the collections: what the parts of ``DBManager`` stand on.

    Writes are acknowledged with write concern majority, journaled; ``*_fast`` ones with ``w: 1``.
    """

    def __init__(self, uri: str, database: str, timeout_s: float = 10.0) -> None:
        self.uri = uri
        """With its password, if it has one: not for logs."""
        self.name = database
        self._timeout_s = timeout_s
        self.client = _client(
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
        self.chunks: MongoCollection[Document] = base[Collection.CHUNKS]
        self.uploads: MongoCollection[Document] = base[Collection.UPLOADS]
        self.audit: MongoCollection[Document] = base[Collection.AUDIT]
        self.scans_fast = self.scans.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self.uploads_fast = self.uploads.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self.reports_fast = self.reports.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self.notifications = WakeUps(base)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        # It says goodbye to the server: one that is away would hold up the exit for 30 s.
        with pymongo.timeout(GOODBYE_S):
            self.client.close()

    def waiter(self, what: WakeUp, poll_s: float) -> Waiter:
        """Something to wait on until the next ``what``, ``poll_s`` at most; for one thread, which
        closes it."""
        client = _client(
            self.uri,
            socketTimeoutMS=int((poll_s + self._timeout_s) * 1000),
            serverSelectionTimeoutMS=int(self._timeout_s * 1000),
        )
        return Waiter(client, self.database.name, what, poll_s)

    @staticmethod
    def upsert(collection: MongoCollection[Document], documents: Sequence[Document]) -> None:
        """Insert these documents where their ids are missing, durably. Repeatable."""
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


def _client(uri: str, **options: Any) -> MongoClient[Document]:
    try:
        return MongoClient(uri, appname="fr", connect=False, **options)
    except (ConfigurationError, InvalidURI, ValueError) as error:
        text = str(error)
        if "@" in uri:
            # PyMongo quotes what it could not parse, which can be a password or half of one.
            text = re.split('[:"]', text)[0].strip()
            text += " (special characters of a user name or password must be percent-encoded)"
        raise SettingsError(f"MONGODB_URI: {text}") from None
    except OSError as error:
        raise SettingsError(f"MONGODB_URI: {error.strerror}: {error.filename!r}") from error


def duplicates(error: BulkWriteError) -> list[int]:
    """Positions of the documents that were there before, if that was all that went wrong."""
    failure = bulk_failure(error)
    lines = error.details["writeErrors"]
    if error.details["writeConcernErrors"] or any(e["code"] != DUPLICATE_KEY for e in lines):
        raise failure from error
    return [line["index"] for line in lines]
