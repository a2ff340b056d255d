"""Verifies the whole store: ``fr verify``, ``make verify``.

Counts scans by state and reports, and lists every gap: a ``'Done'`` scan without a report, a report
without a scan or of a scan in ``'Error'``, an acknowledged scan of a Fr-PACS' ledger that is not in
the store, a damaged document. A scan cannot have two reports or two states, as its id is the key of
both. But Fr-PACS may have received a report more than once as new, which its ledger shows.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from common.commands.store_reading import read_store
from common.domain.scan_key import pacs_of, scan_key
from common.domain.states import ReportGenerated
from common.domain.types import Frozen
from common.errors import SettingsError
from common.runtime.console import Console, Table, write_json
from common.runtime.entry_point import run_command
from common.runtime.lifecycle import Exit
from common.settings.commands import VerifySettings
from common.settings.loading import load_settings
from common.store.db_manager import DBManager
from common.store.opening import open_existing_store

_PAGE = 1000
_PROGRESS_S = 5.0
_COUNTED_MAX = 10_000_000


_RESTORE = "restore the scan from a backup, or remove it: make erase ID=<scan> APPLY=1"
_NO_REPORT = "make it again: make requeue ID=<scan>"
_LABELS = "restore brain_labels from a backup, or make them again: make reanalyze ID=<scan>"
_UNSTORED = "acknowledged but not in the store"
_REPORTED_TWICE = "reported twice to Fr-PACS"
_IN_LEDGER = frozenset({_UNSTORED, _REPORTED_TWICE})
"""Only a ledger shows these gaps: without one, a count of 0 would promise what nobody checked."""
_ADVICE: Mapping[str, str] = {
    "Done without a report": _NO_REPORT,
    "stored voxels are missing": _RESTORE,
    "stored voxels do not match their hash": _RESTORE,
    "stored label maps are missing": _LABELS,
    "stored label maps do not match their hash": _LABELS,
    "unknown state": _RESTORE,
    "damaged scan": f"{_RESTORE}; if a newer release wrote it, install that release",
    "damaged report": "make it again: make reanalyze ID=<scan>",
    "id has the wrong type": "Fr neither writes nor reads such a document: remove it with mongosh",
}
"""What to do about a kind of gap, where its name does not say it."""


class StoreVerdict(Frozen):
    """Counts and gaps of the store."""

    scans: dict[str, int]
    reports: int
    sent: int
    done_without_report: tuple[str, ...]
    report_without_scan: tuple[str, ...]
    error_with_report: tuple[str, ...]
    acknowledged: int | None
    acknowledged_missing: tuple[str, ...]
    reported_twice: tuple[str, ...]
    revised: int = 0
    revisions_wrong: tuple[str, ...] = ()
    voxels_missing: tuple[str, ...] = ()
    voxels_damaged: tuple[str, ...] = ()
    labels_missing: tuple[str, ...] = ()
    """Reports whose label maps are missing, in part or all."""
    labels_damaged: tuple[str, ...] = ()
    hashed: int | None = None
    """Scans whose voxels were read; None: not asked for."""
    orphans: int = 0
    """Uploads of which only chunks are left."""
    state_unknown: tuple[str, ...] = ()
    """Scans that nobody will ever analyse or purge."""
    damaged_scans: tuple[str, ...] = ()
    """Each with what is wrong with it."""
    damaged_reports: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    """Documents of other collections that no unit reads."""
    schema_wrong: tuple[str, ...] = ()
    without_voxels: int = 0
    """Scans whose voxels retention has removed; no gap."""
    undeliverable: int = 0
    """Reports that were given up, until someone has them sent again; no gap, as they are kept."""
    unsent: dict[str, int] = Field(default_factory=dict)
    """Reports to be sent, by the name of their Fr-PACS."""
    waiting: dict[str, int] = Field(default_factory=dict)
    """Scans that are 'To Do', by type. If one only grows, no Fr-BRAIN has an analyzer for it."""

    @property
    def gaps(self) -> int:
        """Number of gaps and duplicates of all kinds."""
        return sum(len(ids) for ids in self.by_kind().values())

    def by_kind(self) -> dict[str, tuple[str, ...]]:
        """The ids of each kind of gap."""
        return {
            "Done without a report": self.done_without_report,
            "report without a scan": self.report_without_scan,
            "Error with a report": self.error_with_report,
            _UNSTORED: self.acknowledged_missing,
            _REPORTED_TWICE: self.reported_twice,
            "report or history does not match the scan's revision": self.revisions_wrong,
            "stored voxels are missing": self.voxels_missing,
            "stored voxels do not match their hash": self.voxels_damaged,
            "stored label maps are missing": self.labels_missing,
            "stored label maps do not match their hash": self.labels_damaged,
            "unknown state": self.state_unknown,
            "damaged scan": self.damaged_scans,
            "damaged report": self.damaged_reports,
            "id has the wrong type": self.foreign,
            "collection or index that is missing or unexpected": self.schema_wrong,
        }


def verify(
    store: DBManager,
    ledger: Path | None = None,
    *,
    deep: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> StoreVerdict:
    """Verify the whole store, and a Fr-PACS' ledger if one is given.

    Args:
        deep: read all voxels and label maps, and compare their hashes.
        progress: called with the number of scans whose voxels were read.

    Units may be running: what looks like a gap is checked again, as the store changes meanwhile.

    Raises:
        SettingsError: the ledger cannot be read.
        StoreError: the store cannot be read.
    """
    read = read_store(store)
    revised, suspects = 0, []
    for one in store.revisions.revised():
        revised += 1
        if not one.is_consistent:
            suspects.append(one.key)
    events = _read_ledger(ledger, store) if ledger is not None else {}
    acknowledged = {key for key, seen in events.items() if seen["acknowledged"]}
    reports = store.queries.count_reports()
    hashed, damaged = 0, []
    for key, differs in store.voxels.damaged() if deep else ():
        hashed += 1
        progress(hashed)
        if differs:
            damaged.append(key)
    wrong = [name for name, differs in store.label_check.damaged() if differs] if deep else []
    schema = store.schema.differences()
    return StoreVerdict(
        voxels_missing=tuple(store.voxels.missing()),
        voxels_damaged=tuple(damaged),
        labels_missing=(*read.labels_missing, *store.label_check.missing(with_reports=False)),
        labels_damaged=tuple(wrong),
        hashed=hashed if deep else None,
        orphans=sum(1 for _ in store.orphan_chunks.all()),
        schema_wrong=(*schema.missing, *schema.unexpected),
        state_unknown=tuple(read.state_unknown),
        damaged_scans=tuple(read.damaged_scans),
        damaged_reports=tuple(read.damaged_reports),
        foreign=tuple(store.queries.foreign()),
        scans=store.queries.count_states(),
        without_voxels=store.voxels.count_without(),
        undeliverable=store.queries.count_undeliverable(),
        unsent=store.queries.count_unsent(),
        waiting=store.capacity.count_to_do_by_type(_COUNTED_MAX),
        reports=sum(reports.values()),
        sent=reports[True],
        done_without_report=tuple(
            i
            for i, s, r in _recheck(store, read.done_without_report)
            if s == ReportGenerated.DONE and r is None
        ),
        report_without_scan=tuple(
            i
            for i, s, r in _recheck(store, read.report_without_scan)
            if s is None and r is not None
        ),
        # A report of an earlier revision is no gap: the reanalysis failed.
        error_with_report=tuple(
            one.key
            for start in range(0, len(read.error_with_report), _PAGE)
            for one in store.revisions.revisions_of(read.error_with_report[start : start + _PAGE])
            if one.state == ReportGenerated.ERROR and one.report == one.revision
        ),
        acknowledged=None if ledger is None else len(acknowledged),
        acknowledged_missing=tuple(
            i for i, s, _ in _recheck(store, sorted(acknowledged)) if s is None
        ),
        reported_twice=tuple(
            i
            for i, seen in sorted(events.items())
            if any(n > 1 for event, n in seen.items() if event.startswith("reported"))
        ),
        revised=revised,
        revisions_wrong=tuple(
            r.key for r in store.revisions.revisions_of(suspects) if not r.is_consistent
        ),
    )


def _recheck(store: DBManager, keys: list[str]) -> Iterator[tuple[str, str | None, bool | None]]:
    for start in range(0, len(keys), _PAGE):
        for key, (state, report) in store.queries.states_of(keys[start : start + _PAGE]).items():
            yield key, state, report


def _read_ledger(path: Path, store: DBManager) -> dict[str, Counter[str]]:
    events: dict[str, Counter[str]] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for line in _complete_lines(lines):
                try:
                    entry: dict[str, Any] = json.loads(line)
                    event = f"{entry['event']}{entry.get('revision', '')}"
                    pacs = entry.get("pacs")
                    name = scan_key(entry["scan_id"], pacs) if pacs else entry["scan_id"]
                    events.setdefault(name, Counter())[event] += 1
                except (ValueError, KeyError, TypeError) as error:
                    raise SettingsError(f"LEDGER={str(path)!r}: not a ledger of Fr-PACS") from error
    except OSError as error:
        raise SettingsError(f"LEDGER={str(path)!r}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"LEDGER={str(path)!r}: not a ledger of Fr-PACS") from error
    return _by_key(events, store)


def _by_key(events: dict[str, Counter[str]], store: DBManager) -> dict[str, Counter[str]]:
    """The events by the keys of their scans: earlier releases wrote ids alone."""
    bare = [name for name in events if pacs_of(name) is None]
    for start in range(0, len(bare), _PAGE):
        for name, key in store.queries.keys_of(bare[start : start + _PAGE]).items():
            if key != name:
                events.setdefault(key, Counter()).update(events.pop(name))
    return events


def _complete_lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines without a last one that is incomplete as Fr-PACS was killed."""
    return (line for line in lines if line.endswith("\n"))


