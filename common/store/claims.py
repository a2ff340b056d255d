"""``DBManager`` for Fr-BRAIN: claim, renew, complete, fail, release."""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId
from pydantic import ValidationError
from pymongo.errors import BulkWriteError

from common.domain.audit_events import Kind
from common.domain.report import BrainReport
from common.domain.scan import BrainScan, Packing
from common.domain.states import ReportGenerated
from common.errors import ClaimLost, VoxelsDamaged
from common.store.collections import WakeUp
from common.store.connection import BY_ID, Connection, duplicates
from common.store.documents import Claim, Claimed, Document, all_of, expired, held, report_document
from common.store.error_mapping import translated
from common.store.reconciliation import FINISH, Reconciliation
from common.store.recording import Recorder
from common.store.revisions import Revisions

_ATTEMPTS, _SPREAD = 5, 8
"""How often a claim that others were faster at is tried again at once, and over how many batches
such tries spread: processors that wake together do not all want the same scans for ever."""

GIVEN_UP_AT_ONCE = 1000

DAMAGED = "the stored header is damaged: it is not a scan's"
NO_ANSWER = "its processor ended or stopped answering in each attempt"


def failure(cause: Any) -> Document:
    """``error`` of a scan, from its document as it is: the cause, who had it last, when."""
    return {"cause": cause, "at": "$$NOW", "worker": {"$ifNull": ["$owner", None]}}


def _alike(found: list[Document], max_retried: int) -> list[Document]:
    """The first of these and what may be claimed with it: the ones that follow and were claimed as
    often, that is never, or once."""
    attempts = found[0]["attempts"] if found else 0
    alike = list(itertools.takewhile(lambda document: document["attempts"] == attempts, found))
    return alike[: {0: len(found), 1: max_retried}.get(attempts, 1)]


