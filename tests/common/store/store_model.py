"""What a store should hold and answer, predicted without one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.domain.states import ReportGenerated
from common.store.claims import NO_ANSWER
from common.store.documents import Claim
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
    ended: int | None = None
    """When its lease ended, as a count; None while it has not."""

    def held_by(self, claim: Claim) -> bool:
        return self.state is IN_PROGRESS and self.was_of(claim)

    def was_of(self, claim: Claim) -> bool:
        return (self.owner, self.fence) == (claim.owner, claim.fence)

    def becomes(self, state: ReportGenerated, error: str | None) -> None:
        self.state, self.error, self.ended = state, error, None


@dataclass
class ReportModel:
    """A report: which fence wrote it, and how far it is on its way."""

    fence: int
    revision: int
    sent: bool = False
    leased: bool = False
    tries: int = 0


@dataclass
class Model:
    """All scans, the oldest first, and their reports by id; which fence wrote the earlier ones."""

    scans: dict[str, ScanModel] = field(default_factory=dict)
    reports: dict[str, ReportModel] = field(default_factory=dict)
    history: dict[tuple[str, int], int] = field(default_factory=dict)

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
        """What is claimed next."""
        waiting = [name for name, scan in self.scans.items() if scan.state is TO_DO][:limit]
        return self._alike(waiting, limit, max_retried)

    def next_ended(self, max_retried: int) -> list[str]:
        """What is claimed next of those whose claim has ended."""
        return self._alike(self.ended()[:max_retried], max_retried, max_retried)

    def _alike(self, names: list[str], never: int, once: int) -> list[str]:
        """The first one, and after it those that may come with it: so many that were claimed never
        or once, none that was claimed more often."""
        attempts = [self.scans[name].attempts for name in names]
        most = {0: never, 1: once}.get(attempts[0], 1) if names else 0
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

    def give_up(self, allowed: int) -> tuple[dict[str, str], list[str]]:
        """The cause of each scan whose attempts are used up, and which of them are ``'Error'``."""
        ready = [name for name, scan in self.scans.items() if scan.state is TO_DO] + self.ended()
        used_up = [name for name in ready if self.scans[name].attempts >= allowed]
        causes = {name: self.scans[name].error or NO_ANSWER for name in used_up}
        for name, cause in causes.items():
            self.scans[name].becomes(ERROR, cause)
        done = self.reconcile(used_up)
        return causes, [name for name in used_up if name not in done]

    def release(self, owner: str) -> int:
        held = [s for s in self.scans.values() if s.state is IN_PROGRESS and s.owner == owner]
        for scan in held:
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
            elif not (scan.was_of(claim) and scan.state is DONE):
                lost.add(claim.scan.key)
        self.reconcile(lost)
        return lost

    def fail(self, claim: Claim, cause: str, allowed: int) -> ReportGenerated | None:
        """An attempt ends without a report; where the scan is then, None: the claim was lost."""
        scan = self.of(claim)
        state = ERROR if claim.attempts >= allowed else TO_DO
        if scan.held_by(claim):
            scan.becomes(state, cause)
        elif not (scan.was_of(claim) and scan.state is state):
            return None
        if state is ERROR:
            self.reconcile([claim.scan.key])
        return scan.state

    def reconcile(self, scan_ids: Iterable[str]) -> set[str]:
        """Scans that nobody works on and that have their report are ``'Done'``."""
        done = {
            name
            for name in scan_ids
            if self.scans[name].state in (TO_DO, ERROR) and self.has_report(name)
        }
        for name in done:
            self.scans[name].becomes(DONE, None)
        return done

    def has_report(self, name: str) -> bool:
        report = self.reports.get(name)
        return report is not None and report.revision == self.scans[name].revision

    # --- what people do ---

    def requeue(self, scan_ids: Sequence[str]) -> Requeued:
        known = [name for name in dict.fromkeys(scan_ids) if name in self.scans]
        done = self.reconcile(name for name in known if self.scans[name].state is ERROR)
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

    def schedule_reanalysis(self, scan_ids: Iterable[str], revision: int) -> int:
        done = [scan for name, scan in self.scans.items() if name in set(scan_ids)]
        done = [scan for scan in done if (scan.state, scan.revision) == (DONE, revision)]
        for scan in done:
            scan.becomes(TO_DO, None)
            scan.attempts = 0
            scan.revision += 1
        return len(done)

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
