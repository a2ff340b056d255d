"""The scans of a patient: those whose header has one of the patient's pseudonyms, and those that
came again with one."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from common.domain.states import ERASED, PURGED
from common.domain.tenant import Tenant, uploads_source
from common.domain.types import DEFAULT_TENANT, Document
from common.store.connection import Connection
from common.store.damage import as_stored, find, readable_id
from common.store.error_mapping import translated
from common.store.schema import ALSO_SUBJECT, NEWEST_FIRST, SUBJECT

_WAYS = ((SUBJECT, "scan.subject"), (ALSO_SUBJECT, "also.subject"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = ("received_at", "report_generated", "scan.subject", "scan.scan_type", "scan.modality")


@dataclass(frozen=True, slots=True)
class PatientScan:
    """A scan of a patient."""

    key: str
    state: str
    """As stored."""
    received_at: datetime
    subject: str | None
    scan_type: str | None
    modality: str | None


class PatientScans:
    """Finds the scans of patients."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def page(
        self,
        tenant: Tenant,
        pseudonyms: Sequence[str],
        limit: int,
        after: tuple[datetime, str] | None = None,
    ) -> list[PatientScan]:
        """At most ``limit`` scans, the newest first, those after a place: time and key of the last
        one of a page."""
        if not pseudonyms:
            return []
        found = [
            find(
                self._db.scans,
                _wanted(tenant, field, pseudonyms, after),
                dict.fromkeys(_FIELDS, 1),
                sort=list(NEWEST_FIRST),
                limit=limit,
                hint=index,
            )
            for index, field in _WAYS
        ]
        # Those that are found both ways stand beside each other.
        merged = heapq.merge(
            *([_scan(one) for one in some] for some in found), key=_place, reverse=True
        )
        return list(islice(_distinct(merged), limit))

    @translated
    def keys(self, tenant: Tenant, pseudonyms: Sequence[str]) -> list[str]:
        """The keys of all the scans of these pseudonyms, in their order."""
        if not pseudonyms:
            return []
        keys = set()
        for index, field in _WAYS:
            wanted = _wanted(tenant, field, pseudonyms, None)
            for one in as_stored(self._db.scans).find(wanted, {"_id": 1}, hint=index):
                if (key := readable_id(one)) is not None:
                    keys.add(key)
        return sorted(keys)


def _wanted(
    tenant: Tenant,
    field: str,
    pseudonyms: Sequence[str],
    after: tuple[datetime, str] | None,
) -> Document:
    wanted: Document = {
        field: {"$in": sorted(pseudonyms)},
        "scan.pacs": _owned(tenant),
        "report_generated": {"$nin": [ERASED, PURGED]},
    }
    if after is not None:
        at, key = after
        wanted["received_at"] = {"$lte": at}
        wanted["$or"] = [{"received_at": {"$lt": at}}, {"_id": {"$lt": key}}]
    return wanted


def _owned(tenant: Tenant) -> Document:
    """A condition on the source of a scan: it is this tenant's."""
    if tenant.pacs is not None:
        return {"$in": sorted({*tenant.pacs, tenant.uploads})}
    uploads = uploads_source(DEFAULT_TENANT)
    return {"$nin": sorted(tenant.others), "$not": {"$regex": f"^{uploads}-"}}


def _place(scan: PatientScan) -> tuple[datetime, str]:
    return scan.received_at, scan.key


def _distinct(scans: Iterator[PatientScan]) -> Iterator[PatientScan]:
    last = None
    for scan in scans:
        if scan.key != last:
            yield scan
        last = scan.key


def _scan(document: Document) -> PatientScan:
    header = document.get("scan")
    about = header if isinstance(header, dict) else {}
    received = document.get("received_at")
    return PatientScan(
        key=str(document["_id"]),
        state=str(document.get("report_generated")),
        received_at=received if isinstance(received, datetime) else _EPOCH,
        subject=_text(about.get("subject")),
        scan_type=_text(about.get("scan_type")),
        modality=_text(about.get("modality")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
