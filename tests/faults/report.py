"""What came of a run: a row a fault, a verdict, all of it as JSON."""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from tests.faults.bounds import Usage
from tests.faults.checker import Counts, Kind, Violation

SHOWN = 20
"""Violations that are printed; the file has all."""


@dataclass
class Row:
    """What is known of one fault."""

    name: str
    place: str
    what: str
    injected: int = 0
    recovered_s: list[float] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    not_run: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    def number(self, *kinds: Kind) -> int:
        """Violations of these kinds."""
        return sum(violation.kind in kinds for violation in self.violations)

    @property
    def p50(self) -> float | None:
        """The median time to recovery."""
        return statistics.median(self.recovered_s) if self.recovered_s else None


@dataclass
class Episode:
    """A world from its start to its end."""

    place: str
    security: str = ""
    counts: Counts | None = None
    kills: dict[str, int] = field(default_factory=dict)
    requeued: int = 0
    """Scans that kills had failed, and that were requeued."""
    usage: Usage | None = None
    gaps: int | None = None
    audit_gaps: int | None = None
    violations: list[Violation] = field(default_factory=list)


class Result(BaseModel):
    """A run, as FAULTS_REPORT has it."""

    command: str
    seed: int
    seconds: float
    kills: dict[str, int]
    acknowledged: int
    delivered: int
    rows: list[dict[str, Any]]
    episodes: list[dict[str, Any]]
    violations: list[str]
    passed: bool


class Report:
    """Collects rows and episodes, and prints them."""

    def __init__(self, console: Console, seed: int, command: str) -> None:
        self.rows: dict[str, Row] = {}
        self.episodes: list[Episode] = []
        self._console = console
        self._seed = seed
        self._command = command

    def violations(self) -> list[Violation]:
        """All of them."""
        found = [v for row in self.rows.values() for v in row.violations]
        return found + [v for episode in self.episodes for v in episode.violations]

    def table(self) -> Table:
        """A row a fault."""
        table = Table(title=f"Faults, seed {self._seed}", title_justify="left")
        for name in ("fault", "injected", "recovered s", "lost", "unexpected", "twice"):
            table.add_column(name, justify="left" if name == "fault" else "right", no_wrap=True)
        for name in ("content", "trail", "excess", "stale", "false acks", "stuck"):
            table.add_column(name, justify="right")
        for row in self.rows.values():
            if row.not_run:
                table.add_row(row.name, f"not run: {row.not_run}", style="yellow")
                continue
            slow = f" (≤ {max(row.recovered_s):.1f})" if len(row.recovered_s) > 1 else ""
            table.add_row(
                row.name,
                f"{row.injected:,}",
                "-" if row.p50 is None else f"{row.p50:.1f}{slow}",
                str(row.number(Kind.LOST, Kind.REPORT_LOST)),
                str(row.number(Kind.UNEXPECTED)),
                str(row.number(Kind.DUPLICATE)),
                str(row.number(Kind.CONTENT)),
                str(row.number(Kind.UNRECORDED)),
                str(row.number(Kind.EXCESS)),
                str(row.number(Kind.STALE)),
                str(row.number(Kind.FALSE_ACK)),
                str(row.number(Kind.STUCK)),
                style="red" if row.violations else "",
            )
        return table

    def result(self, seconds: float) -> Result:
        """Everything."""
        kills: Counter[str] = Counter()
        for episode in self.episodes:
            kills.update(episode.kills)
        counted = [episode.counts for episode in self.episodes if episode.counts is not None]
        violations = self.violations()
        return Result(
            command=self._command,
            seed=self._seed,
            seconds=round(seconds, 1),
            kills=dict(kills),
            acknowledged=sum(counts.acknowledged for counts in counted),
            delivered=sum(counts.delivered for counts in counted),
            rows=[
                {
                    "fault": row.name,
                    "place": row.place,
                    "what": row.what,
                    "not_run": row.not_run or None,
                    "injected": row.injected,
                    "recovered_s": [round(s, 2) for s in row.recovered_s],
                    "recovered_p50_s": None if row.p50 is None else round(row.p50, 2),
                    **{kind.name.lower(): row.number(kind) for kind in Kind},
                    "violations": [str(v) for v in row.violations],
                    **row.notes,
                }
                for row in self.rows.values()
            ],
            episodes=[
                {
                    "place": episode.place,
                    "security": episode.security,
                    "kills": episode.kills,
                    "requeued": episode.requeued,
                    "usage": vars(episode.usage) if episode.usage else None,
                    "gaps": episode.gaps,
                    "audit_gaps": episode.audit_gaps,
                    "counts": vars(episode.counts) if episode.counts else None,
                    "violations": [str(v) for v in episode.violations],
                }
                for episode in self.episodes
            ],
            violations=[str(v) for v in violations],
            passed=not violations and bool(self.rows),
        )

    def show(self, result: Result) -> None:
        """Print the table and the verdict."""
        self._console.print(self.table())
        for line in result.violations[:SHOWN]:
            self._console.print(line, style="red", markup=False, highlight=False)
        if len(result.violations) > SHOWN:
            self._console.print(f"and {len(result.violations) - SHOWN} more", style="red")
        kills = ", ".join(f"{name} {number:,}" for name, number in result.kills.items()) or "none"
        self._console.print(
            f"{result.acknowledged:,} scans acknowledged, {result.delivered:,} reports delivered; "
            f"kills: {kills}; {result.seconds:.0f} s; seed {result.seed}",
            highlight=False,
        )
        for command, key in (("make verify", "gaps"), ("make audit", "audit_gaps")):
            gaps = sum(episode[key] or 0 for episode in result.episodes)
            self._console.print(f"{command} afterwards: {gaps} gaps", highlight=False)
        word = "violation" if len(result.violations) == 1 else "violations"
        self._console.print(
            (
                "PASSED: nothing lost, nothing twice"
                if result.passed
                else f"FAILED: {len(result.violations)} {word}; again with SEED={result.seed}"
            ),
            style="bold green" if result.passed else "bold red",
        )

    @staticmethod
    def write(result: Result, path: Path) -> None:
        """All as JSON."""
        path.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
