"""Creates what ``common.store.schema`` declares: collections and indexes, without a time limit."""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from common.domain.types import Document
from common.store.collections import Collection
from common.store.migrations.step import Step, Work
from common.store.schema import DECLARED, FORMER_INDEXES
from common.store.schema_check import compare_indexes

_NAMESPACE_EXISTS = 48
_RACED = frozenset(
    {
        27,  # IndexNotFound: another migration dropped it
        85,  # IndexOptionsConflict
        86,  # IndexKeySpecsConflict: another migration is replacing it
        276,  # IndexBuildAborted
        _NAMESPACE_EXISTS,
    }
)
_TRIES = 20
"""How often a step looks again after another migration was faster."""


def missing_collections(work: Work) -> list[Collection]:
    """Declared collections that do not exist, or are not capped as declared."""
    return _missing(_stored(work))


def _stored(work: Work) -> dict[str, Mapping[str, Any]]:
    return {info["name"]: info for info in work.database.list_collections()}


def _missing(stored: Mapping[str, Mapping[str, Any]]) -> list[Collection]:
    return [
        name
        for name, declared in DECLARED.items()
        if name not in stored or (declared.is_capped and not _is_capped(stored[name]))
    ]


def _is_capped(info: Mapping[str, Any]) -> bool:
    return bool(info.get("options", {}).get("capped"))


def create_collections(work: Work) -> None:
    """Create what is missing."""
    # One list for both: another migration may create what this one finds missing, and units that
    # are ready would make it anew, uncapped, while it is dropped here.
    stored = _stored(work)
    names = _missing(stored)
    for done, name in enumerate(names, 1):
        if name in stored:
            # Only notifications are capped; a lost one costs a poll interval.
            work.database.drop_collection(name)
        try:
            work.database.create_collection(
                name,
                check_exists=False,
                write_concern=WriteConcern(w=1),  # the version, written last, waits for all
                **dict(DECLARED[name].options),
            )
        except OperationFailure as error:
            if error.code != _NAMESPACE_EXISTS:  # another migration created it
                raise
        work.went_on(COLLECTIONS.name, done, len(names))
    # A tailing cursor on an empty capped collection dies immediately.
    notifications = work.database[Collection.NOTIFICATIONS]
    if notifications.find_one() is None:
        notifications.insert_one({"what": "made"})


def pending_indexes(work: Work) -> list[tuple[Collection, list[str], list[str]]]:
    """By collection: declared indexes to create, and indexes to drop first, as they have a
    declared name and another definition, or are of an earlier release."""
    found = []
    for name, declared in DECLARED.items():
        stored = [dict(index) for index in work.database[name].list_indexes()]
        missing, _ = compare_indexes(declared.indexes, stored)
        names = {index["name"] for index in stored}
        former = names & FORMER_INDEXES.get(name, frozenset())
        drop = sorted((names & set(missing)) | former)
        if missing or drop:
            found.append((name, missing, drop))
    return found


def create_indexes(work: Work) -> None:
    """Create missing indexes and drop former ones; looks again if another migration interfered."""
    for tries in range(_TRIES):
        pending = pending_indexes(work)
        total = sum(len(missing) for _, missing, _ in pending)
        done = 0
        try:
            for name, missing, drop in pending:
                for index in drop:
                    work.database[name].drop_index(index)
                if missing:
                    _create(work, name, missing)
                done += len(missing)
                work.went_on(INDEXES.name, done, total)
        except OperationFailure as error:
            if error.code not in _RACED or tries == _TRIES - 1:
                raise
        else:
            if not pending:
                return


def _create(work: Work, name: Collection, missing: list[str]) -> None:
    # One command, so one pass over the documents.
    command: Document = {
        "createIndexes": str(name),
        "indexes": [i.specification for i in DECLARED[name].indexes if i.name in missing],
    }
    hello: Document = work.database.client.admin.command("hello")
    if "setName" in hello or hello.get("msg") == "isdbgrid":
        # The default waits for every member with data, so one that is down would stop the build.
        command["commitQuorum"] = "majority"
    work.database.command(command, writeConcern={"w": 1})


COLLECTIONS = Step(
    "collections",
    "create missing collections",
    lambda work: len(missing_collections(work)),
    create_collections,
)
INDEXES = Step(
    "indexes",
    "create missing indexes, drop those of earlier releases",
    lambda work: sum(len(missing) + len(drop) for _, missing, drop in pending_indexes(work)),
    create_indexes,
)
