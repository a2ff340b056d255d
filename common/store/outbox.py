"""The outbox: reports to send, for Fr-HUB's client."""

import itertools
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from common.domain.audit_events import Kind
from common.domain.scan_key import pacs_of, scan_key
from common.domain.states import ERASED, PURGED
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import as_stored, decoded, find, integer, number, readable_id, this, whole
from common.store.documents import Leased, OutgoingReport, of_revision, revision_of
from common.store.due_times import due, too_far_ahead
from common.store.error_mapping import translated
from common.store.feed_documents import reports_changed
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

DELIVERED = "delivered"
READABLE = "readable in the API"
"""How a report was delivered, for the audit trail. An uploaded scan has no Fr-PACS: its report is
delivered when it can be read in the API."""

_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)

_LOOK_AHEAD_EVERY_S = 60.0
"""How often reports whose time is too far ahead are looked for while others are due."""

_LOOK_AHEAD_IDLE_S = 5.0
"""How often they are looked for while none is due: most wake-ups are for another Fr-PACS."""

_BESIDE = 4
"""Threads that look at scans while their reports are leased: more than Fr-PACS are usually served
at a moment."""

_NONE = -1
"""In the place of a size: there is no report."""

# Of the document; it must be the report's. 0: it is damaged.
_REVISION = number("revision", {"$cond": [{"$lte": ["$revision", None]}, 1, 0]})
_FIELDS = {"report": 1, "tries": integer("tries"), "revision": _REVISION}
_NO_REVISION: Document = {"$expr": {"$not": [{"$isNumber": "$revision"}]}}
_ORDER = [("next_try_at", 1), ("created_at", 1)]
_LISTED = {
    "revision": _REVISION,
    "size": {
        "$cond": [{"$eq": [{"$type": "$report"}, "object"]}, {"$bsonSize": "$report"}, _NONE],
    },
}
"""The projection that tells how large a report is before it is read."""

