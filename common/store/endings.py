"""How a scan leaves a claim without a report: to another attempt after a pause, or for good.

``'Error'`` is decided where attempts change, so nothing looks for it among the waiting scans. A
reanalysis that fails for good leaves the scan ``'Done'`` with the report that it had.
"""

from collections.abc import Mapping, Sequence

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.claim_documents import failed_for_good, failure
from common.store.connection import Connection
from common.store.reconciliation import Reconciliation
from common.store.recording import Recorder

NO_ANSWER = "its processor ended or stopped answering in each attempt"


class Endings:
    """Fails scans for good; each is recorded first, and checked for a late report afterwards."""

    def __init__(
        self, connection: Connection, reconciliation: Reconciliation, recorder: Recorder
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._recorder = recorder

    def fail_all(self, keys: Sequence[str], cause: str, condition: Mapping[str, object]) -> int:
        """Fail those of these scans that meet the condition; returns how many had no report."""
        if not keys:
            return 0
        self._record(dict.fromkeys(keys, cause))
        return self._fail(list(keys), failure(cause), condition)

    def fail_used_up(self, documents: Sequence[Document], condition: Mapping[str, object]) -> int:
        """As ``fail_all``, for scans whose attempts are used up: each with its last cause."""
        if not documents:
            return 0
        causes = {document["_id"]: last_cause(document) for document in documents}
        self._record(causes)
        error = failure({"$ifNull": ["$error.cause", NO_ANSWER]})
        return self._fail(list(causes), error, condition)

    def _fail(self, keys: list[str], error: Document, condition: Mapping[str, object]) -> int:
        these = {"_id": {"$in": keys}, **condition}
        failed = self._db.scans.update_many(these, failed_for_good(error)).modified_count
        return failed - len(self._reconciliation.reconcile(keys))

    def _record(self, causes: Mapping[str, str]) -> None:
        for key, cause in causes.items():
            self._recorder.note(Kind.ERROR, [key], outcome=ReportGenerated.ERROR, cause=cause)
        self._recorder.wait_durable()


def last_cause(document: Document) -> str:
    """Why the last attempt failed, as stored with the scan."""
    error = document.get("error")
    cause = error.get("cause") if isinstance(error, dict) else None
    return cause if isinstance(cause, str) else NO_ANSWER
