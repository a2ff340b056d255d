"""What a unit is connected to, and how durable an acknowledgement is there."""

from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from common.domain.types import Document
from common.store.connection import Connection
from common.store.error_mapping import translated

_NOT_ALLOWED = frozenset({13, 59, 8000})  # Unauthorized, CommandNotFound, Atlas


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A MongoDB deployment as a client sees it."""

    kind: str
    """``'standalone'``, ``'replica set'`` or ``'sharded cluster'``."""
    members: int
    """Members with data; 0 if the deployment does not say."""
    durability: str
    """Where an acknowledged write is, and what it survives."""
    warnings: tuple[str, ...] = ()


class Server:
    """Inspects the deployment; changes nothing."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def status(self) -> ServerStatus:
        """Describe the deployment. Commands that this user may not run are left out."""
        hello: Document = self._db.client.admin.command("hello")
        options, status = self._run("getCmdLineOpts"), self._run("serverStatus")
        return describe(hello, options.get("parsed", {}), status.get("storageEngine", {}))

    def _run(self, command: str) -> Document:
        try:
            answer: Document = self._db.client.admin.command(command)
        except OperationFailure as error:
            if error.code in _NOT_ALLOWED:
                return {}
            raise
        return answer


def describe(hello: Document, options: Document, engine: Document) -> ServerStatus:
    """Describe a deployment in words.

    Args:
        hello: the answer to the command ``hello``.
        options: ``parsed`` of the answer to ``getCmdLineOpts``; may be empty.
        engine: ``storageEngine`` of the answer to ``serverStatus``; may be empty.
    """
    warnings = _storage_warnings(options, engine)
    if hello.get("msg") == "isdbgrid":
        durability = (
            "journaled by a majority of the members of its shard: survives what that shard survives"
        )
        return ServerStatus("sharded cluster", 0, durability, warnings)
    if "setName" not in hello:
        durability = (
            "a single server, journaled: survives crashes and power loss, but not the loss of its "
            "disk"
        )
        return ServerStatus("standalone", 1, durability, warnings)
    return _describe_replica_set(hello, warnings)


def _describe_replica_set(hello: Document, warnings: tuple[str, ...]) -> ServerStatus:
    data = [*hello.get("hosts", ()), *hello.get("passives", ())]
    arbiters = len(hello.get("arbiters", ()))
    majority = min(len(data), (len(data) + arbiters) // 2 + 1)
    survives = (
        f"the loss of any {majority - 1} of their disks"
        if majority > 1
        else "crashes and power " "loss, but not the loss of its disk"
    )
    durability = f"journaled by {majority} of {len(data)} members with data: survives {survives}"
    if arbiters:
        spare = len(data) - majority
        warnings += (
            f"{arbiters} of the members are arbiters, without data: if more than {spare} of the "
            "others are unavailable, nothing is acknowledged although there is a primary; replace "
            "the arbiters by members with data",
        )
    if len(data) == 1:
        warnings += (
            "this replica set has one member with data: it is no more durable than a single "
            "server; add members",
        )
    elif len(data) == 2 and not arbiters:
        warnings += (
            "this replica set has two members: if either is unavailable, nothing can be written; "
            "add a third",
        )
    return ServerStatus("replica set", len(data), durability, warnings)


def _storage_warnings(options: Document, engine: Document) -> tuple[str, ...]:
    warnings: list[str] = []
    storage: dict[str, Any] = options.get("storage", {})
    if storage.get("journal", {}).get("enabled") is False:
        warnings.append("journaling is off, so acknowledged scans are lost in a crash: turn it on")
    if engine.get("persistent") is False:
        warnings.append(
            f"the storage engine {engine.get('name')!r} keeps nothing on disk, so acknowledged "
            "scans are lost when MongoDB stops: use WiredTiger"
        )
    return tuple(warnings)
