"""Roles and users in MongoDB: each unit gets only the privileges that it needs."""

from typing import Any

from pymongo.errors import OperationFailure

from common.store.collections import Collection
from common.store.connection import Connection
from common.store.error_mapping import translated

_READ = ("find",)
_WRITE = ("insert", "update")
_APPEND = ("find", "insert")
_CHANGE = ("find", "update")
_UPSERT = ("find", "insert", "update")
_TAKE = ("find", "update", "remove")
_PURGE = ("find", "remove")
_ALL = ("find", "insert", "update", "remove")
_CREATE = ("createCollection", "createIndex", "dropIndex")

COLLECTIONS: tuple[str, ...] = tuple(Collection)
_PERSONAL = (Collection.PATIENTS, Collection.MEASUREMENTS)
_ACCOUNTS = (Collection.USERS, Collection.TOKENS, Collection.SESSIONS, Collection.REQUESTS)
"""With the hashes of passwords and tokens, which are guessed at leisure once they are read."""
_PSEUDONYMOUS = tuple(name for name in Collection if name not in (*_PERSONAL, *_ACCOUNTS))
_MIGRATED = (Collection.SCANS, Collection.REPORTS, Collection.HISTORY, Collection.PICTURES)

PRIVILEGES: dict[str, dict[str, tuple[str, ...]]] = {
    # Stores scans and sends reports. It writes no report, but marks those that were sent; it
    # removes what retention covers.
    "hub": {
        Collection.SCANS: _ALL,  # remove: a scan whose upload was swept
        Collection.REPORTS: _TAKE,
        Collection.CHUNKS: _ALL,  # find: the ids of those that nobody refers to
        Collection.UPLOADS: _ALL,
        Collection.NOTIFICATIONS: _APPEND,
        Collection.AUDIT: _APPEND,
        Collection.AUDIT_OPEN: _ALL,
        Collection.AUDIT_EXPORTS: _ALL,
        Collection.HISTORY: _PURGE,  # find: which label maps earlier revisions name
        Collection.EVENTS: ("insert",),
        Collection.UNITS: _ALL,
        Collection.PICTURES: _PURGE,
        Collection.LABELS: _PURGE,
        Collection.META: _READ,
    },
    # Claims scans and writes reports. It inserts no scan and removes nothing.
    "brain": {
        Collection.SCANS: _CHANGE,
        Collection.REPORTS: _UPSERT,
        Collection.CHUNKS: _READ,
        Collection.NOTIFICATIONS: _APPEND,
        Collection.AUDIT: _APPEND,
        Collection.AUDIT_OPEN: _ALL,
        Collection.HISTORY: _WRITE,
        Collection.EVENTS: ("insert",),
        Collection.UNITS: _WRITE,
        Collection.PICTURES: _WRITE,
        Collection.LABELS: _UPSERT,  # find: those of the subject's previous scan
        Collection.META: _READ,
    },
    # The API and its page.
    "web": {
        # Stores uploads, shows scans, and makes the changes that an operator asks for.
        Collection.SCANS: _ALL,  # remove: a scan whose upload was swept
        Collection.REPORTS: _TAKE,  # marks those of uploaded scans as delivered
        Collection.CHUNKS: _ALL,
        Collection.UPLOADS: _ALL,
        Collection.HISTORY: _PURGE,
        Collection.PICTURES: _PURGE,
        Collection.LABELS: _PURGE,
        Collection.NOTIFICATIONS: _APPEND,
        Collection.AUDIT: _APPEND,
        Collection.AUDIT_OPEN: _ALL,
        Collection.EVENTS: _APPEND,
        Collection.UNITS: _ALL,
        Collection.PATIENTS: _ALL,
        Collection.MEASUREMENTS: ("find", "insert", "remove"),
        Collection.USERS: _ALL,
        Collection.TOKENS: ("find", "insert", "remove"),  # never changed
        Collection.SESSIONS: _ALL,
        Collection.REQUESTS: _ALL,
        Collection.META: _READ,
    },
    # make verify, make audit, make errors: reads all but personal data, changes nothing.
    "reader": dict.fromkeys(_PSEUDONYMOUS, _READ),
    # An operator who requeues scans, schedules reanalysis or applies retention.
    "operator": {
        **dict.fromkeys(_PSEUDONYMOUS, _READ),
        Collection.SCANS: _CHANGE,
        Collection.REPORTS: _TAKE,
        Collection.CHUNKS: _PURGE,
        Collection.UPLOADS: _PURGE,
        Collection.HISTORY: _PURGE,
        Collection.PICTURES: _PURGE,
        Collection.LABELS: _PURGE,
        Collection.NOTIFICATIONS: _APPEND,
        Collection.EVENTS: _APPEND,
        Collection.AUDIT: _APPEND,
        Collection.AUDIT_OPEN: _ALL,
    },
    # An administrator who migrates the database and prunes the audit trail, and nobody else: an
    # index can remove documents or refuse them.
    "migrate": {
        **dict.fromkeys(COLLECTIONS, _CREATE),
        **dict.fromkeys(_MIGRATED, (*_ALL, *_CREATE)),
        # Where notifications are not capped, they are created anew.
        Collection.NOTIFICATIONS: (*_APPEND, *_CREATE, "convertToCapped", "dropCollection"),
        Collection.EVENTS: (*_CREATE, "convertToCapped"),
        # remove: of entries that were archived, once their checkpoint is recorded.
        Collection.AUDIT: (*_APPEND, "remove", *_CREATE),
        Collection.AUDIT_OPEN: (*_UPSERT, *_CREATE),
        Collection.META: (*_UPSERT, *_CREATE),
    },
}
"""Actions by unit and collection. No unit can change an entry of the audit trail, and none but
``migrate`` can remove one, or create or drop anything."""

_COMPARE = "listIndexes"
"""Every user may do this to every collection, and list the collections: units compare the database
with the schema when they start."""

_EXISTS = frozenset({51002, 51003})  # role, user


class Roles:
    """Creates roles and users; needs a connection as a user administrator.

    Raises (all methods):
        StoreUnavailable: MongoDB is unreachable.
        StoreRefused: this user may not administer users.
    """

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def grant(self, unit: str, password: str) -> str:
        """Create or update the unit's role and its user, with this password; returns the user's
        name. Repeatable."""
        name = f"fr-{unit}"
        privileges = [
            {
                "resource": {"db": self._db.name, "collection": collection},
                "actions": [*PRIVILEGES[unit].get(collection, ()), _COMPARE],
            }
            for collection in COLLECTIONS
        ]
        # Whoever stores scans checks the free disk space.
        stores = unit in ("hub", "web")
        actions = ["listCollections", "dbStats"] if stores else ["listCollections"]
        database = {"db": self._db.name, "collection": ""}
        privileges.append({"resource": database, "actions": actions})
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
