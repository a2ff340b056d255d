"""Failed scans, those in ``'Error'``: listed, requeued, reconciled with late reports."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bson import ObjectId

from common.domain.audit_events import ASKED_FOR, Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.collections import Notification
from common.store.connection import Connection
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
    elsewhere: tuple[tuple[str, str], ...] = ()  # not in 'Error': id and state; unchanged
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
    def requeue(self, keys: Sequence[str], by: str | None = None) -> Requeued:
        """Return scans from ``'Error'`` to ``'To Do'`` with no attempts used, and notify a
        processor. Takes about a thousand ids at most.

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
        rest = [key for key in failed if key not in done]
        requeued: set[str] = set()
        if rest:
            mine: Document = {"_id": {"$in": rest}}
            self._db.scans.update_many(
                {**mine, **_FAILED, **HAS_VOXELS, "purging_since": None}, _requeue_update(token)
            )
            changed = self._db.scans.find({**mine, "requeued_by": token}, {"_id": 1})
            requeued = {document["_id"] for document in changed}
            self._db.notifications.publish(Notification.SCAN)
            self._db.feed.tell(scans_to_look_up(sorted(requeued)))
        others = set(rest) - requeued
        if others:
            now = self._states(others)
            states.update({key: _without_voxels(state) for key, state in now.items()})
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


def _without_voxels(state: str) -> str:
    return "Error, voxels removed" if state == ReportGenerated.ERROR else state


def _requeue_update(token: ObjectId) -> list[Document]:
    earlier = {"$cond": [{"$isArray": "$past_errors"}, "$past_errors", []]}
    past = {"$concatArrays": [earlier, ["$error"]]}
    return [
        {
            "$set": {
                "report_generated": ReportGenerated.TO_DO,
                "attempts": 0,
                "requeued_by": token,
                "past_errors": {"$slice": [past, -HISTORY_KEPT]},
            }
        },
        {"$unset": ["error", "lease_until", "notice"]},
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
