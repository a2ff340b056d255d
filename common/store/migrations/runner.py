"""Runs the migrations: ``fr migrate``, and whoever starts the embedded MongoDB.

Several may run at once, on any hosts, and each may be killed at any point: each step is repeatable
and changes a document at most once. The version is written last, after all steps. Units of earlier
releases must not run meanwhile, as they would go on writing documents of the old form.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bson.codec_options import CodecOptions
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from common.domain.types import Document
from common.store.collections import Collection
from common.store.connection import new_client
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.migrations.accounts import ACCOUNTS
from common.store.migrations.declared import COLLECTIONS, INDEXES
from common.store.migrations.open_chains import OPEN_CHAINS
from common.store.migrations.scan_keys import KEYS
from common.store.migrations.step import MigrationStopped, Progress, Step, Work
from common.store.migrations.waiting_schema import WAITING_SCHEMA
from common.store.schema import SCHEMA, SCHEMA_VERSION
from common.store.schema_check import refuse_newer, version_of

MIGRATIONS: Mapping[int, tuple[Step, ...]] = {2: (KEYS, OPEN_CHAINS), 3: (WAITING_SCHEMA,)}
"""The steps to each version from the one before."""

_MIGRATED = (Collection.SCANS, Collection.REPORTS, Collection.AUDIT)
"""Whose documents these steps change."""

_SELECTION_MS = 10_000
_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)


@dataclass(frozen=True, slots=True)
class Planned:
    """A step, and how much it has to do."""

    name: str
    description: str
    pending: int


class Migrator:
    """A separate connection without a time limit: an index over millions of documents takes
    minutes, and a limit would abort it and begin it anew at each try.

    Args:
        uri: of an administrator of the database: see ``common.store.roles``.
        database: name of the database.
        progress: called as a step goes on.
        stop: ends ``apply`` after the current page of documents.
    """

    def __init__(
        self,
        uri: str,
        database: str,
        progress: Progress = lambda *_: None,
        stop: threading.Event | None = None,
    ) -> None:
        self._client = new_client(uri, serverSelectionTimeoutMS=_SELECTION_MS, retryWrites=True)
        base = self._client.get_database(
            database,
            codec_options=_AWARE,
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
        )
        self._work = Work(base, progress, stop or threading.Event())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    @translated
    def version(self) -> int:
        """The database's schema version: 0 if it is empty, 1 if its release kept none.

        Raises:
            SchemaNewer: it is above this release's.
        """
        return self._version()

    @translated
    def is_new(self) -> bool:
        """Whether nothing has been stored yet. Another unit may be creating the collections."""
        database = self._work.database
        return not any(find(database[name], {}, {"_id": 1}, limit=1) for name in _MIGRATED)

    @translated
    def plan(self) -> list[Planned]:
        """The steps that ``apply`` would run now, with how much each has to do.

        Raises:
            SchemaNewer: a newer release migrated the database.
        """
        planned = [
            Planned(step.name, step.description, step.pending(self._work))
            for step in self._steps(self._version())
        ]
        return [step for step in planned if step.pending]

    @translated
    def apply(self) -> bool:
        """Run all steps, then write the version. Repeatable. False if it was stopped before.

        Raises:
            SchemaNewer: a newer release migrated the database.
            StoreUnavailable: MongoDB is unreachable; the next run continues.
        """
        try:
            for step in self._steps(self._version()):
                step.run(self._work)
        except MigrationStopped:
            return False
        self._work.database[Collection.META].update_one(
            {"_id": SCHEMA},
            [
                {
                    "$set": {
                        "version": {"$max": ["$version", SCHEMA_VERSION]},
                        "migrated_at": {"$ifNull": ["$migrated_at", "$$NOW"]},
                    }
                }
            ],
            upsert=True,
        )
        return True

    def _version(self) -> int:
        version = version_of(self._work.database)
        refuse_newer(version)
        return version

    @staticmethod
    def _steps(version: int) -> list[Step]:
        steps = [COLLECTIONS, INDEXES]
        if version:  # an empty database has nothing to change
            steps.insert(1, ACCOUNTS)
            # Those of versions that the database has reached, too: a unit of an earlier release,
            # left running, may have written documents of an old form since.
            for number in sorted(MIGRATIONS):
                steps += MIGRATIONS[number]
        return steps
