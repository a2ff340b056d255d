"""A long work list, inserted into MongoDB as its scans would be after their lives so far."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from common.domain.scan_key import scan_key
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan, report_document, scan_document
from tests.factories import inside, make_report, make_scan

FIRST_AT = datetime(2026, 1, 1, tzinfo=UTC)

_PACS = ("pacs-1", "pacs-2", "pacs-3", "mr-1")
_STATES = {0: "Error", 1: "To Do"}
_OF_SUBJECT = 25
"""Scans of each subject, in a row."""

_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class ManyScan:
    """What is planted about a scan."""

    scan_id: str
    pacs: str
    state: str
    subject: str
    received_at: datetime
    """Three scans share each moment, so that pages end between scans of the same time."""
    verdict: str | None
    """Of the report; None: it is not done."""

    @property
    def key(self) -> str:
        """Its key."""
        return scan_key(self.scan_id, self.pacs)


def many_scans(count: int) -> list[ManyScan]:
    """What ``plant_many`` plants, in the order of a list: the newest first."""
    scans = [_scan(n) for n in range(count)]
    return sorted(scans, key=lambda one: (one.received_at, one.key), reverse=True)


def _scan(n: int) -> ManyScan:
    state = _STATES.get(n % 41, "Done")
    return ManyScan(
        scan_id=f"{n * 7919 % 1_000_003:07}",  # so that ids and times have different orders
        pacs=_PACS[n % len(_PACS)],
        state=state,
        subject=f"sub-{n // _OF_SUBJECT:05}",
        received_at=FIRST_AT + timedelta(minutes=n // 3),
        verdict=None if state != "Done" else "warn" if n % 9 == 3 else "pass",
    )


def plant_many(store: DBManager, scans: list[ManyScan]) -> None:
    """Insert these scans and their reports, which are delivered."""
    for start in range(0, len(scans), _AT_ONCE):
        some = scans[start : start + _AT_ONCE]
        inside(store).insert_many(list(_scan_documents(some)), ordered=False)
        reports = inside(store, Collection.REPORTS)
        reports.insert_many(list(_report_documents(some)), ordered=False)


def _scan_documents(scans: list[ManyScan]) -> Iterator[dict[str, Any]]:
    scan, voxels = make_scan()
    whole = scan_document(NewScan(scan, voxels), FIRST_AT)
    for one in scans:
        about = {"scan_id": one.scan_id, "pacs": one.pacs, "subject": one.subject}
        yield {
            **whole,
            "_id": one.key,
            "report_generated": one.state,
            "turn_at": one.received_at,
            "received_at": one.received_at,
            "scan": {**whole["scan"], **about},
            **({"error": {"cause": "damaged", "at": FIRST_AT}} if one.state == "Error" else {}),
        }


def _report_documents(scans: list[ManyScan]) -> Iterator[dict[str, Any]]:
    scan, _ = make_scan()
    whole = report_document(make_report(scan))
    for one in scans:
        if one.verdict is None:
            continue
        findings = {**whole["report"]["findings"], "quality": {"verdict": one.verdict}}
        about = {"scan_id": one.scan_id, "pacs": one.pacs, "findings": findings}
        sent = {"status": True, "tries": 1, "sent_at": one.received_at}
        yield {
            **whole,
            **sent,
            "_id": one.key,
            "pacs": one.pacs,
            "report": {**whole["report"], **about},
        }
