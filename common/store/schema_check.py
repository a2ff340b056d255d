"""Compares the database with ``common.store.schema``: for the units, which may create nothing, and
for ``fr verify`` and ``fr audit``, which report everything that does not belong there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from common.domain.types import Document
from common.errors import SchemaNewer, SchemaOlder, StoreError
from common.store.collections import Collection
from common.store.connection import Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.schema import DECLARED, SCHEMA, SCHEMA_VERSION, CollectionSchema, Index

_IGNORED = frozenset({"v", "ns", "background"})
"""Fields of ``listIndexes`` that change nothing about what an index does."""


@dataclass(frozen=True, slots=True)
class Differences:
    """How a database differs from the schema; each in words."""

    version: int
    """0: the database is empty."""
    missing: tuple[str, ...] = ()
    """Collections and indexes that ``fr migrate`` creates."""
    unexpected: tuple[str, ...] = ()
    """Indexes that nobody declared, above all those that remove or refuse documents, and
    collections of another kind."""


class SchemaCheck:
    """Compares; needs the rights to find, ``listCollections`` and ``listIndexes``."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def require(self) -> None:
        """Check that this release can work with the database.

        Raises:
            SchemaNewer: a newer release migrated it.
            SchemaOlder: it is empty, of an earlier release, or lacks a collection or an index.
        """
        self.require_version()
        found = self.differences()
        if found.missing:
            raise SchemaOlder(
                f"the database {self._db.name!r} lacks {', '.join(found.missing)}: "
                "run make migrate APPLY=1"
            )

    def require_version(self) -> None:
        """As ``require``, but missing collections and indexes are accepted."""
        version = self.version()
        refuse_newer(version)
        if version < SCHEMA_VERSION:
            what = f"has schema version {version}" if version else "is empty"
            raise SchemaOlder(
                f"the database {self._db.name!r} {what}, this release needs version "
                f"{SCHEMA_VERSION}: stop all units of earlier releases, then run make "
                "migrate APPLY=1"
            )

    @translated
    def version(self) -> int:
        """The database's schema version: 0 if it is empty, 1 if its release kept none."""
        return version_of(self._db.database)

    @translated
    def differences(self) -> Differences:
        """All differences."""
        missing: list[str] = []
        unexpected: list[str] = []
        stored = {info["name"]: info for info in self._db.database.list_collections()}
        for name, declared in DECLARED.items():
            info = stored.get(name)
            if info is None:
                missing.append(f"collection {name}")
                continue
            if kind := _wrong_kind(info, declared):
                unexpected.append(f"{name} {kind}")
                continue
            indexes = self._db.database[name].list_indexes()
            less, more = compare_indexes(declared.indexes, map(dict, indexes))
            missing += [f"index {name}.{index}" for index in less]
            unexpected += [f"index {name}.{index}" for index in more]
        return Differences(self.version(), tuple(missing), tuple(unexpected))


def version_of(database: Database[Document]) -> int:
    """The schema version of a database: 0 if it is empty, 1 if its release kept none."""
    [about] = find(database[Collection.META], {"_id": SCHEMA}, {"version": 1}) or [{}]
    if "version" in about:
        version = about["version"]
        if not isinstance(version, int | float):
            raise StoreError(
                f"{Collection.META}: the schema version of the database {database.name!r} is "
                "damaged: restore a backup"
            )
        return int(version)
    names = set(database.list_collection_names())
    return 1 if names & set(map(str, DECLARED)) - {Collection.META} else 0


def refuse_newer(version: int) -> None:
    """Check that no newer release migrated the database.

    Raises:
        SchemaNewer: one did.
    """
    if version > SCHEMA_VERSION:
        raise SchemaNewer(
            f"the database has schema version {version}, and this release knows {SCHEMA_VERSION}: "
            "install the release that migrated it, or restore the backup from before"
        )


def compare_indexes(
    declared: Iterable[Index], found: Iterable[Mapping[str, Any]]
) -> tuple[list[str], list[str]]:
    """The names of declared indexes that are missing or differ, and a description of each index
    that is not declared.

    Args:
        found: the indexes as ``listIndexes`` returns them.
    """
    wanted = {index.name: index.specification for index in declared}
    missing = set(wanted)
    unexpected = []
    for index in map(_normalized, found):
        name = index["name"]
        if name == "_id_":
            continue
        if wanted.get(name) == index:
            missing.discard(name)
        else:
            unexpected.append(f"{name}{_danger(index)}")
    return sorted(missing), unexpected


def _normalized(index: Mapping[str, Any]) -> Document:
    return {k: dict(v) if k == "key" else v for k, v in index.items() if k not in _IGNORED}


def _danger(index: Document) -> str:
    if "expireAfterSeconds" in index:
        return " (it removes documents: drop it at once)"
    if index.get("unique"):
        return " (it refuses documents: drop it at once)"
    return " (drop it, or declare it)"


def _wrong_kind(info: Mapping[str, Any], declared: CollectionSchema) -> str:
    if info.get("type", "collection") != "collection":
        return f"is a {info['type']}, not a collection"
    capped = bool(info.get("options", {}).get("capped"))
    if capped != declared.is_capped:
        return "is capped, so it removes documents" if capped else "is not capped"
    return ""