_WAITING: Document = {"status": False, "undeliverable": None}


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
        self._raw = as_stored(connection.reports)
        self._raw_fast = as_stored(connection.reports_fast)
        self._process = str(ObjectId())
        self._leases = itertools.count()
        self._sizes: dict[str, int] = {}  # twice the largest report of the last lease, by Fr-PACS
        self._looked_ahead: dict[str, float] = {}  # time.monotonic(), by Fr-PACS
        self._reconciliation = reconciliation
        self._undeliverable = undeliverable
        self._recorder = recorder
        self._beside = ThreadPoolExecutor(_BESIDE, "outbox")

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
        waiting: Document = {"pacs": pacs, **_WAITING, **NOT_NEWER}
        if among is not None:
            waiting["_id"] = {"$in": list(among)}
        wanted = {**waiting, **due("next_try_at")}
        found, more = self._read(pacs, wanted, limit, max_bytes, largest)
        if self._is_to_look_ahead(pacs, nothing=not found and not more):
            ahead = {**waiting, **too_far_ahead("next_try_at")}
            others, _ = self._read(pacs, ahead, limit, max_bytes, largest)
            if others:  # what is due now is leased next
                found, more, wanted = others, True, ahead
        if not found:
            return Leased(more=more)
        token = f"{self._process}/{next(self._leases)}"
        # At the same time: both take a round trip, and neither needs the other's answer.
        reconciled = self._beside.submit(self._reconcile, list(found))
        try:
            taken = self._take(found, wanted, lease_s, token)
        finally:
            gone = reconciled.result()
        if not taken:  # others were faster
            return Leased(more=more)
        if taken < len(found):
            mine: Document = {"_id": {"$in": list(found)}, "leased_by": token}
            leased = self._db.reports_fast.find(mine, {"_id": 1}, hint=BY_ID)
            found = {document["_id"]: found[document["_id"]] for document in leased}
        reports = (self._outgoing(key, pacs, raw) for key, raw in found.items() if key not in gone)
        return Leased((report for report in reports if report is not None), more=more)

    @translated
    def lease_named(
        self, pacs: str, key: str, lease_s: float, max_bytes: int, largest: int
    ) -> Leased:
        """Lease the first report of the scan that a notification named, in one command instead of
        a search and an update. Arguments as for ``lease``.

        The command reads what is not yet committed by a majority. That does no harm here: reports
        are durable before their scans are named, so none of them can be rolled back.

        Returns:
            The report, or none and ``more``: then search for reports.
        """
        wanted: Document = {
            **_WAITING,
            **NOT_NEWER,
            **due("next_try_at"),
            **of_revision(1),
            "_id": key,
            "pacs": pacs,
            "tries": 0,
        }
        ends = {"$add": ["$$NOW", int(lease_s * 1000)]}
        lease = _lease(ends, f"{self._process}/{next(self._leases)}", 0)
        # At the same time, as in ``lease``.
        reconciled = self._beside.submit(self._reconcile, [key])
        try:
            raw = self._raw_fast.find_one_and_update(
                wanted, [{"$set": lease}], projection=_FIELDS, hint=BY_ID
            )
        finally:
            gone = reconciled.result()
        if raw is None:
            return Leased(more=True)
        chosen, _ = self._within([(key, raw, _size(raw))], max_bytes, largest)
        report = self._outgoing(key, pacs, raw) if chosen and key not in gone else None
        return Leased([] if report is None else [report])

    def _take(
        self, found: Mapping[str, RawBSONDocument], wanted: Document, lease_s: float, token: str
    ) -> int:
        """Lease those of these reports that are still as wanted; returns their number.

        The end of the lease is computed from the estimate of the server's clock, under the
        condition that the server agrees. If that leases nothing, the estimate may be wrong, or the
        commands take longer than the condition allows: then the server computes the end. That is
        always right, but takes MongoDB longer.
        """
        groups = list(_as_found(found))
        now = self._db.clock.now()
        ends_at = now + timedelta(seconds=lease_s)
        still = self._db.clock.still(now)
        taken = 0
        for these, tries in groups:
            lease = _lease(ends_at, token, tries)
            taken += self._update({"$and": [wanted, these, still]}, {"$set": lease})
        if taken:
            return taken
        ends = {"$add": ["$$NOW", int(lease_s * 1000)]}
        for these, tries in groups:
            lease = _lease(ends, token, tries)
            taken += self._update({"$and": [wanted, these]}, [{"$set": lease}])
        if taken:  # it was the clock
            self._db.clock.forget()
        return taken

    def _update(self, these: Document, change: Document | list[Document]) -> int:
        return self._db.reports_fast.update_many(these, change, hint=BY_ID).modified_count

    def _is_to_look_ahead(self, pacs: str, *, nothing: bool) -> bool:
        """Whether to look for reports whose time is too far ahead: from time to time, and more
        often if nothing else is due."""
        now = time.monotonic()
        if nothing:
            look = now - self._looked_ahead.get(pacs, -math.inf) > _LOOK_AHEAD_IDLE_S
        else:
            look = now - self._looked_ahead.setdefault(pacs, now) > _LOOK_AHEAD_EVERY_S
        if look:
            self._looked_ahead[pacs] = now
        return look

    def _read(
        self, pacs: str, due: Document, limit: int, max_bytes: int, largest: int
    ) -> tuple[dict[str, RawBSONDocument], bool]:
        """The reports to lease by key, in order, and whether more are due; gives up those that are
        too large, and what is no report.

        Reports are read at once where the last ones were small. Otherwise their sizes are looked up
        first: MongoDB answers with up to 16 MiB, whatever is wanted of it.
        """
        wanted, more = due, False
        if self._sizes.get(pacs, LARGEST) * limit > max_bytes:
            listed = list(self._raw.find(due, _LISTED, sort=_ORDER, limit=limit))
            keyed = [(key, raw) for raw in listed if (key := self._key(raw)) is not None]
            sizes = [(key, raw, raw["size"]) for key, raw in keyed]
            chosen, left = self._within(sizes, max_bytes, largest)
            more = left or len(listed) == limit
            if not chosen:
                return {}, more
            wanted = {**due, "_id": {"$in": chosen}}
        read: dict[str, RawBSONDocument] = {}
        count = total = 0
        # Majority-committed reports only: one that could be rolled back must not be sent.
        with self._raw.find(wanted, _FIELDS, sort=_ORDER, limit=limit) as cursor:
            for raw in cursor:
                count += 1
                if (key := self._key(raw)) is not None:
                    read[key] = raw
                total += len(raw.raw)
                if total > max_bytes:
                    break
        sizes = [(key, raw, _size(raw)) for key, raw in read.items()]
        if sizes:
            self._sizes[pacs] = 2 * max(size for _, _, size in sizes)
        chosen, left = self._within(sizes, max_bytes, largest)
        more = more or left or count == limit or total > max_bytes
        return {key: read[key] for key in chosen}, more

    def _key(self, raw: RawBSONDocument) -> str | None:
        """The key of a report's scan; gives up one that has none."""
        key = readable_id(raw)
        if key is None:
            self._undeliverable.mark_this(this(raw), str(decoded(raw)["_id"]), DAMAGED)
        return key

    def _within(
        self, sizes: Sequence[tuple[str, RawBSONDocument, int]], max_bytes: int, largest: int
    ) -> tuple[list[str], bool]:
        """The keys of the first reports that fit, and whether any are left; gives up those that
        cannot be sent."""
        chosen: list[str] = []
        total = 0
        for key, raw, size in sizes:
            if size == _NONE:
                self._give_up(key, raw, DAMAGED)
                continue
            if size > largest:
                self._give_up(
                    key,
                    raw,
                    f"the report has {size} bytes, {largest} can be sent: raise FRAME_LIMIT_KIB of "
                    "Fr-HUB and Fr-PACS",
                )
                continue
            total += size
            if chosen and total > max_bytes:
                return chosen, True
            chosen.append(key)
        return chosen, False

    def _outgoing(self, key: str, pacs: str, raw: RawBSONDocument) -> OutgoingReport | None:
        try:
            return _outgoing(key, pacs, raw)
        except Exception:  # noqa: BLE001 - whatever is wrong with one, the others are sent
            self._give_up(key, raw, DAMAGED)
            return None

    def _give_up(self, key: str, raw: RawBSONDocument, cause: str) -> None:
        """Give up a report as found, not the revision that has replaced it since."""
        this_one = {"_id": key, **_of_stored(_computed(raw, "revision"))}
        self._undeliverable.mark_this(this_one, key, cause)

    def _reconcile(self, keys: Sequence[str]) -> set[str]:
        """Before reports are sent, make their scans agree with them: see ``reconciliation``.
        Deletes reports of fully purged scans; returns their ids.

        Such a report is a scan's second one, written by a processor that was suspended all along.
        """
        states = {"$in": [*UNCLAIMED, PURGED, ERASED]}
        wanted: Document = {"_id": {"$in": list(keys)}, "report_generated": states}
        fields = {"report_generated": 1, "revision": 1}
        found = find(self._db.scans_fast, wanted, fields)
        gone = {d["_id"] for d in found if d["report_generated"] in (PURGED, ERASED)}
        self._reconciliation.finish_reported(
            {d["_id"]: revision_of(d) for d in found if d["_id"] not in gone}
        )
        if gone:
            self._db.reports.delete_many({"_id": {"$in": list(gone)}, "status": False})
        return gone

    @translated
    def mark_sent(
        self,
        keys: Sequence[str],
        revision: int = 1,
        peer: str | None = None,
        outcome: str = DELIVERED,
    ) -> None:
        """Mark this revision of these reports as sent; recorded in the audit trail first.

        A later revision that replaced it in the meantime is still to be sent. Repeatable.

        Args:
            keys: of their scans.
            revision: that was sent.
            peer: the Fr-PACS that has them.
            outcome: how they were delivered; of uploaded scans ``READABLE``.
        """
        self._recorder.note(Kind.SEND, keys, peer=peer, outcome=outcome)
        self._recorder.wait_durable()
        sent: Document = {"_id": {"$in": list(keys)}, "status": False, **of_revision(revision)}
        # The first delivery counts for retention, also of a report that was asked for again.
        change = {"$set": {"status": True}, "$unset": {"leased_by": True}}
        first = self._db.reports.update_many(
            {**sent, "sent_at": None}, {**change, "$currentDate": {"sent_at": True}}, hint=BY_ID
        )
        if first.matched_count < len(keys):
            self._db.reports.update_many({**sent, "sent_at": {"$ne": None}}, change, hint=BY_ID)
        self._db.feed.tell(reports_changed(keys, "delivered", revision))

    @translated
    def orphans(self, known: Collection[str]) -> dict[str, int]:
        """The Fr-PACS that are not among these and have reports to be sent, each with the number of
        its reports; counting stops at ``ORPHANS_COUNTED``."""
        self._give_up_without_pacs()
        found: dict[str, int] = {}
        after = ""
        # From one name to the next in the index, whatever waits for the known ones.
        while len(found) < _ORPHANS_NAMED:
            beyond = {**_WAITING, "pacs": {"$gt": after}}
            fields = {"pacs": 1}
            first = next(iter(self._raw.find(beyond, fields, sort=[("pacs", 1)], limit=1)), None)
            if first is None:
                break
            if not _names_its_pacs(first):
                self._undeliverable.mark_this(this(first), str(decoded(first)["_id"]), DAMAGED)
                continue
            after = str(first["pacs"])
            if after not in known:
                found[after] = self._db.reports_fast.count_documents(
                    {**_WAITING, "pacs": after}, limit=ORPHANS_COUNTED
                )
        return found

    def _give_up_without_pacs(self) -> None:
        """Give up reports whose Fr-PACS is no text: nobody would ever lease them."""
        for other in ({"$lt": ["$pacs", ""]}, {"$gte": ["$pacs", {}]}):
            wanted = {**_WAITING, "$expr": other}
            for raw in self._raw.find(wanted, {"_id": 1}, limit=_ORPHANS_NAMED):
                self._undeliverable.mark_this(this(raw), str(decoded(raw)["_id"]), DAMAGED)

    @translated
    def postpone(self, keys: Sequence[str], delay_s: float) -> None:
        """Make reports that were not acknowledged due again after ``delay_s`` seconds, unless
        another hub has leased them meanwhile."""
        self._db.reports_fast.update_many(
            {"_id": {"$in": list(keys)}, "status": False, "leased_by": self._by_this_process},
            [{"$set": {"next_try_at": {"$add": ["$$NOW", int(delay_s * 1000)]}}}],
            hint=BY_ID,
        )

    @property
    def _by_this_process(self) -> Document:
        """A condition on ``leased_by``: ``0`` follows ``/`` in the order of strings."""
        return {"$gte": f"{self._process}/", "$lt": f"{self._process}0"}

    @translated
    def release(self, keys: Sequence[str]) -> None:
        """Make reports that this process leased due at once, as if they had not been leased: their
        try does not count."""
        again = {
            "next_try_at": "$$NOW",
            "tries": {"$max": [0, {"$subtract": [integer("tries"), 1]}]},
        }
        self._db.reports_fast.update_many(
            {"_id": {"$in": list(keys)}, "status": False, "leased_by": self._by_this_process},
            [{"$set": again}, {"$unset": "leased_by"}],
            hint=BY_ID,
        )


