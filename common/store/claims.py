"""The life of a claim, for Fr-BRAIN: claim, renew, complete, fail, release."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bson.errors import BSONError

from common.domain.audit_events import Kind
from common.domain.label_maps import PackedMaps
from common.domain.previous_scan import can_be_compared
from common.domain.report import BrainReport
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.errors import ClaimLost, VoxelsDamaged
from common.store.claim_documents import (
    failed_for_good,
    failure,
    release_update,
    retry_update,
)
from common.store.claiming import Claiming
from common.store.collections import Notification
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.documents import Claim, all_of, held
from common.store.endings import Endings
from common.store.error_mapping import translated
from common.store.feed_documents import (
    Change,
    Step,
    reports_changed,
    scans_changed,
    scans_to_look_up,
)
from common.store.labels import LabelSet
from common.store.reconciliation import FINISH, Reconciliation
from common.store.recording import Recorder
from common.store.reports import Reports
from common.store.schema import IN_PROGRESS
from common.store.study_pairs import StudyPairs, studies_of
from common.store.successors import Successors

_NO_LABELS: Mapping[str, PackedMaps] = MappingProxyType({})


class Claims(Claiming):
    """Claims scans and ends claims; each change is filtered by state, owner and fence."""

    def __init__(
        self,
        connection: Connection,
        reconciliation: Reconciliation,
        reports: Reports,
        pairs: StudyPairs,
        successors: Successors,
        recorder: Recorder,
    ) -> None:
        super().__init__(connection, Endings(connection, reconciliation, recorder), recorder)
        self._reconciliation = reconciliation
        self._reports = reports
        self._pairs = pairs
        self._successors = successors

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
        try:
            for n, chunk in enumerate(chunks):
                piece = chunk.get("voxels")
                if (
                    chunk["_id"].get("n") != n
                    or not isinstance(piece, bytes)
                    or end + len(piece) > len(voxels)
                ):
                    raise VoxelsDamaged(f"stored chunk {n} is missing or has the wrong size")
                voxels[end : end + len(piece)] = piece
                end += len(piece)
        except (BSONError, ValueError, OverflowError):
            raise VoxelsDamaged("a stored chunk cannot be decoded") from None
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
        return {claim.key for claim in claims} - self._still_held(claims)

    @translated
    def complete(
        self,
        done: Sequence[tuple[Claim, BrainReport]],
        *,
        verify_first: bool = True,
        labels: Mapping[str, PackedMaps] = _NO_LABELS,
        pair: bool = False,
        compare: Collection[str] = (),
    ) -> set[str]:
        """Write the label maps, then the reports, then set their scans ``'Done'`` under the fence;
        all durably. A FLAIR scan that should be read together with a T1 scan of its study, and was
        not, is scheduled for reanalysis instead (``study_pairs``), as is a scan that should be
        compared with an earlier one of its subject, and was not (``successors``).

        Repeatable. Returns the ids whose claim was lost. Their report is that of the current
        claim's owner, or whichever was written first.

        Args:
            done: claims, each with its report.
            verify_first: check before writing that the claims still hold. Fresh claims almost
                always do, and the check costs more than the writes that it saves.
            labels: the label maps of the reports that have some, by the key of the scan.
            pair: look for such scans in the studies of these.
            compare: keys of those whose analyzer compares them with earlier ones: look for such
                scans among those of the same subject.
        """
        if not done:
            return set()
        claims = [claim for claim, _ in done]
        self._note_reports([report for _, report in done])
        # A claim that is lost by now writes nothing. If one is lost after this check, its report
        # is the scan's only one, and ``reconcile`` below sets the scan 'Done'.
        held_now = self._still_held(claims) if verify_first else {c.key for c in claims}
        self._reports.write(
            [report for _, report in done if report.key in held_now],
            {
                claim.key: LabelSet(claim.key, claim.fence, labels[claim.key])
                for claim in claims
                if claim.key in labels
            },
            pair=pair,
            compare=compare,
        )
        # The reports are durable, so they may be sent while they are recorded and their scans
        # become 'Done', each of which waits for the journal once more. If this process is killed
        # before that, whoever sets the scans 'Done' records the reports.
        self._db.notifications.publish(Notification.REPORT, [claim.key for claim in claims])
        self._recorder.wait_durable()
        reports = [report for _, report in done if report.key in held_now]
        again = self._pairs.send_back(studies_of(reports)) if pair else set()
        compared = [one.key for one in reports if one.key in compare and can_be_compared(one)]
        again |= self._successors.send_back(compared)
        claims = [claim for claim in claims if claim.key not in again]
        lost = self._finish(claims, FINISH) if claims else set()
        self._db.feed.tell(*_done(claims, lost))
        if lost:
            late = [report for report in reports if report.key in lost]
            if pair:
                self._pairs.send_back(studies_of(late), anew=lost)
            self._successors.send_back([key for key in compared if key in lost], anew=lost)
            self._reconciliation.reconcile(list(lost))
            self._recorder.note(Kind.REPORT, sorted(lost), outcome="claim lost")
        return lost

    def _note_reports(self, reports: Sequence[BrainReport]) -> None:
        for analyzer in sorted({report.analyzer.name for report in reports}):
            ids = [report.key for report in reports if report.analyzer.name == analyzer]
            self._recorder.note(Kind.REPORT, ids, outcome="written", analyzer=analyzer)
        # In parallel with writing several reports. A single one comes first: it is on its way to
        # somebody, and takes longer while the trail's entry waits for the journal, too.
        if len(reports) > 1:
            self._recorder.flush()

    @translated
    def fail(
        self, claim: Claim, cause: str, attempts_allowed: int, *, pause_s: float = 0.0
    ) -> ReportGenerated:
        """End an attempt without a report: the scan is ``'To Do'`` again, or ``'Error'`` with the
        cause once it has used up its attempts (``attempts_allowed`` 0: immediately).

        Args:
            claim: the claim to end.
            cause: why there is no report.
            attempts_allowed: claims of a scan before it fails for good.
            pause_s: pause before the second attempt, seconds; it is longer before later ones.

        Returns the scan's state: ``'Done'`` if an earlier owner's report arrived late, or a failed
        reanalysis leaves the scan with the report that it had.

        Raises:
            ClaimLost: the scan has another owner by now, who decides.
        """
        final = claim.attempts >= attempts_allowed
        state, change = ReportGenerated.TO_DO, retry_update(failure(cause), pause_s)
        if final:
            state = ReportGenerated.DONE if claim.revision > 1 else ReportGenerated.ERROR
            change = failed_for_good(failure(cause))
        self._recorder.note(
            Kind.ERROR, [claim.key], outcome=state, cause=cause, attempt=claim.attempts
        )
        self._recorder.wait_durable()
        if self._finish([claim], change, state):
            self._recorder.note(Kind.ERROR, [claim.key], outcome="claim lost")
            raise ClaimLost(f"the claim of {claim.key} was lost")
        self._db.feed.tell(scans_to_look_up([claim.key]))
        if final:
            reported = self._reconciliation.reconcile([claim.key])
            return ReportGenerated.DONE if reported else state
        self._db.notifications.publish(Notification.SCAN)
        return state

    @translated
    def release(self, owner: str, *, never_started: Sequence[Claim] | None = None) -> int:
        """Return scans of ``owner`` to ``'To Do'`` without using an attempt; returns their number.

        With ``never_started``: only those claims. Without: every scan that ``owner`` holds; call
        that only when ``owner`` was stopped in order and is known to have ended.
        """
        if never_started is None:
            ids = self._ids_held(owner)
            conditions: Iterable[Document] = [_all_held(owner)]
            hint: Any = IN_PROGRESS
        else:
            ids = [claim.key for claim in never_started]
            self._recorder.note(Kind.RELEASE, ids, outcome=ReportGenerated.TO_DO, cause="not begun")
            conditions, hint = held(never_started), BY_ID
        released = sum(
            self._db.scans.update_many(condition, release_update(), hint=hint).modified_count
            for condition in conditions
        )
        if released and never_started is None:
            self._note_release(owner, "its processor was stopped", released)
        if released:
            self._db.feed.tell(scans_to_look_up(ids))
            self._db.notifications.publish(Notification.SCAN)
        return released

    @translated
    def release_dead(
        self, owner: str, attempts_allowed: int | None = None, *, pause_s: float = 0.0
    ) -> int:
        """Return the scans of an owner that crashed to ``'To Do'``; their attempts count. Those
        that have used them up fail for good. Returns the number of both.

        Args:
            owner: known to be dead.
            attempts_allowed: claims of a scan before it fails for good; None: any number.
            pause_s: as for ``fail``.
        """
        mine = _all_held(owner)
        failed: list[Document] = []
        if attempts_allowed is not None:
            used_up = {**mine, "attempts": {"$gte": attempts_allowed}}
            failed = find(self._db.scans, used_up, {"error.cause": 1}, hint=IN_PROGRESS)
            self._endings.fail_used_up(failed, used_up)
        ids = self._ids_held(owner)
        released = self._db.scans.update_many(
            mine, retry_update(None, pause_s), hint=IN_PROGRESS
        ).modified_count
        if released:
            self._db.feed.tell(scans_to_look_up(ids))
            self._note_release(owner, "its processor ended", released)
            self._db.notifications.publish(Notification.SCAN)
        return released + len(failed)

    def _ids_held(self, owner: str) -> list[str]:
        found = find(self._db.scans, _all_held(owner), {"_id": 1}, hint=IN_PROGRESS)
        return [document["_id"] for document in found]

    def _note_release(self, owner: str, cause: str, count: int) -> None:
        self._recorder.note(
            Kind.RELEASE, outcome=ReportGenerated.TO_DO, cause=cause, owner=owner, count=count
        )

    def _finish(
        self,
        claims: Sequence[Claim],
        change: Document | list[Document],
        state: str = ReportGenerated.DONE,
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
        mine = {claim.key: (claim.owner, claim.fence, state) for claim in claims}
        fields = ("owner", "fence", "report_generated")
        finished_before = {
            d["_id"]
            for d in find(self._db.scans, {"_id": {"$in": list(mine)}}, fields)
            if tuple(d.get(name) for name in fields) == mine[d["_id"]]
        }
        return set(mine) - finished_before

    def _still_held(self, claims: Sequence[Claim]) -> set[str]:
        return {
            document["_id"]
            for condition in held(claims)
            for document in self._db.scans_fast.find(condition, {"_id": 1})
        }


def _all_held(owner: str) -> Document:
    return {"owner": owner, "report_generated": ReportGenerated.IN_PROGRESS}


def _done(claims: Sequence[Claim], lost: Collection[str]) -> Iterator[Change]:
    alike: dict[tuple[int, str, int], list[str]] = {}
    for claim in claims:
        if claim.key not in lost:
            about = claim.fence, str(claim.scan.priority), claim.revision
            alike.setdefault(about, []).append(claim.key)
    for (fence, priority, revision), keys in alike.items():
        yield scans_changed(
            keys,
            ReportGenerated.DONE,
            Step.ENDED,
            fence=fence,
            priority=priority,
            revision=revision,
        )
        yield reports_changed(keys, "ready", revision)
    yield scans_to_look_up(sorted(lost))
