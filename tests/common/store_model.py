"""What a store should hold, predicted without one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.const import ReportGenerated
from common.documents import Claim

TO_DO, IN_PROGRESS, DONE, ERROR = ReportGenerated


@dataclass
class ScanModel:
    """A scan's state."""

    state: ReportGenerated = TO_DO
    owner: str | None = None
    fence: int = 0
    attempts: int = 0
    over: bool = False
    """Whether the lease of its claim has ended."""

    def held_by(self, claim: Claim) -> bool:
        return self.state is IN_PROGRESS and self.was_of(claim)

    def was_of(self, claim: Claim) -> bool:
        return (self.owner, self.fence) == (claim.owner, claim.fence)


@dataclass
class ReportModel:
    """A report: which fence wrote it, and how far it is on its way."""

    fence: int
    sent: bool = False
    leased: bool = False
    was_leased: bool = False


@dataclass
class Model:
    """All scans and reports by id."""

    scans: dict[str, ScanModel] = field(default_factory=dict)
    reports: dict[str, ReportModel] = field(default_factory=dict)

    def claimed(self, claim: Claim) -> None:
        scan = self.scans[claim.scan.scan_id]
        assert scan.state is TO_DO or (scan.state is IN_PROGRESS and scan.over), scan
        scan.state, scan.owner, scan.over = IN_PROGRESS, claim.owner, False
        scan.fence += 1
        scan.attempts += 1
        assert (claim.fence, claim.attempts) == (scan.fence, scan.attempts)

    def give_up(self, limit: int) -> int:
        used_up = [
            scan
            for scan in self.scans.values()
            if scan.attempts >= limit
            and (scan.state is TO_DO or (scan.state is IN_PROGRESS and scan.over))
        ]
        for scan in used_up:
            scan.state = ERROR
        return len(used_up)

    def release(self, owner: str) -> int:
        held = [s for s in self.scans.values() if s.state is IN_PROGRESS and s.owner == owner]
        for scan in held:
            scan.state = TO_DO
        return len(held)

    def due(self) -> set[str]:
        return {name for name, one in self.reports.items() if not (one.sent or one.leased)}

    def compare(
        self, scans: Mapping[str, Mapping[str, Any]], reports: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """That the store holds what is predicted, no more and no less."""
        stored = {
            name: (d["report_generated"], d.get("owner"), d["fence"], d["attempts"])
            for name, d in scans.items()
        }
        assert stored == {
            name: (one.state, one.owner, one.fence, one.attempts)
            for name, one in self.scans.items()
        }
        written = {name: (d["report"]["run_time_ms"], d["status"]) for name, d in reports.items()}
        assert written == {name: (one.fence, one.sent) for name, one in self.reports.items()}
        for name, one in self.reports.items():
            assert one.was_leased or not one.sent, f"{name} was sent without a lease"
