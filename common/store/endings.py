"""How a scan leaves a claim without a report: to another attempt after a pause, or for good.

``'Error'`` is decided where attempts change, so nothing looks for it among the waiting scans. A
reanalysis that fails for good leaves the scan ``'Done'`` with the report that it had.
"""

from collections.abc import Mapping, Sequence

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.claim_documents import CANNOT_BE_DECODED, failed_for_good, failure
from common.store.connection import Connection
from common.store.damage import UNDECODABLE, filters
from common.store.feed_documents import scans_to_look_up
from common.store.reconciliation import Reconciliation
from common.store.recording import Recorder

NO_ANSWER = "its processor ended or stopped answering in each attempt"

NO_KEY = "(no key)"
"""What the audit trail calls a scan whose key is no text."""


class Endings:
    """Fails scans for good; each is recorded first, and checked for a late report afterwards."""

    def __init__(
        self, connection: Connection, reconciliation: Reconciliation, recorder: Recorder
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._recorder = recorder

    def fail_all(
        self, documents: Sequence[Document], cause: str, condition: Mapping[str, object]
    ) -> int:
        """Fail those of these scans that meet the condition; returns how many had no report."""
        if not documents:
            return 0
        self._record([(document, cause) for document in documents])
        return self._fail(documents, failure(cause), condition)

    def fail_used_up(self, documents: Sequence[Document], condition: Mapping[str, object]) -> int:
        """As ``fail_all``, for scans whose attempts are used up: each with its last cause."""
        damaged = [document for document in documents if UNDECODABLE in document]
        failed = self.fail_all(damaged, CANNOT_BE_DECODED, condition)
        causes = [(d, last_cause(d)) for d in documents if UNDECODABLE not in d]
        if not causes:
            return failed
        self._record(causes)
        is_text = {"$eq": [{"$type": "$error.cause"}, "string"]}
        error = failure({"$cond": [is_text, "$error.cause", NO_ANSWER]})
        return failed + self._fail([document for document, _ in causes], error, condition)

    def _fail(
        self, documents: Sequence[Document], error: Document, condition: Mapping[str, object]
    ) -> int:
        failed = sum(
            self._db.scans.update_many(
                {"$and": [these, condition]}, failed_for_good(error)
            ).modified_count
            for these in filters(documents)
        )
        keys = list(filter(None, map(_key, documents)))
        if failed:
            self._db.feed.tell(scans_to_look_up(keys))
        return failed - len(self._reconciliation.reconcile(keys))

    def _record(self, causes: Sequence[tuple[Document, str]]) -> None:
        for document, cause in causes:
            keys = [_key(document) or NO_KEY]
            self._recorder.note(Kind.ERROR, keys, outcome=ReportGenerated.ERROR, cause=cause)
        self._recorder.wait_durable()


def _key(document: Document) -> str | None:
    """The scan's key; None if the stored one is damaged."""
    key = document["_id"]
    return key if isinstance(key, str) else None


def last_cause(document: Document) -> str:
    """Why the last attempt failed, as stored with the scan."""
    error = document.get("error")
    cause = error.get("cause") if isinstance(error, dict) else None
    return cause if isinstance(cause, str) else NO_ANSWER
