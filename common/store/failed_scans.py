"""Failed scans, those in ``'Error'``: listed, requeued, reconciled with late reports. Scans whose
report was lost are requeued as well."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bson import ObjectId

from common.domain.audit_events import ASKED_FOR, Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.collections import Notification
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.documents import HAS_VOXELS
from common.store.error_mapping import translated
from common.store.feed_documents import scans_to_look_up
from common.store.paging import pages
from common.store.reconciliation import Reconciliation
from common.store.recording import Recorder

T = TypeVar("T")

HISTORY_KEPT = 10
"""The most causes of earlier failures that a scan keeps."""

_PAGE = 1000
_FAILED: Document = {"report_generated": ReportGenerated.ERROR}
_NOTHING: Document = {}


@dataclass(frozen=True, slots=True)
class FailedScan:
    """A scan in ``'Error'``."""

    key: str
    cause: str
    attempts: int
    worker: str | None  # the owner id of the last claim: host, process, processor
    at: datetime | None
    requeued: int  # how often it was requeued before


@dataclass(frozen=True, slots=True)
class Requeued:
    """The outcome of a requeue, by scan."""

    to_do: tuple[str, ...] = ()  # requeued
    done: tuple[str, ...] = ()  # already had a report: now 'Done'
    # Not in 'Error', and not without a report: id and state; unchanged.
    elsewhere: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()


class FailedScans:
    """Lists and requeues failed scans."""

    def __init__(
        self, connection: Connection, reconciliation: Reconciliation, recorder: Recorder
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._recorder = recorder

    def all(self) -> Iterator[FailedScan]:
        """All scans in ``'Error'``, in order of their ids."""
        for found in self._pages():
            yield from map(_failed_scan, found)

    def ids(self) -> Iterator[list[str]]:
        """The ids of all scans in ``'Error'``, in order and in pages."""
        for found in self._pages():
            yield [document["_id"] for document in found]

    def _pages(self) -> Iterator[list[Document]]:
        fields = {"error": 1, "attempts": 1, "owner": 1, "past_errors": 1}
        return pages(self._db.scans, {**_FAILED, "_id": {"$gt": ""}}, fields, size=_PAGE)

    @translated
    def without_report(self, keys: Sequence[str]) -> set[str]:
        """The ids of those of these scans that are ``'Done'`` and have no report: it was lost, as
        when only a part of a backup was restored. Takes about a thousand ids at most."""
        done = [key for key, state in self._states(keys).items() if state == ReportGenerated.DONE]
        if not done:
            return set()
        # A report is written before its scan is 'Done', so it is seen here.
        found = self._db.reports_fast.find({"_id": {"$in": done}}, {"_id": 1}, hint=BY_ID)
        return set(done) - {document["_id"] for document in found}

    @translated
    def requeue(self, keys: Sequence[str], by: str | None = None) -> Requeued:
        """Return scans from ``'Error'``, and those that lost their report, to ``'To Do'`` with no
        attempts used, and notify a processor. Takes about a thousand ids at most.

        The fence keeps rising, so no earlier owner can finish such a scan. The cause moves to the
        scan's history. A scan that already has a report becomes ``'Done'`` instead.

        Args:
            keys: of the scans.
            by: the user who asked for it, for the audit trail.
        """
        ids = list(dict.fromkeys(keys))
        self._db.feed.begin()
        self._recorder.note(Kind.REQUEUE, ids, outcome=ASKED_FOR, by=by)
        self._recorder.wait_durable()
        states = self._states(ids)
        failed = [i for i in ids if states.get(i) == ReportGenerated.ERROR]
        done = self._reconciliation.reconcile(failed)
        token = ObjectId()  # if two requeue the same scans, each learns which were its own
        lost = self.without_report(ids)
        rest = [key for key in failed if key not in done] + sorted(lost)
        requeued: set[str] = set()
        if rest:
            mine: Document = {"_id": {"$in": rest}}
            can_be_read: Document = {**HAS_VOXELS, "purging_since": None}
            self._db.scans.update_many(
                {**mine, **_FAILED, **can_be_read}, _requeue_update(token, _WITH_CAUSE)
            )
            if lost:
                # If somebody else was faster and there is a report by now, it stays the only one.
                these = {"_id": {"$in": sorted(lost)}, "report_generated": ReportGenerated.DONE}
                self._db.scans.update_many({**these, **can_be_read}, _requeue_update(token))
            changed = self._db.scans.find({**mine, "requeued_by": token}, {"_id": 1})
            requeued = {document["_id"] for document in changed}
            self._db.notifications.publish(Notification.SCAN)
            self._db.feed.tell(scans_to_look_up(sorted(requeued)))
        others = set(rest) - requeued
        if others:
            now = self._states(others)
            states.update({key: _left(state, key in lost) for key, state in now.items()})
        for outcome, changed_ids in (("To Do", requeued), ("has its report", done)):
            if changed_ids:
                self._recorder.note(Kind.REQUEUE, sorted(changed_ids), outcome=outcome, by=by)
        return Requeued(
            to_do=tuple(i for i in ids if i in requeued),
            done=tuple(i for i in ids if i in done),
            elsewhere=tuple(
                (i, states[i]) for i in ids if i in states and i not in requeued and i not in done
            ),
            unknown=tuple(i for i in ids if i not in states),
        )

    def _states(self, keys: Collection[str]) -> dict[str, str]:
        found = find(self._db.scans, {"_id": {"$in": list(keys)}}, {"report_generated": 1})
        return {document["_id"]: str(document.get("report_generated")) for document in found}


def _left(state: str, is_lost: bool) -> str:
    """The state of a scan that was not requeued, which only its voxels would have allowed."""
    if state == ReportGenerated.ERROR:
        return "Error, voxels removed"
    return "Done, report lost and voxels removed" if is_lost else state


_EARLIER: Document = {"$cond": [{"$isArray": "$past_errors"}, "$past_errors", []]}
_WITH_CAUSE: Document = {
    "past_errors": {"$slice": [{"$concatArrays": [_EARLIER, ["$error"]]}, -HISTORY_KEPT]}
}


def _requeue_update(token: ObjectId, more: Document = _NOTHING) -> list[Document]:
    again = {"report_generated": ReportGenerated.TO_DO, "attempts": 0, "requeued_by": token}
    return [
        {"$set": {**again, **more}},
        {"$unset": ["error", "lease_until", "notice", "done_at", "reanalysis_error"]},
    ]


def _failed_scan(document: Document) -> FailedScan:
    # Scans that failed because they are damaged are among them: any field may be of any type.
    error = _if(dict, document.get("error")) or {}
    return FailedScan(
        key=document["_id"],
        cause=str(error.get("cause", "unknown")),
        attempts=_if(int, document.get("attempts")) or 0,
        worker=_if(str, error.get("worker")) or _if(str, document.get("owner")),
        at=_if(datetime, error.get("at")),
        requeued=len(_if(list, document.get("past_errors")) or ()),
    )


def _if(kind: type[T], value: object) -> T | None:
    return value if isinstance(value, kind) else None