def _names_its_pacs(raw: RawBSONDocument) -> bool:
    """Whether the Fr-PACS of a report can be read, and is that of its scan."""
    key = readable_id(raw)
    try:
        return key is not None and pacs_of(key) in (None, raw["pacs"])
    except BSONError:
        return False


def _as_found(found: Mapping[str, RawBSONDocument]) -> Iterator[tuple[Document, int]]:
    """Filters that together find these reports as long as nothing has replaced them, each with how
    often its reports were tried."""
    alike: dict[tuple[Any, int], list[str]] = {}
    for key, raw in found.items():
        about = _computed(raw, "revision"), _computed(raw, "tries")
        alike.setdefault(about, []).append(key)
    for (revision, tries), keys in alike.items():
        yield {"_id": {"$in": keys}, **_of_stored(revision)}, tries


def _lease(ends: datetime | Document, token: str, tries: int) -> Document:
    return {"next_try_at": ends, "leased_by": token, "tries": (whole(tries) or 0) + 1}


def _of_stored(revision: Any) -> Document:
    return of_revision(revision) if revision else _NO_REVISION


def _computed(raw: RawBSONDocument, name: str) -> Any:
    """A field that MongoDB computed."""
    try:
        return raw[name]
    except BSONError:  # of another field
        return decoded(raw)[name]


def _size(raw: RawBSONDocument) -> int:
    try:
        content = raw.get("report")
    except BSONError:
        return _NONE
    return len(content.raw) if isinstance(content, RawBSONDocument) else _NONE


def _outgoing(key: str, pacs: str, raw: RawBSONDocument) -> OutgoingReport:
    content = raw["report"]
    report = bson.decode(content.raw, _AWARE)  # what this cannot decode, no Fr-PACS can
    picture_hash = report.get("picture_hash")
    revision = report.get("revision", 1)
    if (
        report["pacs"] != pacs
        or key != scan_key(report["scan_id"], pacs)
        or not isinstance(picture_hash, str | None)
        or not isinstance(revision, int | float)
        or not revision == raw["revision"] >= 1
    ):
        raise ValueError("not this scan's report")
    return OutgoingReport(key, int(revision), picture_hash, content, (whole(raw["tries"]) or 0) + 1)
