"""Each unit is handed the parts of the store that its MongoDB user has the rights for, no more.

What a part does to which collection is read from the source of its class and of the parts that it
is built with: each ``self._db.<collection>.<method>``.
"""

import ast
import dataclasses
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from common.store.audit_log import AuditLog
from common.store.collections import Collection
from common.store.connection import Connection
from common.store.db_manager import DBManager
from common.store.notifications import Notifications, Subscription
from common.store.roles import _ALL, _WRITE, PRIVILEGES
from common.store.unit_parts import (
    BrainStore,
    HubStore,
    WebStore,
    brain_parts,
    hub_parts,
    web_parts,
)
from tests.factories import opened

Uses = dict[str, set[str]]
"""Collection to actions."""

UNITS: dict[str, type] = {"hub": HubStore, "brain": BrainStore, "web": WebStore}
ALL_UNITS = UNITS

COLLECTIONS = {
    "scans": Collection.SCANS,
    "reports": Collection.REPORTS,
    "history": Collection.HISTORY,
    "pictures": Collection.PICTURES,
    "labels": Collection.LABELS,
    "chunks": Collection.CHUNKS,
    "uploads": Collection.UPLOADS,
    "audit": Collection.AUDIT,
    "meta": Collection.META,
    "users": Collection.USERS,
    "tokens": Collection.TOKENS,
    "sessions": Collection.SESSIONS,
    "requests": Collection.REQUESTS,
    "patients": Collection.PATIENTS,
    "measurements": Collection.MEASUREMENTS,
    "units": Collection.UNITS,
    "audit_open": Collection.AUDIT_OPEN,
    "audit_exports": Collection.AUDIT_EXPORTS,
}
"""Attributes of ``Connection``."""

ACTIONS: dict[str, set[str]] = {
    "find": {"find"},
    "find_one": {"find"},
    "aggregate": {"find"},
    "count_documents": {"find"},
    "distinct": {"find"},
    "insert_one": {"insert"},
    "insert_many": {"insert"},
    "update_one": {"update"},
    "replace_one": {"update"},
    "update_many": {"update"},
    "bulk_write": {"update"},  # of replacements; upserts go through ``Connection.upsert``
    "find_one_and_replace": {"find", "update"},
    "find_one_and_update": {"find", "update"},
    "find_one_and_delete": {"find", "remove"},
    "delete_one": {"remove"},
    "delete_many": {"remove"},
    "upsert": {"insert", "update"},
    "with_options": set(),
}
"""Methods of a collection, and what MongoDB asks for."""

READS = {"aggregate", "as_stored", "between", "find", "foreign", "page", "pages", "stream"}
"""Functions of the store that read the collection which is their first argument."""

WRITES = {"set_if": ("find", "insert", "update")}
"""Functions of the store that change their first argument, and what MongoDB asks for."""

NO_COLLECTION = {"uri", "name", "client", "database"}
"""Other attributes of ``Connection``: commands, that have rights of their own."""

ELSEWHERE: dict[tuple[str, str, str], str] = {
    ("brain", str(Collection.META), "find"): "``DBManager.check_schema``, before it has its parts",
    **{
        (unit, str(Collection.UNITS), action): "``Units``, which ``presence.present`` is handed"
        for unit, actions in (("hub", _ALL), ("brain", _WRITE))
        for action in actions
    },
}
"""Unit, collection, action: privileges that no part uses, with the reason."""


def collection_of(node: ast.expr) -> str | None:
    """The collection that an expression such as ``self._db.scans_fast`` names."""
    match node:
        case ast.Attribute(ast.Attribute(ast.Name("self"), "_db"), name):
            return COLLECTIONS.get(name.removesuffix("_fast"))
        case ast.Subscript(_, ast.Attribute(ast.Name("Collection"), name)):
            return Collection[name]
        case ast.Attribute(ast.Name("self"), "_collection"):  # of ``notifications``
            return Collection.NOTIFICATIONS
    return None


def merged_into(node: ast.AST) -> str | None:
    """The collection that ``$merge`` in a pipeline writes to."""
    match node:
        case ast.Dict(
            [ast.Constant("$merge")],
            [ast.Dict([ast.Constant("into"), *_], [ast.Attribute(collection, "name"), *_])],
        ):
            return collection_of(collection)
    return None


