"""The life of a claim, for Fr-BRAIN: claim, renew, complete, fail, release, give up."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId
from pydantic import ValidationError

from common.domain.audit_events import Kind
from common.domain.report import BrainReport
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.errors import ClaimLost, VoxelsDamaged
from common.store.claim_documents import (
    claim_filters,
    claim_from,
    claim_update,
    claimable_together,
    failed_update,
    failure,
)
from common.store.collections import Notification
from common.store.connection import BY_ID, Connection
from common.store.documents import Claim, Claimed, all_of, expired, held, held_by
from common.store.error_mapping import translated
from common.store.reconciliation import FINISH, Reconciliation
from common.store.recording import Recorder
from common.store.reports import Reports

_ATTEMPTS, _SPREAD = 5, 8
"""How often a claim is retried at once when others took the same scans, and over how many batches
the retries spread. Without the spread, processors that wake together would compete for the same
scans again and again."""

GIVE_UP_LIMIT = 1000

DAMAGED = "the stored header is damaged"
NO_ANSWER = "its processor ended or stopped answering in each attempt"


class Claims:
    """Claims scans and ends claims; each change is filtered by state, owner and fence."""

    def __init__(
        self,
        connection: Connection,
        reconciliation: Reconciliation,
        reports: Reports,
        recorder: Recorder,
    ) -> None:
        self._db = connection
        self._reconciliation = reconciliation
        self._reports = reports
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

        A scan that kills its processor must not keep failing the scans claimed with it. So scans
        claimed once before are claimed apart from fresh ones, ``max_retried`` at a time, and scans
        claimed more often one at a time.

        Args:
            owner: an id that no other process start ever has.
            limit: the most scans to claim.
            lease_s: seconds until the claim ends if it is not renewed.
            only_fresh: claim only scans that were never claimed.
            max_retried: the most scans to claim that were claimed once before.

        Returns:
            The claims, and whether more scans were waiting.
        """
        to_do = {"report_generated": ReportGenerated.TO_DO}
        for attempt in range(_ATTEMPTS):
            # Only majority-committed scans: one that could still be rolled back would leave a
            # report without its scan.
            skip = random.randrange(_SPREAD * limit) if attempt else 0  # noqa: S311
            order = [("received_at", 1)]
            waiting = list(self._db.scans.find(to_do, sort=order, skip=skip, limit=limit))
            found = claimable_together(waiting, max_retried)
            if only_fresh and found and found[0]["attempts"]:
                return Claimed(more=True)
            all_seen = len(waiting) < limit and not skip
            if claims := self._claim_found(found, to_do, owner, lease_s):
                return Claimed(claims, more=not all_seen or len(found) < len(waiting))
            # Other processors took them all. Look elsewhere, unless these were all that waited;
            # scans that arrive from now on end the next wait.
            if all_seen:
                break
        return Claimed()

    @translated
    def claim_expired(self, owner: str, lease_s: float, *, max_retried: int = 1) -> list[Claim]:
        """Claim the scan whose lease expired first, without a report; with it up to
        ``max_retried`` of those that were claimed once."""
        over = expired()
        found = list(self._db.scans.find(over, sort=[("lease_until", 1)], limit=max_retried))
        return self._claim_found(claimable_together(found, max_retried), over, owner, lease_s)

    def _claim_found(
        self, found: list[Document], condition: Mapping[str, Any], owner: str, lease_s: float
    ) -> list[Claim]:
        change = claim_update(owner, lease_s)
        claimed = sum(
            self._db.scans_fast.update_many(one, change, hint=BY_ID).modified_count
            for one in claim_filters(found, condition)
        )
        if not claimed:
            return []
        if claimed < len(found):
            found = self._claimed_by(owner, found)
        claims = []
        for document in found:
            try:
                claims.append(claim_from(document, owner))
            except ValidationError:
                # One damaged document must not stop every processor that meets it.
                self._fail_damaged(document["_id"], owner, document["fence"] + 1)
        for attempts in sorted({claim.attempts for claim in claims}):
            ids = [claim.scan.key for claim in claims if claim.attempts == attempts]
            self._recorder.note(Kind.CLAIM, ids, attempt=attempts)
        return claims

    def _claimed_by(self, owner: str, found: Sequence[Document]) -> list[Document]:
        """Those of these scans that ``owner`` has just claimed, where others took some."""
        mine = self._db.scans_fast.find(
            {
                "_id": {"$in": [document["_id"] for document in found]},
                "owner": owner,
                "report_generated": ReportGenerated.IN_PROGRESS,
            },
            {"fence": 1},
        )
        fences = {document["_id"]: document["fence"] for document in mine}
        return [d for d in found if fences.get(d["_id"]) == d["fence"] + 1]

    def _fail_damaged(self, key: str, owner: str, fence: int) -> None:
        self._record_failed({key: DAMAGED})
        self._db.scans.update_one(
            held_by(owner, fence, [key]),
            failed_update(ReportGenerated.ERROR, failure(DAMAGED)),
        )
        self._reconciliation.reconcile([key])

    @translated
    def fetch_voxels(self, claim: Claim) -> bytes | bytearray:
        """The voxels of a claimed scan, or the payload of compressed ones. The caller checks the
        hash.

        Raises:
            VoxelsDamaged: chunks are missing or have the wrong size.
        """
        if claim.blob is None:
            return claim.voxels or b""
        voxels = bytearray(claim.payload_bytes)
        end = 0
        chunks = self._db.chunks.find({"_id": all_of(claim.blob)}, sort=[("_id", 1)])
        for n, chunk in enumerate(chunks):
            piece = chunk["voxels"]
            if chunk["_id"]["n"] != n or end + len(piece) > len(voxels):
                raise VoxelsDamaged(f"stored chunk {n} is missing or has the wrong size")
            voxels[end : end + len(piece)] = piece
            end += len(piece)
        if end != len(voxels):
            raise VoxelsDamaged(f"only {end} of {len(voxels)} voxel bytes are stored")
        return voxels

    @translated
    def renew(self, claims: Sequence[Claim], lease_s: float) -> set[str]:
        """Extend the leases; returns the ids of the claims that were lost."""
        lease = {"lease_until": {"$add": ["$$NOW", int(lease_s * 1000)]}}
        renewed = sum(
            self._db.scans_fast.update_many(condition, [{"$set": lease}], hint=BY_ID).matched_count
            for condition in held(claims)
        )
        if renewed == len(claims):
            return set()
        return {claim.scan.key for claim in claims} - self._still_held(claims)

    @translated
    def complete(
        self, done: Sequence[tuple[Claim, BrainReport]], *, verify_first: bool = True
    ) -> set[str]:
        """Write the reports, then set their scans ``'Done'`` under the fence; both durably.

        Repeatable. Returns the ids whose claim was lost. Their report is that of the current
        claim's owner, or whichever was written first.

        Args:
            done: claims, each with its report.
            verify_first: check before writing that the claims still hold. Fresh claims almost
                always do, and the check costs more than the writes that it saves.
        """
        if not done:
            return set()
        claims = [claim for claim, _ in done]
        self._note_reports([report for _, report in done])
        # A claim that is lost by now writes nothing. If one is lost after this check, its report
        # is the scan's only one, and ``reconcile`` below sets the scan 'Done'.
        held_now = self._still_held(claims) if verify_first else {c.scan.key for c in claims}
        self._reports.write([report for _, report in done if report.key in held_now])
        self._recorder.wait_durable()
        # The reports are durable, so they may be sent while their scans become 'Done', which
        # waits for the journal once more.
        self._db.notifications.publish(Notification.REPORT)
        lost = self._finish(claims, FINISH)
        if lost:
            self._reconciliation.reconcile(list(lost))
            self._recorder.note(Kind.REPORT, sorted(lost), outcome="claim lost")
        return lost

    def _note_reports(self, reports: Sequence[BrainReport]) -> None:
        for analyzer in sorted({report.analyzer.name for report in reports}):
            ids = [report.key for report in reports if report.analyzer.name == analyzer]
            self._recorder.note(Kind.REPORT, ids, outcome="written", analyzer=analyzer)
        self._recorder.flush()  # in parallel with writing the reports

    @translated
    def fail(self, claim: Claim, cause: str, attempts_allowed: int) -> ReportGenerated:
        """End an attempt without a report: the scan is ``'To Do'`` again, or ``'Error'`` with the
        cause once it has used up its attempts (``attempts_allowed`` 0: immediately).

        Returns the scan's state: ``'Done'`` if an earlier owner's report arrived late.

        Raises:
            ClaimLost: the scan has another owner by now, who decides.
        """
        final = claim.attempts >= attempts_allowed
        state = ReportGenerated.ERROR if final else ReportGenerated.TO_DO
        self._recorder.note(
            Kind.ERROR, [claim.scan.key], outcome=state, cause=cause, attempt=claim.attempts
        )
        self._recorder.wait_durable()
        if self._finish([claim], failed_update(state, failure(cause)), state):
            self._recorder.note(Kind.ERROR, [claim.scan.key], outcome="claim lost")
            raise ClaimLost(f"the claim of {claim.scan.key} was lost")
        if final:
            reported = self._reconciliation.reconcile([claim.scan.key])
            return ReportGenerated.DONE if reported else state
        self._db.notifications.publish(Notification.SCAN)
        return state

    @translated
    def release(self, owner: str, *, never_started: Sequence[Claim] | None = None) -> int:
        """Return scans of ``owner`` to ``'To Do'``; returns their number.

        With ``never_started``: only those claims, and their attempt does not count. Without:
        every scan that ``owner`` holds; call that only when ``owner`` is known to be dead.
        """
        change: Document = {"report_generated": ReportGenerated.TO_DO}
        conditions: Iterable[Document] = [
            {"owner": owner, "report_generated": ReportGenerated.IN_PROGRESS}
        ]
        if never_started is not None:
            ids = [claim.scan.key for claim in never_started]
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
            self._db.notifications.publish(Notification.SCAN)
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
        """Move scans to ``'Error'`` that used up their attempts while their processors were killed
        or stopped answering; returns their ids.

        Looks at ``GIVE_UP_LIMIT`` scans that are ``'To Do'`` and as many expired ones, at most.
        """
        token = ObjectId()
        error = {**failure({"$ifNull": ["$error.cause", NO_ANSWER]}), "given_up": token}
        change = failed_update(ReportGenerated.ERROR, error)
        used_up = {"attempts": {"$gte": attempts_allowed}}
        given_up: list[str] = []
        for condition in ({"report_generated": ReportGenerated.TO_DO}, expired()):
            # A find first: usually there is none, and a find is cheaper than a durable write.
            found = self._db.scans_fast.find(
                {**condition, **used_up}, {"error.cause": 1}, limit=GIVE_UP_LIMIT
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
        return [key for key in given_up if key not in done]

    def _record_failed(self, causes: Mapping[str, str]) -> None:
        for key, cause in causes.items():
            self._recorder.note(Kind.ERROR, [key], outcome=ReportGenerated.ERROR, cause=cause)
        self._recorder.wait_durable()

    def _finish(
        self, claims: Sequence[Claim], change: list[Document], state: str = ReportGenerated.DONE
    ) -> set[str]:
        """Apply ``change`` to each claim that still holds; returns the ids of those that do not."""
        finished = sum(
            self._db.scans.update_many(condition, change, hint=BY_ID).matched_count
            for condition in held(claims)
        )
        if finished == len(claims):
            return set()
        # A scan in the wanted state under this fence was finished by an earlier try of this call,
        # whose answer was lost.
        mine = {claim.scan.key: (claim.owner, claim.fence, state) for claim in claims}
        found = self._db.scans.find(
            {"_id": {"$in": list(mine)}}, {"owner": 1, "fence": 1, "report_generated": 1}
        )
        finished_before = {
            d["_id"]
            for d in found
            if (d.get("owner"), d["fence"], d["report_generated"]) == mine[d["_id"]]
        }
        return set(mine) - finished_before

    def _still_held(self, claims: Sequence[Claim]) -> set[str]:
        return {
            document["_id"]
            for condition in held(claims)
            for document in self._db.scans_fast.find(condition, {"_id": 1})
        }
