"""Counts scans for people: by state, Fr-PACS and priority, and how old the oldest waiting one is.

Counting reads a key of an index for each scan: a second or so for a million. So all scans are
counted together, for all who ask, and the counts are kept in proportion to the time that took.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from common.domain.scan import Priority
from common.domain.scan_key import SEPARATOR
from common.domain.states import ReportGenerated
from common.domain.tenant import Tenant
from common.domain.types import Document, utc_now
from common.runtime.kept_value import KeptValue
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.paging import aggregate
from common.store.scan_pages import Asked, ScanPages
from common.store.schema import LISTED, QUEUE

PRIORITIES_MAX = 10_000
"""The most waiting scans whose priorities are counted."""

_NAME: Document = {
    "$cond": [
        {"$eq": [{"$type": "$_id"}, "string"]},
        {"$arrayElemAt": [{"$split": ["$_id", SEPARATOR]}, 1]},
        None,
    ]
}
_GROUPS: list[Document] = [
    # The range makes MongoDB answer from the index alone.
    {"$match": {"report_generated": {"$gte": ""}}},
    {"$group": {"_id": {"state": "$report_generated", "pacs": _NAME}, "n": {"$sum": 1}}},
]


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of scans."""

    states: dict[str, int]
    """By state as stored."""
    pacs: dict[str, int]
    counted_at: datetime
    complete: bool
    """False: there are more scans of these than were counted."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The scans that wait."""

    oldest_at: datetime | None
    """When the oldest of them arrived."""
    priorities: dict[str, int]
    complete: bool
    """False: more are waiting than ``PRIORITIES_MAX``, of which the priorities were counted."""


@dataclass(frozen=True, slots=True)
class _All:
    numbers: Counter[tuple[str, str]]
    at: datetime


class ScanCounts:
    """Counts the scans of a tenant, or of all."""

    def __init__(self, connection: Connection, pages: ScanPages) -> None:
        self._db = connection
        self._pages = pages
        self._all = KeptValue(self._count_all)
        self._waiting: dict[str, KeptValue[Waiting]] = {}

    def of(self, asked: Asked) -> Counts:
        """How many scans a list of these has, by state and Fr-PACS."""
        narrow = (asked.subjects, asked.since, asked.until, asked.text)
        if asked.by_report or any(one is not None for one in narrow):
            return self._walked(asked)
        states: Counter[str] = Counter()
        pacs: Counter[str] = Counter()
        counted = self._all.get()
        for (state, name), number in counted.numbers.items():
            in_state = not asked.states or state in asked.states
            if in_state and asked.tenant.owns(name) and (not asked.pacs or name in asked.pacs):
                states[state] += number
                pacs[name] += number
        return Counts(dict(states), dict(pacs), counted.at, complete=True)

    def by_state(self) -> dict[str, int]:
        """How many scans of all tenants are in each state."""
        states: Counter[str] = Counter()
        for (state, _), number in self._all.get().numbers.items():
            states[state] += number
        return dict(states)

    def waiting(self, tenant: Tenant) -> Waiting:
        """The scans of a tenant that wait."""
        kept = self._waiting.setdefault(tenant.name, KeptValue(lambda: self._look(tenant)))
        return kept.get()

    def oldest_waiting_at(self) -> datetime | None:
        """When the oldest waiting scan of all tenants arrived; None: none waits."""
        names = {name for state, name in self._all.get().numbers if state == ReportGenerated.TO_DO}
        return self._oldest(sorted(names))

    def _walked(self, asked: Asked) -> Counts:
        page = self._pages.keys(asked, PRIORITIES_MAX)
        states: Counter[str] = Counter()
        pacs: Counter[str] = Counter()
        for state, key in self._states(page.keys):
            states[state] += 1
            pacs[key.partition(SEPARATOR)[2]] += 1
        return Counts(dict(states), dict(pacs), utc_now(), complete=page.next is None)

    @translated
    def _states(self, keys: Sequence[str]) -> list[tuple[str, str]]:
        wanted = {"_id": {"$in": list(keys)}}
        found = find(self._db.scans, wanted, {"report_generated": 1}, hint=BY_ID)
        return [(str(d.get("report_generated")), d["_id"]) for d in found]

    @translated
    def _count_all(self) -> _All:
        at = utc_now()
        lines = aggregate(self._db.scans, _GROUPS, hint=LISTED)
        groups = [(line["_id"].get("state"), line["_id"].get("pacs"), line["n"]) for line in lines]
        return _All(
            Counter(
                {
                    (state, name): number
                    for state, name, number in groups
                    if isinstance(state, str) and isinstance(name, str)
                }
            ),
            at,
        )

    def _look(self, tenant: Tenant) -> Waiting:
        names = {
            name
            for state, name in self._all.get().numbers
            if state == ReportGenerated.TO_DO and tenant.owns(name)
        }
        priorities = self._priorities(sorted(names))
        number = sum(priorities.values())
        return Waiting(
            self._oldest(sorted(names)), dict(priorities), complete=number < PRIORITIES_MAX
        )

    @translated
    def _oldest(self, names: Sequence[str]) -> datetime | None:
        oldest: list[datetime] = []
        for start in range(0, len(names), 100):
            some = {"$in": list(names[start : start + 100])}
            waiting = {"report_generated": ReportGenerated.TO_DO, "scan.pacs": some}
            found = find(
                self._db.scans,
                {**waiting, "received_at": {"$type": "date"}},
                {"received_at": 1, "_id": 0},
                sort=[("received_at", 1), ("_id", 1)],
                hint=LISTED,
                limit=1,
            )
            oldest += [d["received_at"] for d in found if isinstance(d["received_at"], datetime)]
        return min(oldest, default=None)

    @translated
    def _priorities(self, names: Sequence[str]) -> Counter[str]:
        waiting: Document = {"report_generated": ReportGenerated.TO_DO, "scan.pacs": None}
        waiting["scan.pacs"] = {"$in": list(names)}
        found = find(
            self._db.scans,
            waiting,
            {"scan.priority": 1, "_id": 0},
            hint=QUEUE,
            limit=PRIORITIES_MAX,
        )
        known = set(Priority)
        named = [d["scan"].get("priority", Priority.ROUTINE) for d in found if "scan" in d]
        return Counter(str(one) for one in named if one in known)
