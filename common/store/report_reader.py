"""Reads reports and their earlier revisions, each only for the tenant that it belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from common.domain.report import BrainReport
from common.domain.tenant import Tenant
from common.domain.types import Document
from common.errors import StoreError
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.documents import revision_of
from common.store.error_mapping import translated
from common.store.pictures import PictureReader
from common.store.tenancy import owned, these_of, this_of

REVISIONS_MAX = 1000
"""The most earlier revisions that are listed of a scan."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of a report, as a list has it."""

    revision: int
    analyzer: str | None
    version: str | None
    analysed_at: datetime | None
    verdict: str | None


class CurrentReports:
    """Reads the current reports of scans, and no earlier revisions."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def of(self, tenant: Tenant, keys: Sequence[str]) -> list[BrainReport]:
        """The current reports of these scans, in their order; without those that are damaged."""
        found: dict[str, BrainReport] = {}
        for stored in self._those(tenant, keys):
            try:
                found[stored["_id"]] = _report(stored)
            except StoreError:
                continue
        return [found[key] for key in keys if key in found]

    @translated
    def _those(self, tenant: Tenant, keys: Sequence[str]) -> list[Document]:
        return find(self._db.reports, these_of(tenant, list(keys)), hint=BY_ID)


class ReportReader(CurrentReports):
    """Reads reports and their revisions."""

    def __init__(self, connection: Connection, pictures: PictureReader) -> None:
        super().__init__(connection)
        self._pictures = pictures

    def get(self, tenant: Tenant, key: str, revision: int | None = None) -> BrainReport | None:
        """A scan's report, the current one or that of a revision; None if there is none.

        Raises:
            StoreError: the stored report is damaged, or of a newer release.
        """
        stored = self._current(tenant, key)
        if stored is not None and revision is not None and revision_of(stored) != revision:
            stored = self._earlier(tenant, key, revision)
        return None if stored is None else _report(stored)

    def revisions(self, tenant: Tenant, key: str) -> list[Revision]:
        """The revisions of a scan's report, the current one first; empty if there is no report."""
        current = self._current(tenant, key, _LISTED)
        if current is None:
            return []
        found = [_revision(one) for one in (current, *self._history(tenant, key))]
        return sorted(found, key=lambda one: -one.revision)

    def picture(self, tenant: Tenant, key: str, revision: int | None = None) -> bytes | None:
        """The picture of a report, a PNG; None if there is none."""
        report = self.get(tenant, key, revision)
        if report is None or report.picture_hash is None:
            return None
        return self._pictures.get(key, report.picture_hash)

    @translated
    def _current(self, tenant: Tenant, key: str, fields: Document | None = None) -> Document | None:
        found = find(self._db.reports, this_of(tenant, key), fields, hint=BY_ID)
        return found[0] if found else None

    @translated
    def _earlier(self, tenant: Tenant, key: str, revision: int) -> Document | None:
        # The scan's id as well: it is what the tenant's condition is on.
        wanted = {
            "_id": {"scan": key, "revision": revision},
            "scan_id": {"$eq": key, **owned(tenant)},
        }
        found = find(self._db.history, wanted, hint=BY_ID)
        return found[0] if found else None

    @translated
    def _history(self, tenant: Tenant, key: str) -> list[Document]:
        wanted = {"scan_id": {"$eq": key, **owned(tenant)}}
        return find(self._db.history, wanted, _LISTED, limit=REVISIONS_MAX)


_LISTED: Document = dict.fromkeys(
    (
        *("revision", "report.analyzer", "report.analysed_at"),
        "report.findings.quality.verdict",
    ),
    1,
)


def _report(stored: Document) -> BrainReport:
    try:
        return BrainReport.model_validate(stored.get("report"))
    except ValidationError:
        raise StoreError("a stored report is damaged, or of a newer release") from None


def _revision(stored: Document) -> Revision:
    report = stored.get("report")
    report = report if isinstance(report, dict) else {}
    at = report.get("analysed_at")
    return Revision(
        revision=revision_of(stored),
        analyzer=_text(report, "analyzer", "name"),
        version=_text(report, "analyzer", "version"),
        analysed_at=at if isinstance(at, datetime) else None,
        verdict=_text(report, "findings", "quality", "verdict"),
    )


def _text(found: object, *path: str) -> str | None:
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None
