"""Verifies the audit trail: ``fr audit``, ``make audit``.

Verifies each chain, compares the trail with the store, and prints the history of a scan (``SCAN``)
or since a time (``SINCE``). Exit code 0 only if there are no gaps.
"""

import heapq
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from common.audit.archive import Archive
from common.audit.ledger import acknowledged_in
from common.audit.verification import AuditVerdict, AuditVerifier
from common.domain.audit_chain import Head
from common.domain.scan_key import pacs_of, scan_id_of
from common.domain.types import Document
from common.errors import SettingsError
from common.runtime.console import Console, Table, write_json
from common.runtime.entry_point import run_command
from common.runtime.lifecycle import Exit
from common.settings.commands import AuditSettings
from common.settings.loading import load_settings
from common.store.opening import open_existing_store

LINES = 10_000
"""The most events of a history that are printed: the latest ones."""

_WIDE = 1000
"""Characters of a line that nobody sees on a terminal."""

_SHOWN = {"kind", "at", "ids", "outcome", "peer"}


class History:
    """The events of a scan, or since a time; if both are given, those of the scan since then.

    Args:
        renamed: whether the trail names the scan by its id alone too: see ``Queries.renamed``.
    """

    def __init__(
        self, scan_id: str | None, since: datetime | None, *, renamed: bool = False
    ) -> None:
        self._scan_id = scan_id
        self._renamed = renamed
        self._since = since
        if since is not None and since.tzinfo is None:
            self._since = since.replace(tzinfo=UTC)
        self._wanted = scan_id is not None or since is not None
        self._found: list[tuple[datetime, int, str, Document]] = []
        self._numbers = count()
        self.left_out = 0

    def add(self, entry: Document) -> None:
        """Add the wanted events of an entry."""
        if not self._wanted:
            return
        for one in entry["events"]:
            if self._scan_id is not None and not self._is_meant(one):
                continue
            if self._since is not None and one["at"] < self._since:
                continue
            heapq.heappush(
                self._found, (one["at"], next(self._numbers), entry["_id"]["writer"], one)
            )
            if len(self._found) > LINES:
                heapq.heappop(self._found)
                self.left_out += 1

    def _is_meant(self, one: Document) -> bool:
        ids, name = one.get("ids", ()), self._scan_id or ""
        if name in ids:
            return True
        if pacs_of(name) is None:
            return any(scan_id_of(key) == name for key in ids)
        # Earlier releases recorded ids alone, and another Fr-PACS may use this id since.
        return self._renamed and scan_id_of(name) in ids

    def lines(self) -> list[dict[str, Any]]:
        """The events, the earliest first."""
        return [
            {
                "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "kind": one["kind"],
                "scans": self._scans(one),
                "outcome": str(one.get("outcome", "")),
                "peer": str(one.get("peer", "")),
                "more": ", ".join(
                    f"{name} {value}" for name, value in one.items() if name not in _SHOWN
                ),
                "by": writer,
            }
            for at, _, writer, one in sorted(self._found, key=lambda found: found[:2])
        ]

    def _scans(self, one: Document) -> str:
        ids = one.get("ids", [])
        if self._scan_id is not None:
            return self._scan_id
        return "" if not ids else ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"

    @property
    def missing(self) -> bool:
        """Whether a scan was named that the audit trail does not mention."""
        return self._scan_id is not None and not self._found

    def show(self, console: Console) -> None:
        """Print it for people."""
        if not self._wanted:
            return
        if self.missing:
            if self._since is None:
                console.print(f"no events for scan {self._scan_id!r}; check the id")
            else:
                console.print(
                    f"no events for scan {self._scan_id!r} since {self._since:%Y-%m-%d %H:%M:%S}; "
                    "check the id, or unset SINCE"
                )
            return
        table = Table(title="History", title_justify="left")
        names = ["at", "kind", "outcome", "peer", "more", "by"]
        if self._scan_id is None:
            names.insert(2, "scans")
        for name in names:
            table.add_column(name, overflow="fold")
        for line in self.lines():
            table.add_row(*(line[name] for name in names))
        # A pipe or a file has no width: a cell of several lines would be cut for ``grep``.
        wide = console if console.is_terminal else Console(file=console.file, width=_WIDE)
        wide.print(table)
        if self.left_out:
            console.print(f"{self.left_out:,} earlier events were left out: set a later SINCE")


