"""Version 3: headers may have more fields (``study``, ``series``, ``contrast``, …), and some are
indexed.

Stored headers stay as they are: the new fields are optional. A unit of version 2 would take a
header that has them for damaged, so it must not work on this database. The queue's index finds
waiting scans by their version, so those get the new one; whatever waits later gets it from the
supervisor.
"""

from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.collections import Collection
from common.store.migrations.step import Step, Work
from common.store.schema import SCHEMA_VERSION

NAME = "waiting scans"

_EARLIER: Document = {
    "report_generated": ReportGenerated.TO_DO,
    "schema": {"$gte": 2, "$lt": SCHEMA_VERSION},
}


def pending(work: Work) -> int:
    """Number of waiting scans of the version before."""
    return work.database[Collection.SCANS].count_documents(_EARLIER)


def raise_version(work: Work) -> None:
    """Give waiting scans this version; as many as a backlog holds, in one command."""
    updated = work.database[Collection.SCANS].update_many(
        _EARLIER, {"$set": {"schema": SCHEMA_VERSION}}
    )
    work.went_on(NAME, updated.modified_count, updated.modified_count)


WAITING_SCHEMA = Step(NAME, "give waiting scans the version of the schema", pending, raise_version)
