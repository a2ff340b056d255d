"""``DBManager``: the store, and the only room with PyMongo (its errors are made ours in
``store_errors``, its wake-ups are in ``wake_ups``).

The methods are the state transitions of ``common.const.TRANSITIONS``, each atomic for a scan and
filtered by state, owner and fence. Whatever is acknowledged to somebody was written with write
concern majority, journaled. Blocking and thread-safe; Fr-HUB calls it from worker threads.

Durability where it is not needed is not paid for: a claim and the lease of a report are written
with ``w: 1``. Lost in a fail-over, they are made again, and the owner in each filter keeps a
forgotten claim from finishing anything.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pymongo
from bson import ObjectId
from bson.codec_options import CodecOptions
from pydantic import ValidationError
from pymongo import MongoClient, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError, ConfigurationError, InvalidURI
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from common.const import Collection, ReportGenerated, WakeUp
from common.documents import (
    Added,
    Claim,
    Document,
    NewScan,
    OutgoingReport,
    all_of,
    compare,
    expired,
    held,
    report_document,
    scan_document,
    without_id,
)
from common.errors import (
    ClaimLost,
    SettingsError,
    UploadLost,
    VoxelsDamaged,
)
from common.models import BrainReport, BrainScan
from common.store_errors import DUPLICATE_KEY, bulk_failure, translated
from common.wake_ups import GOODBYE_S, Waiter, WakeUps

_OPTIONS: CodecOptions[Document] = CodecOptions(tz_aware=True)
_FAST = WriteConcern(w=1, j=False)
_LOCAL = ReadConcern("local")

_SELECTION_S = 3.0
"""A call finds no server for so long: it is away. Callers repeat, so this only says it sooner."""

UNREADABLE_DELAY_S = 3600.0
"""A stored report that this release cannot read is looked at again after so long: by then a newer
one may run, or a person may have mended it."""

SWEEP_GRACE_S = 3600.0
"""An upload younger than this is never swept: it may still be going on."""


class DBManager:
    """The store.

    Args:
        uri: of a standalone server, a replica set or a sharded cluster.
        database: its name.
        timeout_s: the longest that a call may take, server selection and retries included.

    Raises (all methods):
        StoreUnavailable: MongoDB is away or without its majority; the call may have had its
            effect or not, and can be repeated.
        StoreRefused: MongoDB refuses the login or the command.
        StoreError: it answered with something else.
    """

    def __init__(self, uri: str, database: str, timeout_s: float = 10.0) -> None:
        self.uri = uri
        """With its password, if it has one: not for logs."""
        self.name = database
        self._timeout_s = timeout_s
        self._client = _client(
            uri,
            w="majority",
            journal=True,
            readConcernLevel="majority",
            retryWrites=True,
            readPreference="primary",
            timeoutMS=int(timeout_s * 1000),
            serverSelectionTimeoutMS=int(min(timeout_s, _SELECTION_S) * 1000),
        )
        base = self._client.get_database(database, codec_options=_OPTIONS)
        self._base = base
        self._scans: MongoCollection[Document] = base[Collection.SCANS]
        self._reports: MongoCollection[Document] = base[Collection.REPORTS]
        self._chunks: MongoCollection[Document] = base[Collection.CHUNKS]
        self._uploads: MongoCollection[Document] = base[Collection.UPLOADS]
        self._scans_fast = self._scans.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self._reports_fast = self._reports.with_options(write_concern=_FAST, read_concern=_LOCAL)
        self._wake_ups = WakeUps(base)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        # It says goodbye to the server: one that is away would hold up the exit for 30 s.
        with pymongo.timeout(GOODBYE_S):
            self._client.close()

    @translated
    def prepare(self) -> str:
        """Make indexes and collections where missing; returns the server's version.

        Partial indexes hold only what waits, so they stay small while what is done grows.
        """
        version = str(self._client.server_info()["version"])
        self._scans.create_index(
            [("received_at", 1)],
            name="to_do",
            partialFilterExpression={"report_generated": ReportGenerated.TO_DO},
        )
        self._scans.create_index(
            [("lease_until", 1)],
            name="in_progress",
            partialFilterExpression={"report_generated": ReportGenerated.IN_PROGRESS},
        )
        self._scans.create_index([("blob", 1)], name="blob", sparse=True)  # for sweeps
        self._reports.create_index(
            [("pacs", 1), ("next_try_at", 1), ("created_at", 1)],
            name="to_send",
            partialFilterExpression={"status": False},
        )
        self._wake_ups.prepare()
        return version

    # --- Fr-HUB: scans come in -------------------------------------------------------------

    @translated
    def add_scans(self, new: Sequence[NewScan]) -> list[Added]:
        """Store scans as ``'To Do'``, durably, and wake a processor. Repeatable.

        A duplicate key proves nothing about durability (its first write may yet be rolled back),
        so duplicates go through a ``$setOnInsert`` upsert, whose majority acknowledgement covers
        what it found; only then is what is stored compared with what came.
        """
        if not new:
            return []
        documents = [scan_document(item) for item in new]
        outcome = [Added.STORED] * len(new)
        try:
            self._scans.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            repeated = _duplicates(error)
            self._upsert(self._scans, [documents[index] for index in repeated])
            stored = {
                found["_id"]: found
                for found in self._scans.find(
                    {"_id": {"$in": [documents[index]["_id"] for index in repeated]}},
                    {"scan": 1, "blob": 1, "attempt": 1},
                )
            }
            for index in repeated:
                outcome[index] = compare(documents[index], stored.get(documents[index]["_id"]))
        self._wake_ups.ring(WakeUp.SCAN)
        return outcome

    @translated
    def begin_upload(self) -> ObjectId:
        """A fresh blob for the chunks of one attempt to send a large scan.

        Recorded first, so that a sweep finds what a cut upload leaves behind.
        """
        blob = ObjectId()
        # The server's clock, by which a sweep judges: a host's may be hours behind it.
        self._uploads.update_one({"_id": blob}, [{"$set": {"started_at": "$$NOW"}}], upsert=True)
        return blob

    @translated
    def add_chunks(self, blob: ObjectId, first: int, pieces: Sequence[bytes | memoryview]) -> None:
        """Store consecutive chunks of a blob, durably. Repeatable."""
        if not pieces:
            return
        documents = [
            {"_id": {"blob": blob, "n": n}, "voxels": bytes(piece)}
            for n, piece in enumerate(pieces, first)
        ]
        try:
            self._chunks.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            # An earlier try got through in part; the same reasoning as in add_scans.
            self._upsert(self._chunks, [documents[index] for index in _duplicates(error)])

    @translated
    def end_upload(self, scan_id: str, blob: ObjectId) -> None:
        """The scan that refers to this blob is stored: seal the upload, before acknowledging.
        Repeatable.

        A sweep marks an upload before it looks for references and deletes. So either this call
        seals it, and no sweep ever touches the blob, or a sweep had it. The record stays for a
        while, so that a call whose answer was lost finds its own seal.

        Raises:
            UploadLost: a sweep had it: the scan is taken back and must be sent again.
        """
        mine = {"_id": blob, "swept": None}
        if self._uploads.update_one(mine, {"$set": {"sealed": True}}).matched_count == 0:
            self._scans.delete_one({"_id": scan_id, "blob": blob})
            self._delete_blob(blob)  # which the sweep left if it saw the scan
            raise UploadLost("the upload took too long and was swept away: send the scan again")

    @translated
    def abandon_upload(self, blob: ObjectId) -> None:
        """Delete a blob that no scan refers to, and its record. Repeatable."""
        self._delete_blob(blob)
        self._uploads.delete_one({"_id": blob})

    @translated
    def sweep_uploads(self, grace_s: float = SWEEP_GRACE_S) -> int:
        """Delete blobs of uploads that were cut more than ``grace_s`` seconds ago; how many."""
        swept = 0
        old = {"$expr": {"$lt": ["$started_at", {"$subtract": ["$$NOW", int(grace_s * 1000)]}]}}
        self._uploads.delete_many({"sealed": True, **old})
        cut, mark = {"sealed": None, **old}, {"$set": {"swept": True}}
        while (record := self._uploads.find_one_and_update(cut, mark)) is not None:
            if self._scans.find_one({"blob": record["_id"]}, {"_id": 1}) is None:
                self._delete_blob(record["_id"])
                swept += 1
            # Last: a sweep that is cut before leaves the record to the next one.
            self._uploads.delete_one({"_id": record["_id"]})
        return swept

    def _delete_blob(self, blob: ObjectId) -> None:
        self._chunks.delete_many({"_id": all_of(blob)})

    # --- Fr-HUB: reports go out ------------------------------------------------------------

    @translated
    def lease_reports(self, pacs: str, limit: int, lease_s: float) -> list[OutgoingReport]:
        """Reports due for this Fr-PACS, oldest first, each leased for ``lease_s`` seconds: not
        marked by then, it is due again. Another hub gets others."""
        due: Document = {
            "pacs": pacs,
            "status": False,
            "$expr": {"$lte": ["$next_try_at", "$$NOW"]},
        }
        # Majority-committed ones only: a report that could be rolled back must not be sent.
        order = [("next_try_at", 1), ("created_at", 1)]
        found = list(self._reports.find(due, sort=order, limit=limit))
        if not found:
            return []
        token = str(ObjectId())
        ids = [document["_id"] for document in found]
        lease = {
            "next_try_at": {"$add": ["$$NOW", int(lease_s * 1000)]},
            "leased_by": token,
            "tries": {"$add": ["$tries", 1]},
        }
        taken = self._reports_fast.update_many({"_id": {"$in": ids}, **due}, [{"$set": lease}])
        if taken.modified_count < len(ids):
            mine = self._reports_fast.find({"_id": {"$in": ids}, "leased_by": token}, {"_id": 1})
            wanted = {document["_id"] for document in mine}
            found = [document for document in found if document["_id"] in wanted]
        outgoing = []
        for document in found:
            try:
                report = BrainReport.model_validate(document["report"])
            except ValidationError:
                # One damaged document must not hold up the reports behind it.
                self.postpone_reports([document["_id"]], UNREADABLE_DELAY_S)
                continue
            outgoing.append(OutgoingReport(report, document["tries"] + 1))
        return outgoing

    @translated
    def mark_sent(self, scan_ids: Sequence[str]) -> None:
        """Fr-PACS acknowledged these reports. Repeatable."""
        self._reports.update_many(
            {"_id": {"$in": list(scan_ids)}, "status": False},
            [{"$set": {"status": True, "sent_at": "$$NOW"}}, {"$unset": "leased_by"}],
        )

    @translated
    def postpone_reports(self, scan_ids: Sequence[str], delay_s: float) -> None:
        """These reports were not acknowledged: due again after ``delay_s`` seconds."""
        self._reports_fast.update_many(
            {"_id": {"$in": list(scan_ids)}, "status": False},
            [{"$set": {"next_try_at": {"$add": ["$$NOW", int(delay_s * 1000)]}}}],
        )

    # --- Fr-BRAIN --------------------------------------------------------------------------

    @translated
    def claim(self, owner: str, limit: int, lease_s: float) -> list[Claim]:
        """Claim scans that are ``'To Do'``, oldest first, ``limit`` at most. A scan that was
        claimed before comes alone, so that one that kills its processor takes no other along.

        Args:
            owner: an id that no other process start ever has.
            limit: scans at most.
            lease_s: seconds until the claim ends if it is not renewed.
        """
        to_do = {"report_generated": ReportGenerated.TO_DO}
        # Only majority-committed scans are looked at: one that could be rolled back would leave
        # a report without its scan.
        found = list(self._scans.find(to_do, sort=[("received_at", 1)], limit=limit))
        first_again = next((i for i, found_one in enumerate(found) if found_one["attempts"]), None)
        if first_again is not None:
            found = found[:first_again] if first_again else found[:1]
        return self._take(found, to_do, owner, lease_s)

    @translated
    def claim_expired(self, owner: str, lease_s: float) -> list[Claim]:
        """Claim one scan whose claim has ended without a report, the longest ended first."""
        over = expired()
        found = list(self._scans.find(over, sort=[("lease_until", 1)], limit=1))
        return self._take(found, over, owner, lease_s)

    def _take(
        self, found: list[Document], condition: Mapping[str, Any], owner: str, lease_s: float
    ) -> list[Claim]:
        claimed = {
            "report_generated": ReportGenerated.IN_PROGRESS,
            "owner": owner,
            "fence": {"$add": ["$fence", 1]},
            "attempts": {"$add": ["$attempts", 1]},
            "claimed_at": "$$NOW",
            "lease_until": {"$add": ["$$NOW", int(lease_s * 1000)]},
        }
        # By the fence that was found: claimed and put back by another owner meanwhile, a scan has
        # a later one, and a claim that names an earlier one would only hold it up.
        taken = sum(
            self._scans_fast.update_many(
                {
                    "_id": {"$in": [d["_id"] for d in found if d["fence"] == fence]},
                    "fence": fence,
                    **condition,
                },
                [{"$set": claimed}],
            ).modified_count
            for fence in {document["fence"] for document in found}
        )
        if taken < len(found):
            # Somebody else was faster on some: which are mine?
            mine = self._scans_fast.find(
                {
                    "_id": {"$in": [document["_id"] for document in found]},
                    "owner": owner,
                    "report_generated": ReportGenerated.IN_PROGRESS,
                },
                {"fence": 1},
            )
            fences = {document["_id"]: document["fence"] for document in mine}
            found = [d for d in found if fences.get(d["_id"]) == d["fence"] + 1]
        claims = []
        for document in found:
            fence = document["fence"] + 1
            try:
                scan = BrainScan.model_validate(document["scan"])
            except ValidationError:
                # One damaged document must not stop every processor that meets it.
                self._set_aside(document["_id"], owner, fence)
                continue
            claims.append(
                Claim(
                    scan=scan,
                    owner=owner,
                    fence=fence,
                    attempts=document["attempts"] + 1,
                    voxels=document.get("voxels"),
                    blob=document.get("blob"),
                )
            )
        return claims

    def _set_aside(self, scan_id: str, owner: str, fence: int) -> None:
        error = {"cause": "the stored header is damaged: it is not a scan's", "at": "$$NOW"}
        self._scans.update_one(
            {
                "_id": scan_id,
                "owner": owner,
                "fence": fence,
                "report_generated": ReportGenerated.IN_PROGRESS,
            },
            [
                {"$set": {"report_generated": ReportGenerated.ERROR, "error": error}},
                {"$unset": "lease_until"},
            ],
        )

    @translated
    def fetch_voxels(self, claim: Claim) -> bytes | bytearray:
        """The voxels of a claimed scan; their hash is the caller's to check.

        Raises:
            VoxelsDamaged: chunks are missing or of wrong sizes.
        """
        if claim.blob is None:
            return claim.voxels or b""
        voxels = bytearray(claim.scan.voxels_bytes)
        end = 0
        chunks = self._chunks.find({"_id": all_of(claim.blob)}, sort=[("_id", 1)])
        for n, chunk in enumerate(chunks):
            piece = chunk["voxels"]
            if chunk["_id"]["n"] != n or end + len(piece) > len(voxels):
                raise VoxelsDamaged(f"stored chunk {n} is missing or of a wrong size")
            voxels[end : end + len(piece)] = piece
            end += len(piece)
        if end != len(voxels):
            raise VoxelsDamaged(f"{end} of {len(voxels)} bytes of voxels are stored")
        return voxels

    @translated
    def renew(self, claims: Sequence[Claim], lease_s: float) -> set[str]:
        """Extend the leases; returns the ids of those that are no longer this owner's."""
        lease = {"lease_until": {"$add": ["$$NOW", int(lease_s * 1000)]}}
        renewed = sum(
            self._scans_fast.update_many(condition, [{"$set": lease}]).matched_count
            for condition in held(claims)
        )
        if renewed == len(claims):
            return set()
        return {claim.scan.scan_id for claim in claims} - self._still_held(claims)

    @translated
    def complete(self, done: Sequence[tuple[Claim, BrainReport]]) -> set[str]:
        """Write the reports, then set their scans ``'Done'`` under the fence; both durably.

        Repeatable. Returns the ids whose claim was lost: there the report of whoever has the
        claim stands, or the one that was written first.
        """
        if not done:
            return set()
        reports = [report_document(report) for _, report in done]
        try:
            self._reports.insert_many(reports, ordered=False)
        except BulkWriteError as error:
            self._upsert(self._reports, [reports[index] for index in _duplicates(error)])
        claims = [claim for claim, _ in done]
        lost = self._finish(
            claims,
            [
                {"$set": {"report_generated": ReportGenerated.DONE, "done_at": "$$NOW"}},
                {"$unset": ["lease_until", "error"]},
            ],
        )
        self._wake_ups.ring(WakeUp.REPORT)
        return lost

    @translated
    def fail(self, claim: Claim, cause: str, attempts_allowed: int) -> ReportGenerated:
        """No report from this attempt: back to ``'To Do'``, or ``'Error'`` with the cause when
        the allowed attempts are used up (0: at once). Returns where it is now.

        Raises:
            ClaimLost: the claim is somebody else's, and so is the decision.
        """
        final = claim.attempts >= attempts_allowed
        state = ReportGenerated.ERROR if final else ReportGenerated.TO_DO
        change: list[Document] = [
            {"$set": {"report_generated": state, "error": {"cause": cause, "at": "$$NOW"}}},
            {"$unset": "lease_until"},
        ]
        if self._finish([claim], change, state):
            raise ClaimLost(f"the claim of {claim.scan.scan_id} was lost")
        if not final:
            self._wake_ups.ring(WakeUp.SCAN)
        return state

    @translated
    def release(self, owner: str, *, unused: Sequence[Claim] | None = None) -> int:
        """Put scans of ``owner`` back to ``'To Do'``; how many.

        With ``unused``: those claims, never begun, whose attempt does not count. Without: all
        that ``owner`` holds, which is right only when it is known to be dead.
        """
        change: Document = {"report_generated": ReportGenerated.TO_DO}
        conditions: Iterable[Document] = [
            {"owner": owner, "report_generated": ReportGenerated.IN_PROGRESS}
        ]
        if unused is not None:
            change["attempts"] = {"$subtract": ["$attempts", 1]}
            conditions = held(unused)
        released = sum(
            self._scans.update_many(
                condition, [{"$set": change}, {"$unset": "lease_until"}]
            ).modified_count
            for condition in conditions
        )
        if released:
            self._wake_ups.ring(WakeUp.SCAN)
        return released

    @translated
    def give_up(self, attempts_allowed: int) -> int:
        """Set aside as ``'Error'`` what used up its attempts without an answer from its
        processor (killed, out of memory); how many."""
        cause = "its processor ended or stopped answering in each attempt"
        change: list[Document] = [
            {
                "$set": {
                    "report_generated": ReportGenerated.ERROR,
                    "error": {"cause": {"$ifNull": ["$error.cause", cause]}, "at": "$$NOW"},
                }
            },
            {"$unset": "lease_until"},
        ]
        used_up = {"attempts": {"$gte": attempts_allowed}}
        waiting = {"report_generated": ReportGenerated.TO_DO, **used_up}
        over = {**expired(), **used_up}
        return sum(
            self._scans.update_many(condition, change).modified_count
            for condition in (waiting, over)
        )

    def _finish(
        self, claims: Sequence[Claim], change: list[Document], state: str = ReportGenerated.DONE
    ) -> set[str]:
        """Make ``change`` on each claim that still holds; the ids on which it does not."""
        finished = sum(
            self._scans.update_many(condition, change).matched_count for condition in held(claims)
        )
        if finished == len(claims):
            return set()
        # No match where the state is the wanted one and the fence is mine: an earlier try of
        # mine succeeded and its answer was lost.
        mine = {claim.scan.scan_id: (claim.owner, claim.fence, state) for claim in claims}
        found = self._scans.find(
            {"_id": {"$in": list(mine)}}, {"owner": 1, "fence": 1, "report_generated": 1}
        )
        right = {
            d["_id"]
            for d in found
            if (d.get("owner"), d["fence"], d["report_generated"]) == mine[d["_id"]]
        }
        return set(mine) - right

    def _still_held(self, claims: Sequence[Claim]) -> set[str]:
        return {
            document["_id"]
            for condition in held(claims)
            for document in self._scans_fast.find(condition, {"_id": 1})
        }

    def wake(self, what: WakeUp) -> None:
        """End all waits for ``what`` now. Never raises."""
        self._wake_ups.ring(what)

    # --- all -------------------------------------------------------------------------------

    def waiter(self, what: WakeUp, poll_s: float) -> Waiter:
        """Something to wait on until the next ``what``, ``poll_s`` at most; for one thread, which
        closes it."""
        client = _client(
            self.uri,
            socketTimeoutMS=int((poll_s + self._timeout_s) * 1000),
            serverSelectionTimeoutMS=int(self._timeout_s * 1000),
        )
        return Waiter(client, self._base.name, what, poll_s)

    @translated
    def count_states(self) -> dict[str, int]:
        """Scans by state; states with none are there with 0."""
        counts = {str(state): 0 for state in ReportGenerated}
        group = {"$group": {"_id": "$report_generated", "n": {"$sum": 1}}}
        for line in self._scans.aggregate([group]):
            counts[line["_id"]] = line["n"]
        return counts

    @translated
    def count_reports(self) -> dict[bool, int]:
        """Reports by ``status``: sent (True) or not."""
        counts = {True: 0, False: 0}
        for line in self._reports.aggregate([{"$group": {"_id": "$status", "n": {"$sum": 1}}}]):
            counts[line["_id"]] = line["n"]
        return counts

    def scan_states(self) -> Iterator[tuple[str, str]]:
        """Id and state of every scan, by rising id."""
        yield from self._stream(self._scans, "report_generated")

    def report_states(self) -> Iterator[tuple[str, bool]]:
        """Id and ``status`` of every report, by rising id."""
        yield from self._stream(self._reports, "status")

    @staticmethod
    def _stream(collection: MongoCollection[Document], field: str) -> Iterator[tuple[str, Any]]:
        start: Document = {}
        while True:
            # In pages, each with its own time limit: one cursor over all would exceed it.
            page = _page(collection, start, field)
            yield from ((document["_id"], document[field]) for document in page)
            if not page:
                return
            start = {"_id": {"$gt": page[-1]["_id"]}}

    @translated
    def states_of(self, scan_ids: Sequence[str]) -> dict[str, tuple[str | None, bool | None]]:
        """For each id its scan's state and its report's ``status``, None where there is none."""
        wanted = {"_id": {"$in": list(scan_ids)}}
        scans = {
            document["_id"]: document["report_generated"]
            for document in self._scans.find(wanted, {"report_generated": 1})
        }
        reports = {
            document["_id"]: document["status"]
            for document in self._reports.find(wanted, {"status": 1})
        }
        return {name: (scans.get(name), reports.get(name)) for name in scan_ids}

    @translated
    def errors(self, limit: int = 100) -> list[tuple[str, str, datetime]]:
        """Scans set aside: id, cause, when."""
        found = self._scans.find(
            {"report_generated": ReportGenerated.ERROR}, {"error": 1}, limit=limit
        )
        return [(d["_id"], d["error"]["cause"], d["error"]["at"]) for d in found]

    @staticmethod
    def _upsert(collection: MongoCollection[Document], documents: Sequence[Document]) -> None:
        if documents:
            try:
                collection.bulk_write(
                    [
                        UpdateOne({"_id": d["_id"]}, {"$setOnInsert": without_id(d)}, upsert=True)
                        for d in documents
                    ],
                    ordered=False,
                )
            except BulkWriteError as error:
                raise bulk_failure(error) from error


def _client(uri: str, **options: Any) -> MongoClient[Document]:
    try:
        return MongoClient(uri, appname="fr", connect=False, **options)
    except (ConfigurationError, InvalidURI, ValueError) as error:
        text = str(error)
        if "@" in uri:
            # PyMongo quotes what it could not parse, which can be a password or half of one.
            text = re.split('[:"]', text)[0].strip()
            text += " (special characters of a user name or password must be percent-encoded)"
        raise SettingsError(f"MONGODB_URI: {text}") from None
    except OSError as error:
        raise SettingsError(f"MONGODB_URI: {error.strerror}: {error.filename!r}") from error


@translated
def _page(collection: MongoCollection[Document], start: Document, field: str) -> list[Document]:
    return list(collection.find(start, {field: 1}, sort=[("_id", 1)], limit=20_000))


def _duplicates(error: BulkWriteError) -> list[int]:
    """Positions of the documents that were there before, if that was all that went wrong."""
    failure = bulk_failure(error)
    lines = error.details["writeErrors"]
    if error.details["writeConcernErrors"] or any(e["code"] != DUPLICATE_KEY for e in lines):
        raise failure from error
    return [line["index"] for line in lines]
