"""``DBManager`` for Fr-BRAIN: claim, renew, complete, fail, release."""

import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId
from pydantic import ValidationError
from pymongo.errors import BulkWriteError

from common.domain.report import BrainReport
from common.domain.scan import BrainScan, Packing
from common.domain.states import ReportGenerated
from common.errors import ClaimLost, VoxelsDamaged
from common.store.collections import WakeUp
from common.store.connection import BY_ID, duplicates
from common.store.documents import Claim, Claimed, Document, all_of, expired, held, report_document
from common.store.error_mapping import translated
from common.store.reconciliation import FINISH, Settling
from common.store.revisions import Reanalysis

_ATTEMPTS, _SPREAD = 5, 8
"""How often a claim that others were faster at is tried again at once, and over how many batches
such tries spread: processors that wake together do not all want the same scans for ever."""

Errors = Callable[[Mapping[str, str]], None]
"""Is told which scans become ``'Error'`` and the cause of each, before they do."""

GIVEN_UP_AT_ONCE = 1000

DAMAGED = "the stored header is damaged: it is not a scan's"
NO_ANSWER = "its processor ended or stopped answering in each attempt"


def _nothing(*_: object) -> None:
    pass


def failure(cause: Any) -> Document:
    """``error`` of a scan, from its document as it is: the cause, who had it last, when."""
    return {"cause": cause, "at": "$$NOW", "worker": {"$ifNull": ["$owner", None]}}


def _alike(found: list[Document], together: int) -> list[Document]:
    """The first of these and what may be claimed with it: the ones that follow and were claimed as
    often, that is never, or once."""
    attempts = found[0]["attempts"] if found else 0
    alike = list(itertools.takewhile(lambda document: document["attempts"] == attempts, found))
    return alike[: {0: len(found), 1: together}.get(attempts, 1)]


