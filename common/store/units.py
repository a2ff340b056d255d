"""The processes of all units, as they last told: for people who watch the system.

Each process of Fr-HUB, the API and Fr-BRAIN's supervisor has a document that it updates every
``BEAT_S`` seconds. Fr-PACS does not know the store, so Fr-HUB writes which Fr-PACS are connected.
Documents of processes that ended long ago are deleted.
"""

import os
import platform
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from pymongo import UpdateOne

from common.domain.installed_analyzer import InstalledAnalyzer, installed_in
from common.domain.types import Document
from common.store.connection import Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.feed import BEAT_S
from common.store.feed_documents import Change, ChangeKind

GONE_S = 3.5 * BEAT_S
"""A unit that has told nothing for so long is gone, seconds."""

STOPPED_KEPT = timedelta(days=1)
GONE_KEPT = timedelta(days=7)

LISTED_MAX = 500
"""The most units that are listed, and kept in a sweep."""

RUNNING, STOPPED, GONE = "running", "stopped", "gone"
CONNECTED, AWAY = "connected", "away"
PACS = "fr-pacs"


@dataclass(frozen=True, slots=True)
class Unit:
    """A process of a unit, or a Fr-PACS as Fr-HUB knows it.

    Args:
        id: of the process.
        unit: ``'fr-hub'``, ``'fr-web'``, ``'fr-brain'`` or ``'fr-pacs'``.
        name: of a Fr-PACS.
        host: where it runs; None for a Fr-PACS.
        version: of its release; None for a Fr-PACS.
        state: ``'running'``, ``'stopped'`` or ``'gone'``; of a Fr-PACS ``'connected'`` or
            ``'away'``.
    """

    id: str
    unit: str
    name: str | None
    host: str | None
    version: str | None
    started_at: datetime | None
    seen_at: datetime | None
    state: str
    analyzers: tuple[InstalledAnalyzer, ...] = ()
    """Those that a Fr-BRAIN has."""


class Units:
    """Writes and lists units."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._id = f"{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}"

    @translated
    def begin(self, unit: str) -> None:
        """Note that this process is one of this unit, and tell it."""
        self._write(unit, {"state": RUNNING}, {"started_at": "$$NOW"})
        self._tell(unit, RUNNING)

    @translated
    def beat(self, unit: str, analyzers: Iterable[InstalledAnalyzer] = ()) -> None:
        """Note that this process still runs, and which analyzers it has."""
        facts: Document = {"state": RUNNING}
        if some := [one.to_document() for one in analyzers]:
            facts["analyzers"] = some
        self._write(unit, facts, {"started_at": {"$ifNull": ["$started_at", "$$NOW"]}})

    @translated
    def end(self, unit: str) -> None:
        """Note that this process ends in order, and tell it."""
        self._write(unit, {"state": STOPPED}, {})
        self._tell(unit, STOPPED)

    def _write(self, unit: str, facts: Document, more: Document) -> None:
        about = {
            "unit": unit,
            "host": platform.node(),
            "pid": os.getpid(),
            "version": version("fr"),
        }
        literal = {name: {"$literal": value} for name, value in {**about, **facts}.items()}
        change = [{"$set": {**literal, **more, "seen_at": "$$NOW"}}]
        self._db.units_fast.update_one({"_id": self._id}, change, upsert=True)

    def _tell(self, unit: str, state: str) -> None:
        about = {"unit": unit, "host": platform.node(), "version": version("fr"), "state": state}
        self._db.feed.tell(Change(ChangeKind.UNIT, [self._id], about))

    @translated
    def note_pacs(self, connected: Iterable[str]) -> None:
        """Note which Fr-PACS are connected to this process now."""
        changes = [
            UpdateOne(
                {"_id": f"{PACS}/{name}"},
                [{"$set": {"unit": PACS, "name": {"$literal": name}, "seen_at": "$$NOW"}}],
                upsert=True,
            )
            for name in connected
        ]
        if changes:
            self._db.units_fast.bulk_write(changes, ordered=False)

    @translated
    def all(self) -> list[Unit]:
        """The units, the last seen first; at most ``LISTED_MAX``."""
        found = find(self._db.units_fast, {}, sort=[("seen_at", -1), ("_id", 1)], limit=LISTED_MAX)
        now = self._db.clock.now()
        return [_unit(document, now) for document in found]

    def analyzers(self) -> list[InstalledAnalyzer]:
        """The analyzers of all Fr-BRAINs that run now, by name and version."""
        running = (unit for unit in self.all() if unit.state == RUNNING)
        return sorted({one for unit in running for one in unit.analyzers})

    @translated
    def sweep(self) -> int:
        """Delete the documents of units that ended long ago; returns their number."""
        day_ms = {"stopped": STOPPED_KEPT, "gone": GONE_KEPT}
        before = {
            name: {"$subtract": ["$$NOW", int(kept.total_seconds() * 1000)]}
            for name, kept in day_ms.items()
        }
        old = {
            "$or": [
                {"state": STOPPED, "$expr": {"$lt": ["$seen_at", before["stopped"]]}},
                {"$expr": {"$lt": ["$seen_at", before["gone"]]}},
            ]
        }
        swept = self._db.units_fast.delete_many(old).deleted_count
        more = find(self._db.units_fast, {}, {"_id": 1}, sort=[("seen_at", -1)], skip=LISTED_MAX)
        if more:
            wanted = {"_id": {"$in": [document["_id"] for document in more]}}
            swept += self._db.units_fast.delete_many(wanted).deleted_count
        return swept


def _unit(document: Document, now: datetime) -> Unit:
    seen = _date(document.get("seen_at"))
    is_late = seen is None or (now - seen).total_seconds() > GONE_S
    unit = _text(document.get("unit")) or "unknown"
    if unit == PACS:
        state = AWAY if is_late else CONNECTED
    elif document.get("state") == STOPPED:
        state = STOPPED
    else:
        state = GONE if is_late else RUNNING
    return Unit(
        id=str(document["_id"]),
        unit=unit,
        name=_text(document.get("name")),
        host=_text(document.get("host")),
        version=_text(document.get("version")),
        started_at=_date(document.get("started_at")),
        seen_at=seen,
        state=state,
        analyzers=installed_in(document.get("analyzers")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _date(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None
