"""Stores the scans that Fr-HUB's server receives."""

from collections.abc import Iterator, Sequence

from bson import ObjectId
from pymongo.errors import BulkWriteError, PyMongoError

from common.domain.audit_events import Kind
from common.domain.scan import BrainScan
from common.domain.scan_key import scan_id_of
from common.domain.states import PURGED, ReportGenerated
from common.domain.types import Document, utc_now
from common.errors import StoreError, UploadLost
from common.store.collections import Notification
from common.store.connection import Connection, duplicates
from common.store.damage import UNDECODABLE, find
from common.store.documents import Added, NewScan, compare, other_identifiers, scan_document
from common.store.error_mapping import translated
from common.store.feed_documents import Change, Step, scans_changed, scans_to_look_up
from common.store.recording import Recorder
from common.store.schema import OLD_TOMBSTONES, SCHEMA
from common.store.uploads import Uploads

_COMPARED = ("scan", "blob", "unsealed", "report_generated", "voxels_hash", "also")
"""The fields by which a scan that comes again is compared with the stored one."""

ALSO_MAX = 16
"""The most other identifiers that are noted of a scan."""


class Scans:
    """Stores scans, durably, so that they can be acknowledged."""

    def __init__(self, connection: Connection, uploads: Uploads, recorder: Recorder) -> None:
        self._db = connection
        self._uploads = uploads
        self._recorder = recorder
        self._has_old_tombstones: bool | None = None

    @translated
    def add(self, new: Sequence[NewScan], by: str | None = None) -> list[Added]:
        """Store scans as ``'To Do'``, durably, and notify a processor. Repeatable.

        A duplicate key proves nothing about durability, as its first write may still be rolled
        back. So duplicates go through a ``$setOnInsert`` upsert, whose majority acknowledgement
        covers what it found; only then are the stored scans compared with the new ones.

        Notes each outcome in the audit trail; the caller waits for that before it acknowledges. A
        new large scan is noted by ``Uploads.end``, as it can be removed until then.

        Args:
            new: the scans.
            by: the user of the API who uploaded them; None: a Fr-PACS sent them.
        """
        if not new:
            return []
        now = self._db.clock.now()
        scans = [scan_document(item, now) for item in new]
        if (chain := self._recorder.chain) is not None:
            # By these, a verification knows in which chain each event must be, and after when by
            # the clock of the chain's writer.
            recorded = {"recorded_in": chain, "recorded_after": utc_now()}
            for document in scans:
                document.update(recorded)
        documents = self._tombstones_for(scans)
        outcome = [
            Added.STORED if scan is document else Added.PURGED
            for scan, document in zip(scans, documents, strict=True)
        ]
        try:
            self._insert(scans, documents, outcome)
        except (PyMongoError, StoreError):
            # Some may be stored; they are not acknowledged until a repetition says so.
            self._db.feed.tell(scans_to_look_up(item.scan.key for item in new))
            self._note_unanswered(new)
            raise
        self._db.notifications.publish(Notification.SCAN, [item.scan.key for item in new])
        self._db.feed.tell(*_arrived(new, outcome))
        self._note(new, outcome, by)
        return outcome

    def _insert(
        self, scans: Sequence[Document], documents: Sequence[Document], outcome: list[Added]
    ) -> None:
        try:
            self._db.scans.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            repeated = duplicates(error)
            while repeated:
                repeated = self._compare_all(scans, documents, repeated, outcome)

    def _note_unanswered(self, new: Sequence[NewScan]) -> None:
        for pacs in {item.scan.pacs for item in new}:
            ids = [item.scan.key for item in new if item.scan.pacs == pacs]
            self._recorder.note(Kind.UNANSWERED, ids, peer=pacs, outcome="unknown")

    @translated
    def known(self, scan: BrainScan, by: str | None = None) -> Added | None:
        """What would become of this scan if it is stored already, before its voxels are received:
        ``KNOWN`` if it is durable and complete, ``CONFLICT`` if its id has other content. None: it
        must be received. Notes the outcome as ``add`` does; ``by`` is as there.
        """
        # With majority read concern: what it finds is durable.
        stored = next(iter(find(self._db.scans, {"_id": scan.key}, _COMPARED)), None)
        if stored is None or ("unsealed" in stored and UNDECODABLE not in stored):
            return None
        mine = {"scan": scan.document()}
        outcome = compare(mine, stored)
        if outcome is Added.KNOWN:
            self._note_identifiers(scan.key, mine, stored)
        self._note([NewScan(scan)], [outcome], by)
        return outcome

    def _note(self, new: Sequence[NewScan], outcomes: Sequence[Added], by: str | None) -> None:
        facts = {} if by is None else {"by": by}
        groups: dict[tuple[str, Added], list[str]] = {}
        for item, outcome in zip(new, outcomes, strict=True):
            if outcome is not Added.STORED or item.blob is None:
                groups.setdefault((item.scan.pacs, outcome), []).append(item.scan.key)
        for (pacs, outcome), ids in groups.items():
            if outcome is Added.CONFLICT:
                self._recorder.note(Kind.CONFLICT, ids, peer=pacs, outcome="refused", **facts)
            elif outcome in (Added.ERASED, Added.PURGED):
                self._recorder.note(
                    Kind.REFUSE, ids, peer=pacs, outcome=outcome.name.lower(), **facts
                )
            else:
                self._recorder.note(
                    Kind.RECEIVE, ids, peer=pacs, outcome=outcome.name.lower(), **facts
                )

    def _note_identifiers(self, key: str, mine: Document, stored: Document) -> None:
        """Note with which other identifiers a known scan came again; the first ones stand."""
        if (came := other_identifiers(mine, stored)) is not None:
            self._db.scans.update_one(
                {"_id": key, "scan": {"$exists": True}, f"also.{ALSO_MAX - 1}": {"$exists": False}},
                {"$addToSet": {"also": came}},
            )

    def _tombstones_for(self, scans: Sequence[Document]) -> list[Document]:
        """The documents to store for these scans.

        Tombstones from before version 2 of the schema name no Fr-PACS. A scan with the id and the
        voxels of one was reported and purged then: it gets a tombstone under its own key. With
        other voxels it is new, as it may be another Fr-PACS'.
        """
        if self._has_old_tombstones is None:
            self._has_old_tombstones = bool(
                (self._db.meta.find_one({"_id": SCHEMA}) or {}).get(OLD_TOMBSTONES)
            )
        if not self._has_old_tombstones:
            return list(scans)
        ids = [scan_id_of(scan["_id"]) for scan in scans]
        wanted: Document = {"_id": {"$in": ids}, "report_generated": PURGED}
        found = {
            (d["_id"], str(d.get("voxels_hash"))): d
            for d in find(self._db.scans, wanted)
            if UNDECODABLE not in d
        }
        tombstones = [
            found.get((name, scan["scan"]["voxels_hash"]))
            for name, scan in zip(ids, scans, strict=True)
        ]
        return [
            scan if tombstone is None else {**tombstone, "_id": scan["_id"]}
            for scan, tombstone in zip(scans, tombstones, strict=True)
        ]

    def _compare_all(
        self,
        scans: Sequence[Document],
        documents: Sequence[Document],
        repeated: Sequence[int],
        outcome: list[Added],
    ) -> list[int]:
        """Store these scans or compare them with the stored ones, and fill in the outcomes.

        Returns the positions to repeat, as the stored scan was removed in the meantime.
        """
        self._db.upsert(self._db.scans, [documents[index] for index in repeated])
        wanted = {"_id": {"$in": [scans[index]["_id"] for index in repeated]}}
        found = find(self._db.scans, wanted, _COMPARED)
        stored = {document["_id"]: document for document in found}
        again = []
        for index in repeated:
            key = scans[index]["_id"]
            outcome[index] = compare(scans[index], stored.get(key))
            if outcome[index] is Added.KNOWN:
                self._note_identifiers(key, scans[index], stored[key])
            if outcome[index] is Added.KNOWN and "unsealed" in stored[key]:
                # Another sender's scan could still be removed: whoever acknowledges it seals it.
                blob = stored[key].get("blob")
                if not isinstance(blob, ObjectId):
                    outcome[index] = Added.CONFLICT  # it has no voxels
                    continue
                try:
                    self._uploads.seal(key, blob)
                except UploadLost:
                    again.append(index)
        return again


def _arrived(new: Sequence[NewScan], outcomes: Sequence[Added]) -> Iterator[Change]:
    by_priority: dict[str, list[str]] = {}
    for item, outcome in zip(new, outcomes, strict=True):
        if outcome is Added.STORED:
            by_priority.setdefault(str(item.scan.priority), []).append(item.scan.key)
    for priority, keys in by_priority.items():
        yield scans_changed(keys, ReportGenerated.TO_DO, Step.NEW, fence=0, priority=priority)
