"""``DBManager`` for a person who looks after the scans that were set aside as ``'Error'``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.store.collections import WakeUp
from common.store.connection import Connection
from common.store.documents import Document
from common.store.error_mapping import translated
from common.store.reconciliation import Reconciliation
from common.store.recording import Recorder

HISTORY_KEPT = 10
"""Causes of earlier times in ``'Error'`` that a scan keeps."""

_PAGE = 1000
_FAILED: Document = {"report_generated": ReportGenerated.ERROR}


@dataclass(frozen=True, slots=True)
class FailedScan:
    """A scan that was set aside."""

    scan_id: str
    cause: str
    attempts: int
    worker: str | None  # the owner id of the last claim: host, process, processor
    at: datetime | None
    requeued: int  # how often a person has put it back before


@dataclass(frozen=True, slots=True)
class Requeued:
    """What became of the scans that a person wanted back."""

    to_do: tuple[str, ...] = ()  # put back
    done: tuple[str, ...] = ()  # had their report already: 'Done' now
    elsewhere: tuple[tuple[str, str], ...] = ()  # not 'Error': id and state; left as they are
    unknown: tuple[str, ...] = ()


class FailedScans:
    """Lists the scans set aside and puts them back."""

    def __init__(
        self, connection: Connection, reconciliation: Reconciliation, recorder: Recorder
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._recorder = recorder

    def all(self) -> Iterator[FailedScan]:
        """All scans in ``'Error'``, by rising id."""
        after = ""
        while page := self._page(after):
            yield from map(_failed_scan, page)
            after = page[-1]["_id"]

    def ids(self) -> Iterator[list[str]]:
        """The ids of all scans in ``'Error'``, a page at a time, by rising id."""
        after = ""
        while page := self._page(after):
            yield [document["_id"] for document in page]
            after = page[-1]["_id"]

    @translated
    def _page(self, after: str) -> list[Document]:
        # In pages, each with its own time limit.
        fields = {"error": 1, "attempts": 1, "owner": 1, "past_errors": 1}
        wanted = {**_FAILED, "_id": {"$gt": after}}
        return list(self._db.scans.find(wanted, fields, sort=[("_id", 1)], limit=_PAGE))

    @translated
    def requeue(self, scan_ids: Sequence[str]) -> Requeued:
        """Put these scans back from ``'Error'`` to ``'To Do'``, as if nobody had tried them, and
        wake a processor. A thousand or so at once, at most.

        The fence stays and goes on rising, so that no earlier owner can finish them; the cause
        joins the scan's history. One that has a report needs none: it is ``'Done'`` instead.
        """
        ids = list(dict.fromkeys(scan_ids))
        self._recorder.note(Kind.REQUEUE, ids, outcome="asked for")
        self._recorder.wait_durable()
        found = self._db.scans.find({"_id": {"$in": ids}}, {"report_generated": 1})
        states = {document["_id"]: str(document["report_generated"]) for document in found}
        errors = [i for i in ids if states.get(i) == ReportGenerated.ERROR]
        done = self._reconciliation.reconcile(errors)
        token = ObjectId()  # of two people who put back the same scans, each is told its own
        rest = [scan_id for scan_id in errors if scan_id not in done]
        back: set[str] = set()
        if rest:
            mine: Document = {"_id": {"$in": rest}}
            self._db.scans.update_many({**mine, **_FAILED}, _requeued(token))
            changed = self._db.scans.find({**mine, "requeued_by": token}, {"_id": 1})
            back = {document["_id"] for document in changed}
            self._db.notifications.ring(WakeUp.SCAN)
        gone = set(rest) - back
        if gone:
            now = self._db.scans.find({"_id": {"$in": list(gone)}}, {"report_generated": 1})
            states.update({d["_id"]: str(d["report_generated"]) for d in now})
        for outcome, changed_ids in (("To Do", back), ("has its report", done)):
            if changed_ids:
                self._recorder.note(Kind.REQUEUE, sorted(changed_ids), outcome=outcome)
        return Requeued(
            to_do=tuple(i for i in ids if i in back),
            done=tuple(i for i in ids if i in done),
            elsewhere=tuple(
                (i, states[i]) for i in ids if i in states and i not in back and i not in done
            ),
            unknown=tuple(i for i in ids if i not in states),
        )

    @translated
    def reconcile(self) -> list[str]:
        """Scans set aside whose report came all the same are ``'Done'`` now; their ids.

        For what was killed between the one and the other; to be called now and then.
        """
        return [i for page in self.ids() for i in sorted(self._reconciliation.reconcile(page))]


def _requeued(token: ObjectId) -> list[Document]:
    past = {"$concatArrays": [{"$ifNull": ["$past_errors", []]}, ["$error"]]}
    return [
        {
            "$set": {
                "report_generated": ReportGenerated.TO_DO,
                "attempts": 0,
                "requeued_by": token,
                "past_errors": {"$slice": [past, -HISTORY_KEPT]},
            }
        },
        {"$unset": ["error", "lease_until"]},
    ]


def _failed_scan(document: Document) -> FailedScan:
    error = document.get("error") or {}
    return FailedScan(
        scan_id=document["_id"],
        cause=str(error.get("cause", "unknown")),
        attempts=int(document.get("attempts", 0)),
        worker=error.get("worker") or document.get("owner"),
        at=error.get("at"),
        requeued=len(document.get("past_errors", ())),
    )
