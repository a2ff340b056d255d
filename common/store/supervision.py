"""Acts for processors that no longer can, for Fr-BRAIN's supervisor."""

import math

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.claim_documents import (
    DAMAGED,
    RETRY_PAUSES,
    failed_for_good,
    failure,
    retry_update,
)
from common.store.collections import Notification
from common.store.connection import Connection
from common.store.damage import filters, find
from common.store.documents import LEASE_MAX_S, SLACK_S, held_by
from common.store.endings import Endings
from common.store.error_mapping import translated
from common.store.feed_documents import scans_to_look_up
from common.store.reconciliation import Reconciliation
from common.store.recording import Recorder
from common.store.schema import IN_PROGRESS, NOT_NEWER, RETRIED, SCHEMA_VERSION
from common.store.waiting_indexes import between, lower, prefixes, upper, without_schema

_PAGE = 1000
_WAITING = {"report_generated": ReportGenerated.TO_DO}


class Supervision:
    """Renews and fails the claims of a processor, by its owner id."""

    def __init__(
        self, connection: Connection, reconciliation: Reconciliation, recorder: Recorder
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._recorder = recorder
        self._endings = Endings(connection, reconciliation, recorder)

    @translated
    def renew(self, key: str, owner: str, fence: int, lease_s: float) -> bool:
        """Extend the lease of a claim whose processor is busy in code that blocks all its threads;
        False if the claim is lost."""
        lease = {"lease_until": {"$add": ["$$NOW", int(lease_s * 1000)]}}
        claim = held_by(owner, fence, [key])
        return self._db.scans_fast.update_one(claim, [{"$set": lease}]).matched_count == 1

    @translated
    def fail(
        self,
        key: str,
        owner: str,
        fence: int,
        cause: str,
        attempts_allowed: int,
        *,
        pause_s: float = 0.0,
    ) -> ReportGenerated | None:
        """End the claim of a processor that died while it worked on this scan.

        The scan is ``'To Do'`` again with the cause, or ``'Error'`` once it has used up its
        attempts; ``pause_s`` is as for ``Claims.fail``. Returns its state; None if the claim was
        lost or has ended already.
        """
        claim = held_by(owner, fence, [key])
        self._recorder.note(Kind.ERROR, [key], outcome="no report", cause=cause, owner=owner)
        self._recorder.wait_durable()
        used_up = {**claim, "attempts": {"$gte": attempts_allowed}}
        found = self._db.scans.find_one_and_update(
            used_up, failed_for_good(failure(cause)), {"report_generated": 1}, return_document=True
        )
        if found is not None:
            self._db.feed.tell(scans_to_look_up([key]))
            reported = self._reconciliation.reconcile([key])
            return ReportGenerated.DONE if reported else ReportGenerated(found["report_generated"])
        left = self._db.scans.update_one(claim, retry_update(failure(cause), pause_s))
        if not left.matched_count:
            return None
        self._db.notifications.publish(Notification.SCAN)
        self._db.feed.tell(scans_to_look_up([key]))
        return ReportGenerated.TO_DO

    @translated
    def fail_damaged(self, *, pause_s: float = 0.0) -> int:
        """Fail the waiting scans that no claim can find, as a field that the queue is ordered by
        has a wrong type; returns their number. Of other scans it reads keys and no documents, but
        for retried ones.

        Args:
            pause_s: as for ``fail``: no pause may be longer than the longest that follows from it.
        """
        self._repair(pause_s)
        failed = 0
        for lane in prefixes(self._db.scans_fast, 3):
            reanalysis, pacs, kind = lane
            ranges = [
                (lower(*lane), lower(*lane, 0)),  # no number, or below 0
                (upper(*lane, math.inf), upper(*lane)),
            ]
            if not (
                isinstance(reanalysis, bool) and isinstance(pacs, str) and isinstance(kind, str)
            ):
                ranges = [(lower(*lane), upper(*lane))]
            for low, high in ranges:
                found = between(self._db.scans_fast, low, high, _PAGE)
                failed += self._endings.fail_all(found, DAMAGED, _WAITING)
        return failed

    def _repair(self, pause_s: float) -> None:
        """Correct what says nothing about the scan itself, and keeps claims from finding it."""
        # A pause that is no date, or that began while the server's clock was ahead.
        longest_s = pause_s * max(RETRY_PAUSES) + SLACK_S
        too_late = {"$gt": ["$not_before", {"$add": ["$$NOW", int(longest_s * 1000)]}]}
        no_date = {"not_before": {"$not": {"$type": "date"}}}
        undated = {"attempts": {"$gt": 0}, "$or": [no_date, {"$expr": too_late}]}
        self._db.scans.update_many(
            {**_WAITING, **undated}, [{"$set": {"not_before": "$$NOW"}}], hint=RETRIED
        )
        # Nobody claims them, as nobody reads their type. If it is damaged, the scan fails below.
        long_over = {"$lt": ["$lease_until", {"$subtract": ["$$NOW", int(LEASE_MAX_S * 1000)]}]}
        unclaimed: Document = {"report_generated": ReportGenerated.IN_PROGRESS, "$expr": long_over}
        unclaimed = {**unclaimed, **NOT_NEWER}
        ids = find(self._db.scans, unclaimed, {"_id": 1}, hint=IN_PROGRESS)
        returned = self._db.scans.update_many(
            unclaimed, retry_update(None, 0.0), hint=IN_PROGRESS
        ).modified_count
        if returned:
            self._db.feed.tell(scans_to_look_up(document["_id"] for document in ids))
            cause = "its claim expired, and nobody claimed it"
            self._recorder.note(
                Kind.RELEASE, outcome=ReportGenerated.TO_DO, cause=cause, count=returned
            )
        # Claiming checks all other fields.
        for low, high in without_schema():
            for these in filters(between(self._db.scans_fast, low, high, _PAGE)):
                self._db.scans.update_many(
                    {"$and": [these, {**_WAITING, **NOT_NEWER}]},
                    {"$set": {"schema": SCHEMA_VERSION}},
                )
