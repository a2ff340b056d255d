"""What a store should hold and answer, predicted without one."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.domain.states import ReportGenerated
from common.store.claim_queue import RETRIED_EVERY
from common.store.documents import Claim
from common.store.endings import NO_ANSWER
from common.store.failed_scans import Requeued

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated

Documents = Mapping[Any, Mapping[str, Any]]


@dataclass
class ScanModel:
    """A scan's state."""

    state: ReportGenerated = TO_DO
    owner: str | None = None
    fence: int = 0
    attempts: int = 0
    revision: int = 1
    error: str | None = None
    turn: int = 0
    """When its turn comes, and when its pause ends if it was claimed before, as counts."""
    due: int = 0
    went_back: bool = False
    """Whether its last reanalysis failed for good."""
    ended: int | None = None
    """When its lease ended, as a count; None while it has not."""

    def held_by(self, claim: Claim) -> bool:
        return self.state is IN_PROGRESS and self.was_of(claim)

    def was_of(self, claim: Claim) -> bool:
        return (self.owner, self.fence) == (claim.owner, claim.fence)

    def fails_for_good(self, cause: str) -> None:
        """A reanalysis goes back to the report that the scan had."""
        if self.revision > 1:
            self.revision -= 1
            self.went_back = True
            self.becomes(DONE, None)
        else:
            self.becomes(ERROR, cause)

    def becomes(self, state: ReportGenerated, error: str | None) -> None:
        self.state, self.error, self.ended = state, error, None


@dataclass
class ReportModel:
    """A report: which fence wrote it, and how far it is on its way."""

    fence: int
    revision: int
    sent: bool = False
    leased: bool = False
    was_leased: bool = False
    tries: int = 0


