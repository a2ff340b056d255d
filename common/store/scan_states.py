"""What some scans and reports are now, for the feed: of changes whose writer did not know it."""

from collections.abc import Sequence

from common.domain.scan import Priority
from common.domain.states import ReportGenerated, shown
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import find, whole
from common.store.error_mapping import translated
from common.store.feed_documents import REMOVED, Change, ChangeKind, Step, reports_changed

_FIELDS = {"report_generated": 1, "fence": 1, "revision": 1, "scan.priority": 1}


class ScanStates:
    """Looks up scans and reports."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def of(self, keys: Sequence[str]) -> list[Change]:
        """What these scans are now; those that are alike together."""
        found = find(self._db.scans, {"_id": {"$in": list(keys)}}, _FIELDS, hint=BY_ID)
        alike: dict[tuple[tuple[str, object], ...], list[str]] = {}
        for document in found:
            key = document["_id"]
            if isinstance(key, str):
                alike.setdefault(tuple(_facts(document).items()), []).append(key)
        known = {key for some in alike.values() for key in some}
        if gone := [key for key in keys if key not in known]:
            alike[(("state", REMOVED),)] = gone
        return [Change(ChangeKind.SCAN, some, dict(facts)) for facts, some in alike.items()]

    @translated
    def of_reports(self, keys: Sequence[str]) -> list[Change]:
        """What the reports of these scans are now, those that are alike together; nothing of those
        that are not stored any more."""
        fields = {"revision": 1, "status": 1, "undeliverable.at": 1}
        found = find(self._db.reports, {"_id": {"$in": list(keys)}}, fields, hint=BY_ID)
        alike: dict[tuple[str, int], list[str]] = {}
        for document in found:
            about = _delivery(document), whole(document.get("revision", 1)) or 1
            alike.setdefault(about, []).append(document["_id"])
        return [reports_changed(some, *about) for about, some in alike.items()]


def _delivery(document: Document) -> str:
    if document.get("status") is True:
        return "delivered"
    return "undeliverable" if document.get("undeliverable") else "ready"


def _facts(document: Document) -> Document:
    state = str(document.get("report_generated"))
    facts: Document = {"state": shown(state)}
    if (fence := whole(document.get("fence"))) is not None:
        facts["fence"] = fence
        step = Step.ENDED if fence else Step.NEW
        facts["step"] = str(Step.CLAIMED if state == ReportGenerated.IN_PROGRESS else step)
    header = document.get("scan")
    priority = header.get("priority") if isinstance(header, dict) else None
    if priority in tuple(Priority):
        facts["priority"] = str(priority)
    if state == ReportGenerated.DONE:
        facts["revision"] = whole(document.get("revision", 1)) or 1
    return facts
