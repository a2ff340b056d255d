"""Writes reports: the first one of a scan, and the later revisions that replace it.

Replacing takes two steps, each repeatable, so a kill between them loses nothing:

1. The stored report is copied to the history.
2. The new report replaces it in one update that only an earlier revision passes: of several
   owners one succeeds, and the owner of an earlier revision changes nothing.
"""

from collections.abc import Sequence

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from common.domain.report import BrainReport
from common.domain.types import Document
from common.store.connection import Connection, duplicates
from common.store.documents import report_document
from common.store.error_mapping import bulk_failure


class Reports:
    """The reports of scans, ``_id`` is the scan's: a second report for a scan is impossible."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def write(self, reports: Sequence[BrainReport]) -> None:
        """Write these reports durably. Repeatable: a report that exists already stays."""
        first = [report_document(report) for report in reports if report.revision == 1]
        if first:
            try:
                self._db.reports.insert_many(first, ordered=False)
            except BulkWriteError as error:
                # The upsert waits until the reports that it finds are durable.
                self._db.upsert(self._db.reports, [first[index] for index in duplicates(error)])
        self._replace([report_document(report) for report in reports if report.revision > 1])

    def _replace(self, documents: Sequence[Document]) -> None:
        if not documents:
            return
        earlier = [
            {
                "_id": document["_id"],
                "$or": [{"revision": {"$lt": document["revision"]}}, {"revision": None}],
            }
            for document in documents
        ]
        self._db.upsert(
            self._db.history,
            [
                {
                    **found,
                    "_id": {"scan": found["_id"], "revision": found.get("revision", 1)},
                    "scan_id": found["_id"],
                }
                for found in self._db.reports.find({"$or": earlier})
            ],
        )
        try:
            self._db.reports.bulk_write(
                [
                    ReplaceOne(one, document)
                    for one, document in zip(earlier, documents, strict=True)
                ],
                ordered=False,
            )
        except BulkWriteError as error:
            raise bulk_failure(error) from error
        # Inserts where no report existed, and waits until another owner's report is durable.
        self._db.upsert(self._db.reports, documents)