_LIMITS = (
    "This check cannot tell whether entries are missing at the ends of chains, where no other "
    "chain names them, or whether the whole trail was cut back or rewritten. To detect that as "
    "well, keep the newest entry of each chain outside the store (KEEP=file) and verify against "
    "these (HEADS=file)."
)
_LIMITS_WITH_HEADS = (
    "The trail was compared with the entries in HEADS. This check cannot tell whether entries that "
    "were written after those are missing at the ends of chains: keep the newest entries, too "
    "(KEEP=file)."
)


def show(verdict: AuditVerdict, console: Console, *, has_heads: bool = False) -> None:
    """Print it for people; ``has_heads``: the trail was compared with heads that were kept."""
    table = Table(title="Audit trail", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("entries", f"{verdict.entries:,}")
    table.add_row("chains", f"{verdict.chains:,}")
    table.add_row("chains without an end (writer running or killed)", f"{verdict.open_chains:,}")
    table.add_row(
        "entries at chain ends that no other chain names yet", f"{verdict.not_anchored:,}"
    )
    if verdict.checkpoints:
        table.add_row("checkpoints", f"{verdict.checkpoints:,}")
        table.add_row("entries archived and named by checkpoints", f"{verdict.archived:,}")
    table.add_section()
    for kind, number in verdict.events.items():
        table.add_row(f"{kind} events", f"{number:,}")
    table.add_section()
    for kind, note in verdict.notes.items():
        table.add_row(kind, f"{note.count:,}", style="yellow" if note.count else "")
    for kind, gap in (*verdict.gaps.items(), ("removed or changed", verdict.problems)):
        table.add_row(kind, f"{gap.count:,}", style="red" if gap.count else "")
    console.print(table)
    for style, findings in (
        ("yellow", verdict.notes),
        ("red", {**verdict.gaps, "removed or changed": verdict.problems}),
    ):
        for kind, finding in findings.items():
            for name in finding.named:
                console.print(f"{kind}: {name}", style=style, soft_wrap=True)
            if finding.count > len(finding.named) > 0:
                console.print(f"{kind}: … and {finding.count - len(finding.named):,} more")
    for key in verdict.checkpoint_keys:
        console.print(f"checkpoints are signed with the key {key}", soft_wrap=True)
    console.print(
        "One event may be about many scans, so there may be fewer events than scans. A request "
        "is an event even if it changed nothing.",
        style="dim",
    )
    console.print(_LIMITS_WITH_HEADS if has_heads else _LIMITS, style="dim")
    word = "gap" if verdict.total == 1 else "gaps"
    console.print(f"{verdict.total} {word}", style="bold red" if verdict.total else "bold green")


def read_heads(path: Path) -> Iterator[Head]:
    """Read the heads from a file made with ``KEEP``.

    Raises:
        SettingsError: the file cannot be read, or was not made with ``KEEP``.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield Head.parse(*line.split())
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file made with KEEP"
        raise SettingsError(f"HEADS={str(path)!r}: {reason}") from error


def write_heads(path: Path, heads: Iterable[Head]) -> None:
    """Write the heads to keep, one per line: place and hash.

    Raises:
        SettingsError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{head.at} {head.hash}\n" for head in heads)
    except OSError as error:
        raise SettingsError(f"KEEP={str(path)!r}: {error.strerror}") from error


def main() -> int:
    """Verify the trail of the store that the settings name."""
    settings = load_settings(AuditSettings, "fr audit")
    kept = read_heads(settings.heads) if settings.heads is not None else ()
    acknowledged = acknowledged_in(settings.ledger) if settings.ledger is not None else ()

    def keep(heads: Iterator[Head]) -> None:
        if settings.keep is not None:
            write_heads(settings.keep, heads)

    archives = [Archive(path, "ARCHIVE") for path in settings.archives]
    with open_existing_store(settings) as store:
        renamed = settings.scan is not None and store.queries.is_renamed(settings.scan)
        history = History(settings.scan, settings.since, renamed=renamed)
        verdict = AuditVerifier(store, kept, history.add, keep, acknowledged, archives).run()
    if settings.json_output:
        result = {**verdict.model_dump(), "total": verdict.total, "history": history.lines()}
        write_json(json.dumps(result, indent=2) + "\n")
    else:
        console = Console()
        history.show(console)
        show(verdict, console, has_heads=settings.heads is not None)
    return Exit.FAILED if verdict.total or history.missing else Exit.OK


if __name__ == "__main__":
    sys.exit(run_command("fr audit", main))
