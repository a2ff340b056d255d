"""What MongoDB read to answer the commands of a test."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside


@dataclass
class Examined:
    """Totals over the commands of a block, filled in at its end."""

    commands: int = 0
    keys: int = 0
    documents: int = 0
    plans: set[str] = field(default_factory=set)
    """How MongoDB chose to answer: ``COLLSCAN``, ``IXSCAN { … }``."""


@contextlib.contextmanager
def examined(store: DBManager, *collections: Collection) -> Iterator[Examined]:
    """Count what the commands on these collections read, by MongoDB's profiler; on the scans if
    none is named."""
    names = [inside(store, name).full_name for name in collections or (Collection.SCANS,)]
    database, totals = inside(store).database, Examined()
    database["system.profile"].drop()
    database.command("profile", 2)
    try:
        yield totals
    finally:
        database.command("profile", 0)
    # Without the commands, which may hold what Python cannot.
    fields = {"keysExamined": 1, "planSummary": 1, "docsExamined": 1}
    for line in database["system.profile"].find({"ns": {"$in": names}}, fields):
        totals.commands += 1
        totals.keys += line.get("keysExamined", 0)
        totals.plans.add(line.get("planSummary", ""))
        totals.documents += line.get("docsExamined", 0)
