"""Users and roles in MongoDB: for each unit the privileges that it needs and no more."""

from typing import Any

from pymongo.errors import OperationFailure

from common.store.collections import Collection
from common.store.connection import Connection
from common.store.error_mapping import translated

_READ = ("find",)
_APPEND = ("find", "insert")
_CHANGE = ("find", "update")
_UPSERT = ("find", "insert", "update")
_TAKE = ("find", "update", "remove")
_ALL = ("find", "insert", "update", "remove")
_PREPARE = ("createIndex", "createCollection")

COLLECTIONS: tuple[str, ...] = tuple(Collection)

PRIVILEGES: dict[str, dict[str, tuple[str, ...]]] = {
    # Takes scans in, sends reports: it writes none, but marks those that were sent. Removes what
    # retention takes.
    "hub": {
        Collection.SCANS: _ALL,  # remove: an upload that a sweep had is taken back
        Collection.REPORTS: _TAKE,
        Collection.CHUNKS: _ALL,
        Collection.UPLOADS: _ALL,
        Collection.WAKE_UPS: _APPEND,
        Collection.AUDIT: _APPEND,
        Collection.HISTORY: _READ,
        Collection.PICTURES: _READ,
    },
    # Claims scans and writes reports: it brings no scan in, and removes nothing.
    "brain": {
        Collection.SCANS: _CHANGE,
        Collection.REPORTS: _UPSERT,
        Collection.CHUNKS: _READ,
        Collection.WAKE_UPS: _APPEND,
        Collection.AUDIT: _APPEND,
        Collection.HISTORY: _UPSERT,
        Collection.PICTURES: _UPSERT,
    },
    # make verify, make audit, make errors: reads all, changes nothing.
    "reader": dict.fromkeys(COLLECTIONS, _READ),
    # A person who puts scans back, or has retention take what is old.
    "operator": {
        **dict.fromkeys(COLLECTIONS, _READ),
        Collection.SCANS: _CHANGE,
        Collection.REPORTS: _TAKE,
        Collection.CHUNKS: ("find", "remove"),
        Collection.UPLOADS: ("find", "remove"),
        Collection.WAKE_UPS: _APPEND,
        Collection.AUDIT: _APPEND,
    },
}
"""Unit, collection, actions. The audit trail can be added to and never changed."""

_PREPARING = frozenset({"hub", "brain"})  # whichever starts first makes the indexes
_EXISTS = frozenset({51002, 51003})  # role, user


class Roles:
    """Makes them, by a user who administers users.

    Raises (all methods):
        StoreUnavailable: MongoDB is away.
        StoreRefused: this user may not do that.
    """

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def grant(self, unit: str, password: str) -> str:
        """The unit's role and its user, with this password; returns the user's name. Repeatable."""
        name = f"fr-{unit}"
        privileges = [
            {
                "resource": {"db": self._db.name, "collection": collection},
                "actions": [*actions, *_preparing(unit, collection)],
            }
            for collection, actions in PRIVILEGES[unit].items()
        ]
        if unit == "hub":  # which looks how much room the disk has
            whole = {"db": self._db.name, "collection": ""}
            privileges.append({"resource": whole, "actions": ["dbStats"]})
        self._make("Role", name, privileges=privileges, roles=[])
        self._make("User", name, pwd=password, roles=[{"role": name, "db": self._db.name}])
        return name

    def _make(self, what: str, name: str, **content: Any) -> None:
        try:
            self._db.database.command(f"create{what}", name, **content)
        except OperationFailure as error:
            if error.code not in _EXISTS:
                raise
            self._db.database.command(f"update{what}", name, **content)


def _preparing(unit: str, collection: str) -> tuple[str, ...]:
    if unit not in _PREPARING:
        return ()
    # Making one that is capped asks for the right to make any one capped.
    return (*_PREPARE, "convertToCapped") if collection == Collection.WAKE_UPS else _PREPARE