def show(verdict: StoreVerdict, console: Console) -> None:
    """Print it for people."""
    table = Table(title="Store", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for state, count in verdict.scans.items():
        table.add_row(f"scans '{state}'", f"{count:,}")
    if verdict.without_voxels:
        table.add_row("scans without voxels (retention)", f"{verdict.without_voxels:,}")
    for scan_type, count in sorted(verdict.waiting.items()):
        table.add_row(f"waiting scans of type {scan_type}", f"{count:,}")
    table.add_section()
    table.add_row("reports", f"{verdict.reports:,}")
    table.add_row("reports sent", f"{verdict.sent:,}")
    for pacs, count in sorted(verdict.unsent.items()):
        table.add_row(f"reports that wait for {pacs}", f"{count:,}")
    if verdict.undeliverable:
        table.add_row(
            "reports undeliverable (make undelivered)", f"{verdict.undeliverable:,}", style="yellow"
        )
    if verdict.revised:
        table.add_row("scans analysed again", f"{verdict.revised:,}")
    if verdict.acknowledged is not None:
        table.add_row("acknowledged (LEDGER)", f"{verdict.acknowledged:,}")
    if verdict.hashed is not None:
        table.add_row("scans whose voxels were hashed (DEEP)", f"{verdict.hashed:,}")
    if verdict.orphans:
        table.add_row("interrupted uploads, chunks left", f"{verdict.orphans:,}")
    table.add_section()
    for kind, ids in verdict.by_kind().items():
        if kind in _IN_LEDGER and verdict.acknowledged is None:
            table.add_row(f"{kind} (needs LEDGER=file)", "-")
        else:
            table.add_row(kind, f"{len(ids):,}", style="red" if ids else "")
    console.print(table)
    for kind, ids in verdict.by_kind().items():
        for key in ids:
            console.print(f"{kind}: {key}", style="red")
        if ids and kind in _ADVICE:
            console.print(f"{kind}: {_ADVICE[kind]}", style="yellow")
    word = "gap" if verdict.gaps == 1 else "gaps"
    console.print(f"{verdict.gaps} {word}", style="bold red" if verdict.gaps else "bold green")


def _every(seconds: float) -> Callable[[int], None]:
    """Shows the progress of DEEP=1 on standard error, at most once in ``seconds``."""
    console, shown_at = Console(stderr=True), time.monotonic()

    def progress(count: int) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= seconds:
            shown_at = time.monotonic()
            console.print(f"{count:,} scans hashed")

    return progress


def main() -> int:
    """Verify the store that the settings name."""
    settings = load_settings(VerifySettings, "fr verify")
    with open_existing_store(settings) as store:
        verdict = verify(store, settings.ledger, deep=settings.deep, progress=_every(_PROGRESS_S))
    if settings.json_output:
        write_json(json.dumps({**verdict.model_dump(), "gaps": verdict.gaps}, indent=2) + "\n")
    else:
        show(verdict, Console())
    return Exit.FAILED if verdict.gaps else Exit.OK


if __name__ == "__main__":
    sys.exit(run_command("fr verify", main))
