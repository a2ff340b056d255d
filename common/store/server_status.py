"""``DBManager`` for who starts a unit: what it is connected to, and what an acknowledgement is
worth there."""

from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from common.domain.types import Document
from common.store.connection import Connection
from common.store.error_mapping import translated

_NOT_ALLOWED = frozenset({13, 59, 8000})  # Unauthorized, CommandNotFound, Atlas


@dataclass(frozen=True, slots=True)
class About:
    """A MongoDB as a client sees it."""

    kind: str  # 'standalone', 'replica set' or 'sharded cluster'
    members: int  # that have data; 0: it does not say
    worth: str
    warnings: tuple[str, ...] = ()


class ServerInfo:
    """Looks at the server, changes nothing."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def status(self) -> About:
        """What answers. From ``hello``; what needs more rights is left out where there are none."""
        hello: Document = self._db.client.admin.command("hello")
        options, status = self._asked("getCmdLineOpts"), self._asked("serverStatus")
        return describe(hello, options.get("parsed", {}), status.get("storageEngine", {}))

    def _asked(self, command: str) -> Document:
        try:
            answer: Document = self._db.client.admin.command(command)
        except OperationFailure as error:
            if error.code in _NOT_ALLOWED:
                return {}
            raise
        return answer


def describe(hello: Document, options: Document, engine: Document) -> About:
    """In words, from what a server answers to ``hello``, ``getCmdLineOpts`` and ``serverStatus``
    (the last two may be empty)."""
    warnings = _surprises(options, engine)
    if hello.get("msg") == "isdbgrid":
        worth = "in the journals of a majority of its shard's members: outlives what its shard does"
        return About("sharded cluster", 0, worth, warnings)
    if "setName" not in hello:
        worth = (
            "in the journal of one server: outlives a crash of anything and a loss of power, not "
            "the loss of that disk"
        )
        return About("standalone", 1, worth, warnings)
    data = [*hello.get("hosts", ()), *hello.get("passives", ())]
    arbiters = len(hello.get("arbiters", ()))
    majority = min(len(data), (len(data) + arbiters) // 2 + 1)
    worth = f"in the journals of a majority, {majority} of {len(data)} members with data: "
    lost = majority - 1
    if lost:
        worth += f"outlives the loss of {lost} of their disks, and any crash"
    else:
        worth += "outlives any crash, not the loss of that disk"
    if arbiters:
        away = len(data) - majority
        warnings += (
            f"{arbiters} of the members have no data (arbiters): with more than {away} of the "
            "others away nothing is acknowledged, although there is a primary",
        )
    if len(data) == 1:
        warnings += ("a replica set of one member with data is worth no more than one server",)
    elif len(data) == 2 and not arbiters:
        warnings += ("of two members either one being away stops all writing",)
    return About("replica set", len(data), worth, warnings)


def _surprises(options: Document, engine: Document) -> tuple[str, ...]:
    warnings: list[str] = []
    storage: dict[str, Any] = options.get("storage", {})
    if storage.get("journal", {}).get("enabled") is False:
        warnings.append("journaling is off: an acknowledgement outlives no crash; switch it on")
    if engine.get("persistent") is False:
        warnings.append(
            f"its storage engine {engine.get('name')!r} keeps nothing on disk: what is "
            "acknowledged is gone when it stops"
        )
    return tuple(warnings)