class Claims(Settling, Reanalysis):
    """The life of a claim; each change is filtered by state, owner and fence."""

    @translated
    def claim(
        self,
        owner: str,
        limit: int,
        lease_s: float,
        before_error: Errors = _nothing,
        *,
        fresh: bool = False,
        together: int = 1,
    ) -> Claimed:
        """Claim scans that are ``'To Do'``, oldest first, ``limit`` at most.

        A scan that kills its processor must not take others along for ever: those that were
        claimed once before come by themselves and ``together`` at most, those that were claimed
        more often alone.

        Args:
            owner: an id that no other process start ever has.
            limit: scans at most.
            lease_s: seconds until the claim ends if it is not renewed.
            before_error: of scans whose documents are damaged.
            fresh: none that was claimed before.
            together: of scans that were claimed once before.

        Returns:
            The claims, and whether more was waiting.
        """
        to_do = {"report_generated": ReportGenerated.TO_DO}
        for attempt in range(_ATTEMPTS):
            # Only majority-committed scans are looked at: one that could be rolled back would
            # leave a report without its scan.
            skip = random.randrange(_SPREAD * limit) if attempt else 0  # noqa: S311
            order = [("received_at", 1)]
            waiting = list(self._scans.find(to_do, sort=order, skip=skip, limit=limit))
            found = _alike(waiting, together)
            if fresh and found and found[0]["attempts"]:
                return Claimed(more=True)
            all_seen = len(waiting) < limit and not skip
            if claims := self._take(found, to_do, owner, lease_s, before_error):
                return Claimed(claims, more=not all_seen or len(found) < len(waiting))
            # All of them went to others who looked at the same moment: look elsewhere, unless
            # these were all. What came meanwhile ends the next wait.
            if all_seen:
                break
        return Claimed()

    @translated
    def claim_expired(
        self, owner: str, lease_s: float, before_error: Errors = _nothing, *, together: int = 1
    ) -> list[Claim]:
        """Claim a scan whose claim has ended without a report, the longest ended first; up to
        ``together`` of those that were claimed once."""
        over = expired()
        found = list(self._scans.find(over, sort=[("lease_until", 1)], limit=together))
        return self._take(_alike(found, together), over, owner, lease_s, before_error)

    def _take(
        self,
        found: list[Document],
        condition: Mapping[str, Any],
        owner: str,
        lease_s: float,
        before_error: Errors,
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
                hint=BY_ID,
            ).modified_count
            for fence in {document["fence"] for document in found}
        )
        if not taken:
            return []
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
                packing = Packing.model_validate(p) if (p := document.get("packing")) else None
            except ValidationError:
                # One damaged document must not stop every processor that meets it.
                before_error({document["_id"]: DAMAGED})
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
                    revision=document.get("revision", 1),
                    packing=packing,
                )
            )
        return claims

    def _set_aside(self, scan_id: str, owner: str, fence: int) -> None:
        error = failure(DAMAGED)
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
        self._settle([scan_id])

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
            self._scans_fast.update_many(condition, [{"$set": lease}], hint=BY_ID).matched_count
            for condition in held(claims)
        )
        if renewed == len(claims):
            return set()
        return {claim.scan.scan_id for claim in claims} - self._still_held(claims)

    @translated
    def complete(
        self,
        done: Sequence[tuple[Claim, BrainReport]],
        before_done: Callable[[], None] = _nothing,
        *,
        look: bool = True,
    ) -> set[str]:
        """Write the reports, then set their scans ``'Done'`` under the fence; both durably.

        Repeatable. Returns the ids whose claim was lost: there the report of whoever has the
        claim stands, or the one that was written first.

        Args:
            done: claims, each with its report.
            before_done: called when the reports are durable, before a scan is ``'Done'``.
            look: first, whether the claims still hold. Of fresh ones hardly any does not, and what
                the look may spare costs less than the looks.
        """
        if not done:
            return set()
        claims = [claim for claim, _ in done]
        # A claim that is lost already writes nothing. One that is lost from here on writes the
        # scan's only report; the last line sees to it that the scan says so.
        held_now = self._still_held(claims) if look else {c.scan.scan_id for c in claims}
        mine = [report for _, report in done if report.scan_id in held_now]
        reports = [report_document(report) for report in mine if report.revision == 1]
        if reports:
            try:
                self._reports.insert_many(reports, ordered=False)
            except BulkWriteError as error:
                self._upsert(self._reports, [reports[index] for index in duplicates(error)])
        self._replace([report_document(report) for report in mine if report.revision > 1])
        before_done()  # what must be durable too before a scan is 'Done'
        # The reports are durable: they may leave while their scans become 'Done', which is another
        # wait for the journal.
        self._wake_ups.ring(WakeUp.REPORT)
        lost = self._finish(claims, FINISH)
        if lost:
            self._settle(list(lost))
        return lost

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
        if self._finish([claim], change, state):
            raise ClaimLost(f"the claim of {claim.scan.scan_id} was lost")
        if final:
            return ReportGenerated.DONE if self._settle([claim.scan.scan_id]) else state
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
    def give_up(self, attempts_allowed: int, before_error: Errors = _nothing) -> list[str]:
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
            found = self._scans_fast.find(
                {**condition, **used_up}, {"error.cause": 1}, limit=GIVEN_UP_AT_ONCE
            )
            causes = {d["_id"]: str(d.get("error", {}).get("cause", NO_ANSWER)) for d in found}
            if not causes:
                continue
            before_error(causes)
            these: Document = {"_id": {"$in": list(causes)}}
            self._scans.update_many({**these, **condition, **used_up}, change)
            changed = self._scans.find({**these, "error.given_up": token}, {"_id": 1})
            given_up += [document["_id"] for document in changed]
        done = self._settle(given_up) if given_up else set()
        return [scan_id for scan_id in given_up if scan_id not in done]

    def _finish(
        self, claims: Sequence[Claim], change: list[Document], state: str = ReportGenerated.DONE
    ) -> set[str]:
        """Make ``change`` on each claim that still holds; the ids on which it does not."""
        finished = sum(
            self._scans.update_many(condition, change, hint=BY_ID).matched_count
            for condition in held(claims)
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