def calls_in(part: type) -> Iterator[tuple[str, str]]:
    """Collection and action of each call in a class and the modules' functions that it inherits."""
    for kind in part.__mro__[:-1]:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
        for node in ast.walk(tree):
            if (merged := merged_into(node)) is not None:
                yield merged, "insert"
                yield merged, "update"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                actions = ("find",) if node.func.id in READS else WRITES.get(node.func.id, ())
                if actions and (used := collection_of(node.args[0])) is not None:
                    yield from ((used, action) for action in actions)
                continue
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            method = node.func.attr
            if method == "publish":
                yield Collection.NOTIFICATIONS, "insert"
                continue
            if method in ("tell", "begin") and ast.unparse(node.func.value) == "self._db.feed":
                yield Collection.EVENTS, "insert"
                continue
            on = node.args[0] if method == "upsert" else node.func.value
            collection = collection_of(on)
            if collection is None:
                continue
            for action in ACTIONS[method]:
                yield collection, action
            if any(keyword.arg == "upsert" for keyword in node.keywords):
                yield collection, "insert"


def built_with(part: type) -> Iterator[type]:
    """This part and those that it is built with."""
    yield part
    for hint in constructor(part).values():
        if isinstance(hint, type) and is_part(hint):
            yield from built_with(hint)


def is_part(kind: type) -> bool:
    """Whether a class stands on the connection."""
    return Connection in constructor(kind).values()


def constructor(kind: type) -> dict[str, Any]:
    """The types of what a class is built with."""
    return get_type_hints(inspect.getattr_static(kind, "__init__"))


def parts_of(unit: str) -> list[type]:
    """The classes of the parts that a unit is handed, and of all that those are built with."""
    hints = get_type_hints(ALL_UNITS[unit])
    # Either unit makes the collection of notifications, and subscribes to it.
    handed = [hint for name, hint in hints.items() if name not in ("subscribe", "tail")] + [
        Subscription,
        Notifications,
    ]
    return [kind for hint in handed for kind in built_with(hint)]


def used_by(*parts: type) -> Uses:
    """What these parts do."""
    uses: Uses = defaultdict(set)
    for part in parts:
        for collection, action in calls_in(part):
            uses[collection].add(action)
    return dict(uses)


@pytest.mark.parametrize("unit", ALL_UNITS)
def test_a_units_parts_do_nothing_that_its_user_may_not(unit: str) -> None:
    for part in parts_of(unit):
        for collection, actions in used_by(part).items():
            allowed = set(PRIVILEGES[unit].get(collection, ()))
            assert actions <= allowed, f"{part.__name__} on {collection}: {actions - allowed}"


@pytest.mark.parametrize("unit", ["hub", "brain"])
def test_each_privilege_of_a_unit_is_used_by_one_of_its_parts(unit: str) -> None:
    used = used_by(*parts_of(unit))
    unused = {
        (unit, str(collection), action)
        for collection, actions in PRIVILEGES[unit].items()
        for action in actions
        if action not in used.get(collection, ())
    }
    assert unused == {name for name in ELSEWHERE if name[0] == unit}


@pytest.mark.parametrize("unit", ALL_UNITS)
def test_the_source_of_each_part_is_understood(unit: str) -> None:
    """Each use of the connection is of a collection, or of a command."""
    for part in set(parts_of(unit)) - {Subscription, Notifications}:
        for kind in part.__mro__[:-1]:
            for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
                match node:
                    case ast.Attribute(ast.Attribute(ast.Name("self"), "_db"), name):
                        known = {
                            *COLLECTIONS,
                            *NO_COLLECTION,
                            "upsert",
                            "notifications",
                            "clock",
                            "feed",
                        }
                        assert name.removesuffix("_fast") in known, f"{kind.__name__}: {name}"


def test_the_connection_has_no_collection_that_this_test_does_not_know() -> None:
    source = inspect.getsource(Connection.__init__)
    assert {name.lower() for name in Collection.__members__} - {"notifications", "events"} == set(
        COLLECTIONS
    )
    assert all(f"self.{name}:" in source for name in COLLECTIONS)


def test_uses_are_read_from_the_source() -> None:
    class Part:
        _db: Any

        def act(self, documents: list[Any]) -> None:
            self._db.scans_fast.find({})
            self._db.uploads.update_one({}, {}, upsert=True)
            self._db.upsert(self._db.chunks, documents)
            self._db.notifications.publish("scan")

    assert used_by(Part) == {
        Collection.SCANS: {"find"},
        Collection.UPLOADS: {"insert", "update"},
        Collection.CHUNKS: {"insert", "update"},
        Collection.NOTIFICATIONS: {"insert"},
    }
    assert used_by(AuditLog)[Collection.AUDIT] == {"find", "insert"}


def test_the_parts_are_those_of_the_store(mongodb_uri: str, database: str) -> None:
    with opened(mongodb_uri, database) as store:
        for parts in (hub_parts(store), brain_parts(store), web_parts(store)):
            for field in dataclasses.fields(parts):
                part = getattr(parts, field.name)
                if field.name not in ("pictures", "subscribe", "tail"):  # made for the unit
                    assert part is getattr(store, field.name)
        assert not hasattr(hub_parts(store).pictures, "add")
        assert not hasattr(brain_parts(store).pictures, "get")
    assert isinstance(store, DBManager)
