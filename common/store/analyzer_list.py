"""Which analyzers made the reports, how many each, and which scans an older version read."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bson.datetime_ms import DatetimeMS

from common.domain.tenant import Tenant
from common.domain.types import Document
from common.runtime.kept_value import KeptValue
from common.store.connection import Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.paging import aggregate
from common.store.schema import ANALYZER
from common.store.tenancy import is_owned

_SOURCES_AT_ONCE = 100
_NEWEST = [("created_at", -1), ("_id", -1)]
_NAME, _VERSION = "report.analyzer.name", "report.analyzer.version"


@dataclass(frozen=True, slots=True)
class AnalyzerVersion:
    """A version of an analyzer that made reports of a tenant."""

    name: str
    version: str
    scans: int
    newest_at: datetime
    """When it made the newest of them."""


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    version: str
    pacs: str
    reports: int
    newest_at: datetime


class AnalyzerList:
    """Lists analyzers by the reports that they made. All reports are counted together, from an
    index, and the counts are kept in proportion to the time that took."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._groups = KeptValue(self._count)

    def versions(self, tenant: Tenant) -> list[AnalyzerVersion]:
        """The versions of each analyzer: by name, the one that made the newest report first."""
        groups: dict[tuple[str, str], list[_Group]] = defaultdict(list)
        for group in self._groups.get():
            if tenant.owns(group.pacs):
                groups[group.name, group.version].append(group)
        found = [
            AnalyzerVersion(
                name,
                version,
                sum(group.reports for group in some),
                max(group.newest_at for group in some),
            )
            for (name, version), some in groups.items()
        ]
        found.sort(key=lambda one: one.newest_at, reverse=True)
        return sorted(found, key=lambda one: one.name)

    @translated
    def parameters(self, tenant: Tenant, name: str, version: str) -> Document:
        """The parameters in the newest report by this version; empty if there is none."""
        wanted = {_NAME: name, _VERSION: version, "pacs": {"$in": self._sources(tenant)[:100]}}
        fields = {"report.findings.parameters": 1}
        found = find(self._db.reports, wanted, fields, sort=_NEWEST, hint=ANALYZER, limit=1)
        report: object = found[0] if found else None
        for part in ("report", "findings", "parameters"):
            report = report.get(part) if isinstance(report, dict) else None
        return report if isinstance(report, dict) else {}

    def scans(
        self,
        tenant: Tenant,
        name: str,
        version: str,
        limit: int,
        after: tuple[int, str] | None = None,
    ) -> tuple[list[str], tuple[int, str] | None]:
        """The keys of the scans that a version read last, the newest report first, and where the
        next page begins.

        Args:
            tenant: whose scans.
            name: of the analyzer.
            version: its version.
            limit: the most keys.
            after: where the page before ended: milliseconds since 1970, and a key.
        """
        found: list[Document] = []
        sources = self._sources(tenant)
        for start in range(0, len(sources), _SOURCES_AT_ONCE):
            some = sources[start : start + _SOURCES_AT_ONCE]
            found += self._page(name, version, some, limit + 1, after)
        places = sorted(((int(DatetimeMS(d["created_at"])), d["_id"]) for d in found), reverse=True)
        shown = places[:limit]
        keys = [key for _, key in shown if is_owned(tenant, key)]
        return keys, shown[-1] if len(places) > limit else None

    def _sources(self, tenant: Tenant) -> list[str]:
        return sorted({one.pacs for one in self._groups.get() if tenant.owns(one.pacs)})

    @translated
    def _page(
        self,
        name: str,
        version: str,
        sources: Sequence[str],
        limit: int,
        after: tuple[int, str] | None,
    ) -> list[Document]:
        wanted: Document = {_NAME: name, _VERSION: version, "pacs": {"$in": list(sources)}}
        wanted["_id"] = {"$gte": ""}
        if after is None:
            wanted["created_at"] = {"$lte": DatetimeMS(2**63 - 1)}
        else:
            at, key = DatetimeMS(after[0]), after[1]
            wanted["created_at"] = {"$lte": at}
            wanted["$or"] = [{"created_at": {"$lt": at}}, {"_id": {"$lt": key}}]
        fields = {"created_at": 1}
        return find(self._db.reports, wanted, fields, sort=_NEWEST, hint=ANALYZER, limit=limit)

    @translated
    def _count(self) -> list[_Group]:
        by = {"name": f"${_NAME}", "version": f"${_VERSION}", "pacs": "$pacs"}
        lines = aggregate(
            self._db.reports,
            [
                {"$match": {_NAME: {"$gte": ""}}},
                {"$group": {"_id": by, "n": {"$sum": 1}, "newest": {"$max": "$created_at"}}},
            ],
        )
        return [group for line in lines if (group := _group(line)) is not None]


def _group(line: Document) -> _Group | None:
    """The numbers of a group; None if it is of damaged reports."""
    name, version, pacs = (line["_id"].get(part) for part in ("name", "version", "pacs"))
    newest = line["newest"]
    if not isinstance(newest, datetime) or not isinstance(name, str):
        return None
    if not isinstance(version, str) or not isinstance(pacs, str):
        return None
    return _Group(name, version, pacs, line["n"], newest)