class Claims:
    """The life of a claim; each change is filtered by state, owner and fence."""

    def __init__(
        self,
        connection: Connection,
        reconciliation: Reconciliation,
        revisions: Revisions,
        recorder: Recorder,
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._revisions = revisions
        self._recorder = recorder

    @translated
    def claim(
        self,
        owner: str,
        limit: int,
        lease_s: float,
        *,
        only_fresh: bool = False,
        max_retried: int = 1,
    ) -> Claimed:
        """Claim scans that are ``'To Do'``, oldest first, ``limit`` at most.

        A scan that kills its processor must not take others along for ever: those that were
        claimed once before come by themselves and ``max_retried`` at most, those that were claimed
        more often alone.

        Args:
            owner: an id that no other process start ever has.
            limit: scans at most.
            lease_s: seconds until the claim ends if it is not renewed.
            only_fresh: no scan that was claimed before.
            max_retried: scans at most that were claimed once before.

        Returns:
            The claims, and whether more was waiting.
        """
        to_do = {"report_generated": ReportGenerated.TO_DO}
        for attempt in range(_ATTEMPTS):
            # Only majority-committed scans are looked at: one that could be rolled back would
            # leave a report without its scan.
            skip = random.randrange(_SPREAD * limit) if attempt else 0  # noqa: S311
            order = [("received_at", 1)]
            waiting = list(self._db.scans.find(to_do, sort=order, skip=skip, limit=limit))
            found = _alike(waiting, max_retried)
            if only_fresh and found and found[0]["attempts"]:
                return Claimed(more=True)
            all_seen = len(waiting) < limit and not skip
            if claims := self._take(found, to_do, owner, lease_s):
                return Claimed(claims, more=not all_seen or len(found) < len(waiting))
            # All of them went to others who looked at the same moment: look elsewhere, unless
            # these were all. What came meanwhile ends the next wait.
            if all_seen:
                break
        return Claimed()

    @translated
    def claim_expired(self, owner: str, lease_s: float, *, max_retried: int = 1) -> list[Claim]:
        """Claim a scan whose claim has ended without a report, the longest ended first; up to
        ``max_retried`` of those that were claimed once."""
        over = expired()
        found = list(self._db.scans.find(over, sort=[("lease_until", 1)], limit=max_retried))
        return self._take(_alike(found, max_retried), over, owner, lease_s)

    def _take(
        self,
        found: list[Document],
        condition: Mapping[str, Any],
        owner: str,
        lease_s: float,
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
            self._db.scans_fast.update_many(
                {
                    "_id": {"$in": [d["_id"] for d in found if d["fence"] == fence]},
                    "fence": fence,
                    **condition,
                },
                [{"$set": claimed}],
                hint=BY_ID,
            ).modified_count
            for fence in {document["fence"] for document in found}
        )
        if not taken:
            return []
        if taken < len(found):
            # Somebody else was faster on some: which are mine?
            mine = self._db.scans_fast.find(
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
                packing = Packing.model_validate(p) if (p := document.get("packing")) else None
            except ValidationError:
                # One damaged document must not stop every processor that meets it.
                self._record_failed({document["_id"]: DAMAGED})
                self._fail_damaged(document["_id"], owner, fence)
                continue
            claims.append(
                Claim(
                    scan=scan,
                    owner=owner,
                    fence=fence,
                    attempts=document["attempts"] + 1,
                    voxels=document.get("voxels"),
                    blob=document.get("blob"),
                    revision=document.get("revision", 1),
                    packing=packing,
                )
            )
        for attempts in sorted({claim.attempts for claim in claims}):
            ids = [claim.scan.scan_id for claim in claims if claim.attempts == attempts]
            self._recorder.note(Kind.CLAIM, ids, attempt=attempts)
        return claims

    def _fail_damaged(self, scan_id: str, owner: str, fence: int) -> None:
        error = failure(DAMAGED)
        self._db.scans.update_one(
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
        self._reconciliation.reconcile([scan_id])

    @translated
    def fetch_voxels(self, claim: Claim) -> bytes | bytearray:
        """The voxels of a claimed scan, or the payload of compressed ones; their hash is the
        caller's to check.

        Raises:
            VoxelsDamaged: chunks are missing or of wrong sizes.
        """
        if claim.blob is None:
            return claim.voxels or b""
        voxels = bytearray(claim.payload_bytes)
        end = 0
        chunks = self._db.chunks.find({"_id": all_of(claim.blob)}, sort=[("_id", 1)])
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
            self._db.scans_fast.update_many(condition, [{"$set": lease}], hint=BY_ID).matched_count
            for condition in held(claims)
        )
        if renewed == len(claims):
            return set()
        return {claim.scan.scan_id for claim in claims} - self._still_held(claims)

    @translated
    def complete(
        self,
        done: Sequence[tuple[Claim, BrainReport]],
        *,
        verify_first: bool = True,
    ) -> set[str]:
        """Write the reports, then set their scans ``'Done'`` under the fence; both durably.

        Repeatable. Returns the ids whose claim was lost: there the report of whoever has the
        claim stands, or the one that was written first.

        Args:
            done: claims, each with its report.
            verify_first: check first that the claims still hold. Fresh claims almost always do, and
                the check costs more than the writes that it saves.
        """
        if not done:
            return set()
        claims = [claim for claim, _ in done]
        self._note_reports([report for _, report in done])
        # A claim that is lost already writes nothing. One that is lost from here on writes the
        # scan's only report; the last line sees to it that the scan says so.
        held_now = self._still_held(claims) if verify_first else {c.scan.scan_id for c in claims}
        mine = [report for _, report in done if report.scan_id in held_now]
        reports = [report_document(report) for report in mine if report.revision == 1]
        if reports:
            try:
                self._db.reports.insert_many(reports, ordered=False)
            except BulkWriteError as error:
                self._db.upsert(self._db.reports, [reports[index] for index in duplicates(error)])
        self._revisions.replace([report_document(report) for report in mine if report.revision > 1])
        self._recorder.wait_durable()
        # The reports are durable: they may leave while their scans become 'Done', which is another
        # wait for the journal.
        self._db.notifications.ring(WakeUp.REPORT)
        lost = self._finish(claims, FINISH)
        if lost:
            self._reconciliation.reconcile(list(lost))
            self._recorder.note(Kind.REPORT, sorted(lost), outcome="claim lost")
        return lost

    def _note_reports(self, reports: Sequence[BrainReport]) -> None:
        for analyzer in sorted({report.analyzer.name for report in reports}):
            ids = [report.scan_id for report in reports if report.analyzer.name == analyzer]
            self._recorder.note(Kind.REPORT, ids, outcome="written", analyzer=analyzer)
        self._recorder.flush()  # beside the reports

    @translated
    def fail(self, claim: Claim, cause: str, attempts_allowed: int) -> ReportGenerated:
        """No report from this attempt: back to ``'To Do'``, or ``'Error'`` with the cause when
        the allowed attempts are used up (0: at once). Returns where it is now: ``'Done'`` where
        another attempt's report came late.

        Raises:
            ClaimLost: the claim is somebody else's, and so is the decision.
        """
        final = claim.attempts >= attempts_allowed
        state = ReportGenerated.ERROR if final else ReportGenerated.TO_DO
        change: list[Document] = [
            {"$set": {"report_generated": state, "error": failure(cause)}},
            {"$unset": "lease_until"},
        ]
        self._recorder.note(
            Kind.ERROR, [claim.scan.scan_id], outcome=state, cause=cause, attempt=claim.attempts
        )
        self._recorder.wait_durable()
        if self._finish([claim], change, state):
            self._recorder.note(Kind.ERROR, [claim.scan.scan_id], outcome="claim lost")
            raise ClaimLost(f"the claim of {claim.scan.scan_id} was lost")
        if final:
            return (
                ReportGenerated.DONE
                if self._reconciliation.reconcile([claim.scan.scan_id])
                else state
            )
        self._db.notifications.ring(WakeUp.SCAN)
        return state

    @translated
    def release(self, owner: str, *, never_started: Sequence[Claim] | None = None) -> int:
        """Put scans of ``owner`` back to ``'To Do'``; how many.

        With ``never_started``: those claims, whose attempt does not count. Without: all
        that ``owner`` holds, which is right only when it is known to be dead.
        """
        change: Document = {"report_generated": ReportGenerated.TO_DO}
        conditions: Iterable[Document] = [
            {"owner": owner, "report_generated": ReportGenerated.IN_PROGRESS}
        ]
        if never_started is not None:
            ids = [claim.scan.scan_id for claim in never_started]
            self._recorder.note(Kind.RELEASE, ids, outcome=ReportGenerated.TO_DO, cause="not begun")
            change["attempts"] = {"$subtract": ["$attempts", 1]}
            conditions = held(never_started)
        released = sum(
            self._db.scans.update_many(
                condition, [{"$set": change}, {"$unset": "lease_until"}]
            ).modified_count
            for condition in conditions
        )
        if released:
            self._db.notifications.ring(WakeUp.SCAN)
            if never_started is None:
                self._recorder.note(
                    Kind.RELEASE,
                    outcome=ReportGenerated.TO_DO,
                    cause="its processor ended",
                    owner=owner,
                    count=released,
                )
        return released

    @translated
    def give_up(self, attempts_allowed: int) -> list[str]:
        """Set aside as ``'Error'`` what used up its attempts without an answer from its
        processor (killed, out of memory); the ids, ``GIVEN_UP_AT_ONCE`` of a kind at most."""
        token = ObjectId()
        error = {**failure({"$ifNull": ["$error.cause", NO_ANSWER]}), "given_up": token}
        change: list[Document] = [
            {"$set": {"report_generated": ReportGenerated.ERROR, "error": error}},
            {"$unset": "lease_until"},
        ]
        used_up = {"attempts": {"$gte": attempts_allowed}}
        given_up: list[str] = []
        for condition in ({"report_generated": ReportGenerated.TO_DO}, expired()):
            # Looked for first: mostly there is none, and a look is cheaper than a durable write.
            found = self._db.scans_fast.find(
                {**condition, **used_up}, {"error.cause": 1}, limit=GIVEN_UP_AT_ONCE
            )
            causes = {d["_id"]: str(d.get("error", {}).get("cause", NO_ANSWER)) for d in found}
            if not causes:
                continue
            self._record_failed(causes)
            these: Document = {"_id": {"$in": list(causes)}}
            self._db.scans.update_many({**these, **condition, **used_up}, change)
            changed = self._db.scans.find({**these, "error.given_up": token}, {"_id": 1})
            given_up += [document["_id"] for document in changed]
        done = self._reconciliation.reconcile(given_up) if given_up else set()
        return [scan_id for scan_id in given_up if scan_id not in done]

    def _record_failed(self, causes: Mapping[str, str]) -> None:
        for scan_id, cause in causes.items():
            self._recorder.note(Kind.ERROR, [scan_id], outcome=ReportGenerated.ERROR, cause=cause)
        self._recorder.wait_durable()

    def _finish(
        self, claims: Sequence[Claim], change: list[Document], state: str = ReportGenerated.DONE
    ) -> set[str]:
        """Make ``change`` on each claim that still holds; the ids on which it does not."""
        finished = sum(
            self._db.scans.update_many(condition, change, hint=BY_ID).matched_count
            for condition in held(claims)
        )
        if finished == len(claims):
            return set()
        # No match where the state is the wanted one and the fence is mine: an earlier try of
        # mine succeeded and its answer was lost.
        mine = {claim.scan.scan_id: (claim.owner, claim.fence, state) for claim in claims}
        found = self._db.scans.find(
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
            for document in self._db.scans_fast.find(condition, {"_id": 1})
        }
