"""Failed scans, grouped by why they failed."""

from dataclasses import dataclass, field
from datetime import datetime

from common.domain.states import ReportGenerated
from common.domain.tenant import Tenant
from common.domain.types import Document
from common.store.connection import Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.tenancy import is_owned, owned

READ_MAX = 5000
"""The most failed scans, the latest ones, that are grouped."""

EXAMPLES_MAX = 20
_UNKNOWN = "unknown"


@dataclass(slots=True)
class Cause:
    """A cause, and the scans that it made fail."""

    cause: str
    count: int = 0
    newest_at: datetime | None = None
    examples: list[str] = field(default_factory=list)
    """Keys of the latest of them."""


@dataclass(frozen=True, slots=True)
class Causes:
    """The causes, the most frequent first."""

    causes: list[Cause]
    complete: bool
    """False: more scans failed than ``READ_MAX``; those before are not counted."""


class FailureCauses:
    """Groups failed scans."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def of(self, tenant: Tenant) -> Causes:
        """Why scans of a tenant failed, of those that are failed now."""
        found = self._latest(tenant)
        causes: dict[str, Cause] = {}
        for document in found:
            error = document.get("error")
            error = error if isinstance(error, dict) else {}
            text = error.get("cause")
            cause = causes.setdefault(str(text or _UNKNOWN), Cause(str(text or _UNKNOWN)))
            cause.count += 1
            at = error.get("at")
            if cause.newest_at is None and isinstance(at, datetime):
                cause.newest_at = at
            if len(cause.examples) < EXAMPLES_MAX and is_owned(tenant, document["_id"]):
                cause.examples.append(document["_id"])
        in_order = sorted(causes.values(), key=lambda one: -one.count)
        return Causes(in_order, complete=len(found) < READ_MAX)

    @translated
    def _latest(self, tenant: Tenant) -> list[Document]:
        failed = {"report_generated": ReportGenerated.ERROR, "_id": owned(tenant)}
        fields = {"error.cause": 1, "error.at": 1}
        order = [("error.at", -1), ("_id", -1)]
        return find(self._db.scans, failed, fields, sort=order, hint="failed_at", limit=READ_MAX)