@dataclass
class Model:
    """All scans, the oldest first, and their reports by id; which fence wrote the earlier ones."""

    scans: dict[str, ScanModel] = field(default_factory=dict)
    reports: dict[str, ReportModel] = field(default_factory=dict)
    history: dict[tuple[str, int], int] = field(default_factory=dict)
    # What the queue of a claimer knows of its last claims.
    crowded: bool = False
    passed_over: bool = False
    since_retried: int = 0

    def of(self, claim: Claim) -> ScanModel:
        return self.scans[claim.scan.key]

    def add(self, scan_ids: Iterable[str]) -> list[str]:
        """Those that are new."""
        new = [name for name in dict.fromkeys(scan_ids) if name not in self.scans]
        self.scans.update({name: ScanModel() for name in new})
        return new

    def any(self, state: ReportGenerated) -> bool:
        return any(scan.state is state for scan in self.scans.values())

    # --- claims ---

    def next(self, limit: int, max_retried: int) -> list[str]:
        """What is claimed next: fresh scans, then those that were claimed before; by turns, while
        few fresh ones keep coming."""
        to_do = {name: scan for name, scan in self.scans.items() if scan.state is TO_DO}
        fresh = sorted(
            (name for name, scan in to_do.items() if not scan.attempts),
            key=lambda name: to_do[name].turn,
        )
        before = sorted(
            (name for name in to_do if name not in fresh), key=lambda name: to_do[name].due
        )
        again = self._alike(before, max_retried)
        if self.crowded:
            self.since_retried += 1
            if self.since_retried >= RETRIED_EVERY:
                self.since_retried = 0
                if again:
                    return again
        self.crowded = len(fresh) > limit
        if self.crowded:
            return fresh[:limit]
        self.since_retried = 0
        if not fresh or (again and self.passed_over):
            self.passed_over = self.passed_over and not fresh
            return again
        self.passed_over = bool(again)
        return fresh

    def claim(self, limit: int, max_retried: int, allowed: int) -> list[str]:
        """What is claimed next where scans that have used up their attempts fail instead."""
        while names := self.next(limit, max_retried):
            if not self.give_up(names, allowed):
                return names
        return []

    def next_ended(self, max_retried: int) -> list[str]:
        """What is claimed next of those whose claim has ended."""
        return self._alike(self.ended(), max_retried)

    def _alike(self, names: list[str], once: int) -> list[str]:
        """The first one, and after it those that may come with it: so many that were claimed
        once, none that was claimed more often."""
        attempts = [self.scans[name].attempts for name in names]
        most = once if names and attempts[0] == 1 else min(1, len(names))
        others = [i for i, number in enumerate(attempts) if number != attempts[0]]
        return names[: min([most, *others])]

    def ended(self) -> list[str]:
        """Scans whose claim has ended, the longest ended first."""
        over = {name: s.ended for name, s in self.scans.items() if s.ended is not None}
        return sorted(over, key=lambda name: over[name])

    def claimed(self, claim: Claim) -> None:
        scan = self.of(claim)
        scan.state, scan.owner, scan.ended = IN_PROGRESS, claim.owner, None
        scan.fence += 1
        scan.attempts += 1
        predicted = scan.fence, scan.attempts, scan.revision
        assert (claim.fence, claim.attempts, claim.revision) == predicted

    def give_up(self, names: Iterable[str], allowed: int) -> list[str]:
        """Fail those of these scans that have used up their attempts; returns them."""
        used_up = [name for name in names if self.scans[name].attempts >= allowed]
        for name in used_up:
            scan = self.scans[name]
            scan.fails_for_good(scan.error or NO_ANSWER)
        self.reconcile(used_up)
        return used_up

    def held_by(self, owner: str) -> list[str]:
        return [n for n, s in self.scans.items() if s.state is IN_PROGRESS and s.owner == owner]

    def release(self, owner: str) -> int:
        """Its processor was stopped: no attempt is used."""
        held = self.held_by(owner)
        for scan in map(self.scans.__getitem__, held):
            scan.becomes(TO_DO, scan.error)
            scan.attempts -= 1
        return len(held)

    def release_dead(self, owner: str, allowed: int) -> int:
        """Its processor crashed."""
        held = self.held_by(owner)
        failed = self.give_up(held, allowed)
        for scan in (self.scans[name] for name in held if name not in failed):
            scan.becomes(TO_DO, scan.error)
        return len(held)

    # --- their ends ---

    def write(self, claim: Claim) -> None:
        """A report is written, unless there is one of this revision or a later one."""
        scan_id = claim.scan.key
        before = self.reports.get(scan_id)
        if before is not None:
            if before.revision >= claim.revision:
                return
            self.history[scan_id, before.revision] = before.fence
        self.reports[scan_id] = ReportModel(claim.fence, claim.revision)

    def finish(self, claims: Iterable[Claim]) -> set[str]:
        """Their reports are there or were refused; those whose claim was lost."""
        lost = set()
        for claim in claims:
            scan = self.of(claim)
            if scan.held_by(claim):
                scan.becomes(DONE, None)
                scan.went_back = False
            elif not (scan.was_of(claim) and scan.state is DONE):
                lost.add(claim.scan.key)
        self.reconcile(lost)
        return lost

    def fail(self, claim: Claim, cause: str, allowed: int) -> ReportGenerated | None:
        """An attempt ends without a report; where the scan is then, None: the claim was lost."""
        scan = self.of(claim)
        final = claim.attempts >= allowed
        state = (DONE if claim.revision > 1 else ERROR) if final else TO_DO
        if scan.held_by(claim):
            if final:
                scan.fails_for_good(cause)
            else:
                scan.becomes(TO_DO, cause)
        elif not (scan.was_of(claim) and scan.state is state):
            return None
        if final:
            self.reconcile([claim.scan.key])
        return scan.state

    def reconcile(self, scan_ids: Collection[str]) -> set[str]:
        """Scans that nobody works on and that have their report are ``'Done'``."""
        done = {
            name
            for name in scan_ids
            if self.scans[name].state in (TO_DO, ERROR) and self.has_report(name)
        }
        for name in done:
            self.scans[name].becomes(DONE, None)
            self.scans[name].went_back = False
        for scan, report in ((self.scans[n], self.reports.get(n)) for n in scan_ids):
            went_back = scan.went_back and scan.state is DONE
            if went_back and report is not None and report.revision == scan.revision + 1:
                # Written by an earlier owner, who was late.
                scan.revision, scan.went_back = report.revision, False
        return done

    def has_report(self, name: str) -> bool:
        report = self.reports.get(name)
        return report is not None and report.revision == self.scans[name].revision

    # --- what people do ---

    def requeue(self, scan_ids: Sequence[str]) -> Requeued:
        known = [name for name in dict.fromkeys(scan_ids) if name in self.scans]
        done = self.reconcile([name for name in known if self.scans[name].state is ERROR])
        to_do = [name for name in known if self.scans[name].state is ERROR]
        for name in to_do:
            self.scans[name].becomes(TO_DO, None)
            self.scans[name].attempts = 0
        rest = [name for name in known if name not in done and name not in to_do]
        return Requeued(
            to_do=tuple(to_do),
            done=tuple(name for name in known if name in done),
            elsewhere=tuple((name, str(self.scans[name].state)) for name in rest),
            unknown=tuple(name for name in dict.fromkeys(scan_ids) if name not in known),
        )

    def schedule_reanalysis(self, scan_ids: Iterable[str], revision: int) -> list[str]:
        meant = set(scan_ids)
        done = {name: scan for name, scan in self.scans.items() if name in meant}
        done = {n: s for n, s in done.items() if (s.state, s.revision) == (DONE, revision)}
        for scan in done.values():
            scan.becomes(TO_DO, None)
            scan.attempts = 0
            scan.went_back = False
            scan.revision += 1
        return list(done)

    # --- what is stored ---

    def due(self) -> set[str]:
        return {name for name, one in self.reports.items() if not (one.sent or one.leased)}

    def errors_reported(self) -> list[str]:
        """In ``'Error'`` beside a report of a writer that was killed before it could look."""
        return sorted(n for n, s in self.scans.items() if s.state is ERROR and self.has_report(n))

    def compare(self, scans: Documents, reports: Documents, history: Documents) -> None:
        """That the store holds what is predicted, no more and no less."""
        stored = {name: _scan(document) for name, document in scans.items()}
        assert stored == {
            name: (s.state, s.owner, s.fence, s.attempts, s.revision, s.error)
            for name, s in self.scans.items()
        }
        written = {
            name: (d["report"]["run_time_ms"], d["revision"], d["status"], d["tries"])
            for name, d in reports.items()
        }
        assert written == {
            name: (one.fence, one.revision, one.sent, one.tries)
            for name, one in self.reports.items()
        }
        kept = {(i["scan"], i["revision"]): d["report"] for i, d in _by_id(history)}
        assert {key: report["run_time_ms"] for key, report in kept.items()} == self.history


def _scan(document: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("report_generated", "owner", "fence", "attempts")
    error = document.get("error") or {}
    return (*map(document.get, names), document.get("revision", 1), error.get("cause"))


def _by_id(documents: Documents) -> list[tuple[Any, Mapping[str, Any]]]:
    return [(document["_id"], document) for document in documents.values()]
