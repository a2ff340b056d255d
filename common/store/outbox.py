"""The outbox: reports to send, for Fr-HUB's client."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from common.domain.audit_events import Kind
from common.domain.scan_key import scan_key
from common.domain.states import ERASED, PURGED
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import number
from common.store.documents import Leased, OutgoingReport, of_revision
from common.store.error_mapping import translated
from common.store.reconciliation import UNCLAIMED, Reconciliation
from common.store.recording import Recorder
from common.store.schema import NOT_NEWER
from common.store.undeliverable import UndeliverableReports

LEASE_BYTES = 4 * 1024 * 1024
LARGEST = 16 * 1024 * 1024
"""MongoDB stores no larger document."""

ORPHANS_COUNTED = 100_000
_ORPHANS_NAMED = 100

DAMAGED = "the stored report is damaged"

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument, tz_aware=True)
_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)

_Raw = Mapping[str, Any]

_FIELDS = {"report": 1, "tries": 1}
_ORDER = [("next_try_at", 1), ("created_at", 1)]
_LISTED = {
    "size": {
        "$cond": [{"$eq": [{"$type": "$report"}, "object"]}, {"$bsonSize": "$report"}, 0],
    },
}
"""The projection that tells how large a report is before it is read."""


class Outbox:
    """Reports whose ``status`` is False: leased, sent, acknowledged, marked as sent."""

    def __init__(
        self,
        connection: Connection,
        reconciliation: Reconciliation,
        undeliverable: UndeliverableReports,
        recorder: Recorder,
    ) -> None:
        self._db = connection
        self._raw = connection.reports.with_options(codec_options=_RAW)
        self._sizes: dict[str, int] = {}  # twice the largest report of the last lease, by Fr-PACS
        self._reconciliation = reconciliation
        self._undeliverable = undeliverable
        self._recorder = recorder

    @translated
    def lease(
        self,
        pacs: str,
        limit: int,
        lease_s: float,
        max_bytes: int = LEASE_BYTES,
        largest: int = LARGEST,
        among: Collection[str] | None = None,
    ) -> Leased:
        """Lease reports that are due for this Fr-PACS, oldest first, for ``lease_s`` seconds.

        A report not marked as sent by then is due again. Several hubs lease different reports. One
        that can never be sent is given up with its cause (``undeliverable``), so that it blocks no
        other.

        Args:
            pacs: name of the Fr-PACS.
            limit: the most reports to lease.
            lease_s: seconds until a leased report is due again.
            max_bytes: the most bytes of reports to read, but always one report.
            largest: bytes of the largest report that can be sent.
            among: the keys to choose from; None: all.

        Returns:
            The reports, and whether more were due.
        """
        due: Document = {
            "pacs": pacs,
            "status": False,
            "undeliverable": None,
            **NOT_NEWER,
            "$expr": {"$lte": ["$next_try_at", "$$NOW"]},
        }
        if among is not None:
            due["_id"] = {"$in": list(among)}
        found, more = self._read(pacs, due, limit, max_bytes, largest)
        if not found:
            return Leased(more=more)
        token = str(ObjectId())
        lease = {
            "next_try_at": {"$add": ["$$NOW", int(lease_s * 1000)]},
            "leased_by": token,
            "tries": {"$add": [number("tries"), 1]},
        }
        these: Document = {**due, "_id": {"$in": list(found)}}
        taken = self._db.reports_fast.update_many(these, [{"$set": lease}], hint=BY_ID)
        if taken.modified_count < len(found):
            mine: Document = {"_id": {"$in": list(found)}, "leased_by": token}
            leased = self._db.reports_fast.find(mine, {"_id": 1}, hint=BY_ID)
            found = {document["_id"]: found[document["_id"]] for document in leased}
        gone = self._reconcile(list(found))
        reports = (self._outgoing(key, raw) for key, raw in found.items() if key not in gone)
        return Leased((report for report in reports if report is not None), more=more)

    def _read(
        self, pacs: str, due: Document, limit: int, max_bytes: int, largest: int
    ) -> tuple[dict[str, _Raw], bool]:
        """The reports to lease by key, in order, and whether more are due; gives up those too
        large.

        Reports are read at once where the last ones were small. Otherwise their sizes are looked up
        first: MongoDB answers with up to 16 MiB, whatever is wanted of it.
        """
        wanted, more = due, False
        if self._sizes.get(pacs, LARGEST) * limit > max_bytes:
            listed = list(self._db.reports.find(due, _LISTED, sort=_ORDER, limit=limit))
            sizes = [(document["_id"], document["size"]) for document in listed]
            chosen, left = self._within(sizes, max_bytes, largest)
            more = left or len(listed) == limit
            if not chosen:
                return {}, more
            wanted = {**due, "_id": {"$in": chosen}}
        read: dict[str, _Raw] = {}
        total = 0
        # Majority-committed reports only: one that could be rolled back must not be sent.
        with self._raw.find(wanted, _FIELDS, sort=_ORDER, limit=limit) as cursor:
            for raw in cursor:
                read[str(raw["_id"])] = raw
                total += _size(raw)
                if total > max_bytes:
                    break
        sizes = [(key, _size(raw)) for key, raw in read.items()]
        self._sizes[pacs] = 2 * max((size for _, size in sizes), default=0)
        chosen, left = self._within(sizes, max_bytes, largest)
        return {key: read[key] for key in chosen}, more or left or len(read) == limit

    def _within(
        self, sizes: Sequence[tuple[str, int]], max_bytes: int, largest: int
    ) -> tuple[list[str], bool]:
        """The keys of the first reports that fit, and whether any are left; gives up those that are
        too large to be sent."""
        chosen: list[str] = []
        total = 0
        for key, size in sizes:
            if size > largest:
                self._undeliverable.mark(
                    key,
                    f"the report has {size} bytes, {largest} can be sent: raise FRAME_LIMIT_KIB of "
                    "Fr-HUB and Fr-PACS",
                )
                continue
            total += size
            if chosen and total > max_bytes:
                return chosen, True
            chosen.append(key)
        return chosen, False

    def _outgoing(self, key: str, raw: _Raw) -> OutgoingReport | None:
        try:
            return _outgoing(key, raw)
        except Exception:  # noqa: BLE001 - whatever is wrong with one, the others are sent
            self._undeliverable.mark(key, DAMAGED)
            return None

    def _reconcile(self, keys: Sequence[str]) -> set[str]:
        """Before reports are sent, make their scans agree with them: see ``reconciliation``.
        Deletes reports of fully purged scans; returns their ids.

        Such a report is a scan's second one, written by a processor that was suspended all along.
        """
        states = {"$in": [*UNCLAIMED, PURGED, ERASED]}
        wanted: Document = {"_id": {"$in": list(keys)}, "report_generated": states}
        fields = {"report_generated": 1, "revision": 1}
        found = list(self._db.scans_fast.find(wanted, fields))
        gone = {d["_id"] for d in found if d["report_generated"] in (PURGED, ERASED)}
        self._reconciliation.finish_reported(
            {d["_id"]: d.get("revision", 1) for d in found if d["_id"] not in gone}
        )
        if gone:
            self._db.reports.delete_many({"_id": {"$in": list(gone)}, "status": False})
        return gone

    @translated
    def mark_sent(self, keys: Sequence[str], revision: int = 1, peer: str | None = None) -> None:
        """Mark this revision of these reports as sent; recorded in the audit trail first.

        A later revision that replaced it in the meantime is still to be sent. Repeatable.
        """
        self._recorder.note(Kind.SEND, keys, peer=peer, outcome="delivered")
        self._recorder.wait_durable()
        sent: Document = {"_id": {"$in": list(keys)}, "status": False, **of_revision(revision)}
        self._db.reports.update_many(
            sent,
            [{"$set": {"status": True, "sent_at": "$$NOW", "leased_by": "$$REMOVE"}}],
            hint=BY_ID,
        )

    @translated
    def orphans(self, known: Collection[str]) -> dict[str, int]:
        """The Fr-PACS that are not among these and have reports to be sent, each with the number of
        its reports; counting stops at ``ORPHANS_COUNTED``."""
        waiting: Document = {"status": False, "undeliverable": None}
        found: dict[str, int] = {}
        after = ""
        # From one name to the next in the index, whatever waits for the known ones.
        while len(found) < _ORPHANS_NAMED:
            beyond = {**waiting, "pacs": {"$gt": after}}
            document = self._db.reports_fast.find_one(beyond, {"pacs": 1}, sort=[("pacs", 1)])
            if document is None:
                break
            after = document["pacs"]
            if after not in known:
                found[after] = self._db.reports_fast.count_documents(
                    {**waiting, "pacs": after}, limit=ORPHANS_COUNTED
                )
        return found

    @translated
    def postpone(self, keys: Sequence[str], delay_s: float) -> None:
        """Make reports that were not acknowledged due again after ``delay_s`` seconds."""
        self._db.reports_fast.update_many(
            {"_id": {"$in": list(keys)}, "status": False},
            [{"$set": {"next_try_at": {"$add": ["$$NOW", int(delay_s * 1000)]}}}],
            hint=BY_ID,
        )

    @translated
    def release(self, keys: Sequence[str]) -> None:
        """Make leased reports due at once, as if they had not been leased: their try does not
        count."""
        again = {"next_try_at": "$$NOW", "tries": {"$max": [0, {"$subtract": ["$tries", 1]}]}}
        self._db.reports_fast.update_many(
            {"_id": {"$in": list(keys)}, "status": False, "leased_by": {"$exists": True}},
            [{"$set": again}, {"$unset": "leased_by"}],
            hint=BY_ID,
        )


def _size(raw: _Raw) -> int:
    """Bytes of the report; 0 if it is none, which is found out later."""
    content = raw.get("report")
    return len(content.raw) if isinstance(content, RawBSONDocument) else 0


def _outgoing(key: str, raw: _Raw) -> OutgoingReport:
    content = raw["report"]
    bson.decode(content.raw, _AWARE)  # what this cannot decode, no Fr-PACS can
    picture_hash = content.get("picture_hash")
    if key != scan_key(content["scan_id"], content["pacs"]) or not isinstance(
        picture_hash, str | None
    ):
        raise ValueError("not this scan's report")
    revision = int(content.get("revision", 1))
    return OutgoingReport(key, revision, picture_hash, content, int(raw["tries"]) + 1)
