"""Writes reports: the first one of a scan, and the later revisions that replace it.

Label maps are written before the report that names them. Replacing takes two steps, each
repeatable, so a kill between them loses nothing:

1. The stored report is copied to the history.
2. The new report replaces it in one update that only an earlier revision passes: of several
   owners one succeeds, and the owner of an earlier revision changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from common.domain.previous_scan import can_be_compared
from common.domain.report import BrainReport
from common.domain.study_pairs import is_of_pair
from common.domain.types import Document
from common.store.connection import BY_ID, Connection, duplicates
from common.store.documents import report_document
from common.store.error_mapping import bulk_failure
from common.store.labels import LabelSet, LabelWriter, labels_document

_NO_LABELS: Mapping[str, LabelSet] = MappingProxyType({})


class Reports:
    """The reports of scans, ``_id`` is the scan's: a second report for a scan is impossible."""

    def __init__(self, connection: Connection, labels: LabelWriter) -> None:
        self._db = connection
        self._labels = labels

    def write(
        self,
        reports: Sequence[BrainReport],
        labels: Mapping[str, LabelSet] = _NO_LABELS,
        *,
        pair: bool = False,
        compare: Collection[str] = (),
    ) -> None:
        """Write these reports durably. Repeatable: a report that exists already stays.

        Args:
            reports: the reports.
            labels: their label maps, by the key of the scan; written first.
            pair: mark those whose study is to be looked at (``study_pairs``).
            compare: keys of scans whose analyzer compares them with earlier ones; their reports are
                marked (``successors``).
        """
        self._labels.add([labels[one.key] for one in reports if one.key in labels])
        documents = [
            _document(one, labels, pair=pair, compares=one.key in compare) for one in reports
        ]
        first = [document for document in documents if document["revision"] == 1]
        if first:
            try:
                self._db.reports.insert_many(first, ordered=False)
            except BulkWriteError as error:
                # The upsert waits until the reports that it finds are durable.
                self._db.upsert(self._db.reports, [first[index] for index in duplicates(error)])
        self._replace([document for document in documents if document["revision"] > 1])

    def _replace(self, documents: Sequence[Document]) -> None:
        if not documents:
            return
        for revision in sorted({document["revision"] for document in documents}):
            self._copy_to_history(
                [d["_id"] for d in documents if d["revision"] == revision], revision
            )
        try:
            self._db.reports.bulk_write(
                [
                    ReplaceOne({"_id": document["_id"], **_before(document["revision"])}, document)
                    for document in documents
                ],
                ordered=False,
            )
        except BulkWriteError as error:
            raise bulk_failure(error) from error
        # Inserts where no report existed, and waits until another owner's report is durable.
        self._db.upsert(self._db.reports, documents)

    def _copy_to_history(self, keys: Sequence[str], revision: int) -> None:
        """Copy the reports of these scans that this revision replaces, durably. Repeatable.

        Inside MongoDB: one that is damaged is copied as it is, and does not stop the others.
        """
        stored = {"$ifNull": ["$revision", 1]}
        replaced = {"$cond": [{"$isNumber": stored}, stored, revision - 1]}
        self._db.reports.aggregate(
            [
                {"$match": {"_id": {"$in": list(keys)}, **_before(revision)}},
                {"$set": {"_id": {"scan": "$_id", "revision": replaced}, "scan_id": "$_id"}},
                {"$merge": {"into": self._db.history.name, "whenMatched": "keepExisting"}},
            ],
            hint=dict(BY_ID),
        )


def _document(
    report: BrainReport, labels: Mapping[str, LabelSet], *, pair: bool, compares: bool
) -> Document:
    mine = labels.get(report.key)
    return report_document(
        report,
        None if mine is None else labels_document(mine),
        look_in_study=pair and is_of_pair(report),
        compares=compares and can_be_compared(report),
    )


def _before(revision: int) -> Document:
    """A filter for reports that this revision replaces: those of an earlier one, of a damaged one,
    and without one, as the first reports of early releases are."""
    return {"revision": {"$not": {"$gte": revision}}}
