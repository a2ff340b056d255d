"""The totals of a Fr-PACS run, as progress bar, table or JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from common.domain.report_index import NAME as INDEX
from common.domain.skipped_kinds import plural
from common.domain.types import Frozen
from common.domain.volume_roles import VOLUME_ROLES
from common.runtime.console import Console, Table


class Latency(Frozen):
    """Percentiles of the time from sending a scan to receiving its report, milliseconds, over the
    latest 100,000 scans."""

    p50: float
    p95: float
    p99: float


class Failure(Frozen):
    """A scan without a report, with the reason."""

    what: Annotated[str, Field(description="file, series or synthetic scan")]
    reason: str
    shown: Annotated[str | None, Field(description="what to print instead, with LABELS=hash")] = (
        None
    )
    scan_id: str | None = Field(default=None, description="null: it never became a scan")
    command: str | None = Field(default=None, description="the command that helps, if one does")

    @property
    def line(self) -> str:
        """The failure for people."""
        shown = self.shown or f"{self.what}: {self.reason}"
        return f"{shown} ({self.command})" if self.command else shown


class Copy(Frozen):
    """A file with an image that another file holds, too."""

    what: Annotated[str, Field(description="file and volume")]
    first: Annotated[str, Field(description="the other one, whose scan was sent")]
    scan_id: str


class Totals(Frozen):
    """The outcome of the scans of one run."""

    total: int | None = Field(description="scans to send; null: unlimited")
    sent: int
    acknowledged: int
    stored: int | None = Field(default=None, description="scans in the store; null: not checked")
    reported: int | None = Field(
        default=None, description="scans with a report in the store; null: not checked"
    )
    to_revise: int | None = Field(
        default=None,
        description="those of them that will be replaced by a new revision, or whose new revision "
        "is not delivered yet; null: not checked",
    )
    delivered: int
    earlier: int = Field(
        default=0,
        description="further reports that were delivered: of scans that an earlier run sent",
    )
    failed: int
    copies: int = Field(default=0, description="files with an image that another file holds, too")
    copied: tuple[Copy, ...] = Field(default=(), description="the first 200 copies")
    failures: tuple[Failure, ...] = Field(default=(), description="the first 200 failures")
    skipped: dict[str, int] = Field(
        default={},
        description="files that are not scans, and volumes that VOLUMES excludes, by kind; they do "
        "not count as failed",
    )
    seconds: float = Field(description="seconds from the first scan sent to the last report")
    megabytes: float = Field(description="acknowledged voxels, 10^6 bytes")
    latency_ms: Latency | None = None

    @property
    def scans_per_s(self) -> float:
        """Delivered scans per second."""
        return self.delivered / self.seconds if self.seconds else 0.0

    @property
    def megabytes_per_s(self) -> float:
        """Acknowledged voxels, 10^6 bytes per second."""
        return self.megabytes / self.seconds if self.seconds else 0.0

    @property
    def complete(self) -> bool:
        """Whether every scan was delivered with its report, which exit code 0 means."""
        wanted = self.sent if self.total is None else self.total - self.copies
        counts = {self.sent, self.acknowledged, self.delivered, wanted}
        counts |= {n for n in (self.stored, self.reported) if n is not None}
        return counts == {wanted} and not self.failed

    def as_json(self) -> str:
        """The totals, with rates, as JSON."""
        failures = [
            failure.model_dump(exclude={"shown"}, exclude_none=True) for failure in self.failures
        ]
        return json.dumps(
            {
                **self.model_dump(),
                "failures": failures,
                "scans_per_s": round(self.scans_per_s, 2),
                "megabytes_per_s": round(self.megabytes_per_s, 2),
                "complete": self.complete,
            },
            indent=2,
        )

    def write(self, path: Path) -> None:
        """Write the totals to a file as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.as_json() + "\n", encoding="utf-8")

    def table(self) -> Table:
        """The totals as a table."""
        table = Table(title="Scans", title_justify="left", show_header=False)
        table.add_column(style="bold")
        table.add_column(justify="right")
        if self.total is not None:
            table.add_row("to send", f"{self.total:,}")
        for name in ("sent", "acknowledged", "stored", "reported", "delivered", "failed"):
            count = getattr(self, name)
            if count is not None:  # else nobody has looked into the store
                bad = count and name == "failed"
                table.add_row(name, f"{count:,}", style="red" if bad else "")
        if self.earlier:
            table.add_row("delivered from earlier runs", f"{self.earlier:,}")
        if self.copies:
            table.add_row("copies of the same image", f"{self.copies:,}")
        volumes = {kind: n for kind, n in self.skipped.items() if kind in VOLUME_ROLES}
        files = {kind: n for kind, n in self.skipped.items() if kind not in VOLUME_ROLES}
        for what, counts in (("files", files), ("volumes, by VOLUMES", volumes)):
            if counts:
                table.add_row(f"skipped {what}", f"{sum(counts.values()):,}")
            for kind, count in counts.items():
                table.add_row(f"  {plural(kind)}", f"{count:,}", style="dim")
        table.add_section()
        table.add_row("scans/s", f"{self.scans_per_s:,.1f}")
        table.add_row("MB/s", f"{self.megabytes_per_s:,.1f}")
        if self.latency_ms is not None:
            latency = self.latency_ms
            table.add_row(
                "sent to report, ms  p50 / p95 / p99",
                f"{latency.p50:,.0f} / {latency.p95:,.0f} / {latency.p99:,.0f}",
            )
        return table

    def show(self, console: Console, reports: Path | None = None) -> None:
        """Print the table, the first failures, and where the reports are.

        Args:
            console: where to print it.
            reports: the folder that they were written to (REPORTS), if any.
        """
        console.print(self.table())
        if self.to_revise:
            count = f"{self.to_revise:,} report" + ("s" if self.to_revise > 1 else "")
            console.print(
                f"new revisions of {count} have not arrived yet (a scan is analysed again if "
                "another scan of the same person was analysed later): run the same command again "
                "to receive them",
                soft_wrap=True,
            )
        for failure in self.failures:
            console.print(f"failed: {failure.line}", style="red")
        if self.failed > len(self.failures) > 0:
            more = self.failed - len(self.failures)
            console.print(f"… and {more:,} more: see the log, or run with LEDGER=file")
        if (self.delivered or self.earlier) and reports is not None:
            where = f"reports: {reports.absolute()} ({INDEX} says what became of each file)"
            console.print(where, soft_wrap=True)
            if self.earlier:
                console.print(
                    f"{self.earlier:,} of these reports belong to scans that an earlier run sent; "
                    "index.csv may not list their files",
                    soft_wrap=True,
                )
        elif reports is not None and (index := reports.absolute() / INDEX).exists():
            console.print(
                f"no reports were delivered; {index} says what became of each file", soft_wrap=True
            )
        elif self.delivered:
            console.print(
                "the reports are stored in the database; to see them in the page, run make all "
                "SCANS=0; to get them as files, run again with REPORTS=folder, or write single "
                "ones with make report ID=scan,… (make list shows the ids)"
            )


class ProgressBar:
    """A progress bar for the totals of a run."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("scans", total=None, note="")

    def update(self, totals: Totals) -> None:
        """Show these totals."""
        note = f"acknowledged {totals.acknowledged:,}"
        if totals.failed:
            note += f", failed {totals.failed:,}"
        done = min(totals.delivered + totals.failed + totals.copies, totals.total or 0)
        self._progress.update(self._task, total=totals.total, completed=done, note=note)


@contextmanager
def progress_bar(console: Console) -> Iterator[ProgressBar]:
    """Show a progress bar at the bottom of the terminal, below the log lines."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield ProgressBar(progress)
