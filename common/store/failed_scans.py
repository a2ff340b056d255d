"""``DBManager`` for a person who looks after the scans that were set aside as ``'Error'``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from common.domain.states import ReportGenerated
from common.store.collections import WakeUp
from common.store.documents import Document
from common.store.error_mapping import translated
from common.store.reconciliation import Settling

HISTORY_KEPT = 10
"""Causes of earlier times in ``'Error'`` that a scan keeps."""

_PAGE = 1000
_SET_ASIDE: Document = {"report_generated": ReportGenerated.ERROR}


@dataclass(frozen=True, slots=True)
class SetAside:
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


class Quarantine(Settling):
    """Lists the scans set aside and puts them back."""

    def set_aside(self) -> Iterator[SetAside]:
        """All scans in ``'Error'``, by rising id."""
        after = ""
        while page := self._set_aside_page(after):
            yield from map(_as_set_aside, page)
            after = page[-1]["_id"]

    def set_aside_ids(self) -> Iterator[list[str]]:
        """The ids of all scans in ``'Error'``, a page at a time, by rising id."""
        after = ""
        while page := self._set_aside_page(after):
            yield [document["_id"] for document in page]
            after = page[-1]["_id"]

    @translated
    def _set_aside_page(self, after: str) -> list[Document]:
        # In pages, each with its own time limit.
        fields = {"error": 1, "attempts": 1, "owner": 1, "past_errors": 1}
        wanted = {**_SET_ASIDE, "_id": {"$gt": after}}
        return list(self._scans.find(wanted, fields, sort=[("_id", 1)], limit=_PAGE))

    @translated
    def requeue(self, scan_ids: Sequence[str]) -> Requeued:
        """Put these scans back from ``'Error'`` to ``'To Do'``, as if nobody had tried them, and
        wake a processor. A thousand or so at once, at most.

        The fence stays and goes on rising, so that no earlier owner can finish them; the cause
        joins the scan's history. One that has a report needs none: it is ``'Done'`` instead.
        """
        ids = list(dict.fromkeys(scan_ids))
        found = self._scans.find({"_id": {"$in": ids}}, {"report_generated": 1})
        states = {document["_id"]: str(document["report_generated"]) for document in found}
        errors = [i for i in ids if states.get(i) == ReportGenerated.ERROR]
        done = self._settle(errors)
        token = ObjectId()  # of two people who put back the same scans, each is told its own
        rest = [scan_id for scan_id in errors if scan_id not in done]
        back: set[str] = set()
        if rest:
            mine: Document = {"_id": {"$in": rest}}
            self._scans.update_many({**mine, **_SET_ASIDE}, _put_back(token))
            changed = self._scans.find({**mine, "requeued_by": token}, {"_id": 1})
            back = {document["_id"] for document in changed}
            self._wake_ups.ring(WakeUp.SCAN)
        gone = set(rest) - back
        if gone:
            now = self._scans.find({"_id": {"$in": list(gone)}}, {"report_generated": 1})
            states.update({d["_id"]: str(d["report_generated"]) for d in now})
        return Requeued(
            to_do=tuple(i for i in ids if i in back),
            done=tuple(i for i in ids if i in done),
            elsewhere=tuple(
                (i, states[i]) for i in ids if i in states and i not in back and i not in done
            ),
            unknown=tuple(i for i in ids if i not in states),
        )

    @translated
    def settle_errors(self) -> list[str]:
        """Scans set aside whose report came all the same are ``'Done'`` now; their ids.

        For what was killed between the one and the other; to be called now and then.
        """
        return [i for page in self.set_aside_ids() for i in sorted(self._settle(page))]


def _put_back(token: ObjectId) -> list[Document]:
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


def _as_set_aside(document: Document) -> SetAside:
    error = document.get("error") or {}
    return SetAside(
        scan_id=document["_id"],
        cause=str(error.get("cause", "unknown")),
        attempts=int(document.get("attempts", 0)),
        worker=error.get("worker") or document.get("owner"),
        at=error.get("at"),
        requeued=len(document.get("past_errors", ())),
    )
