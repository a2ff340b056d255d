"""``fr reanalyze``: schedule scans for reanalysis whose report is by an analyzer, or a version of
one, that is no longer installed.

The command only schedules. Running brains do the work, oldest scans first, and keep the previous
report as history. Stop brains of an older version before: they would do the work as well.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from common.audit.recorded_command import recorded_command
from common.domain.types import Frozen
from common.errors import SettingsError
from common.runtime.console import Console
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.runtime.logger import get_log
from common.settings.commands import ReanalyzeSettings
from common.settings.loading import load_settings
from common.store.db_manager import DBManager
from common.store.opening import open_existing_store
from common.store.revisions import Analysed
from fr_brain.analyzers.registry import Registry, load_analyzers

_PAGE = 1000
_IDS_SHOWN = 20


class Outcome(Frozen):
    """What became of the scans that have a report."""

    scheduled: int = 0
    current: int = 0
    """Their report is by the installed analyzer: nothing to do."""
    busy: int = 0
    """Not ``'Done'``: they are waiting for analysis, or failed."""
    without_voxels: tuple[str, ...] = ()
    no_analyzer: int = 0
    """No installed analyzer reads their type."""
    unknown: tuple[str, ...] = ()
    """Requested ids without a report."""


def reanalyze(
    store: DBManager,
    registry: Registry,
    ids: Sequence[str] = (),
    analyzer: str | None = None,
) -> Outcome:
    """Schedule scans for reanalysis. Repeatable: what an interrupted run has scheduled is not
    scheduled twice.

    Args:
        ids: these scans, whichever analyzer made their report; if empty, all scans whose report is
            not by the analyzer that reads their type now.
        analyzer: only scans that the analyzer of this name reads.

    Raises:
        SettingsError: no analyzer of that name is in use.
    """
    names = sorted({one.name for one in registry.by_type.values()})
    if analyzer is not None and analyzer not in names:
        raise SettingsError(
            f"ANALYZER={analyzer!r}: no such analyzer is in use; those in use: {', '.join(names)}"
        )
    meant = store.queries.keys_of(ids)
    counts: Counter[str] = Counter()
    without_voxels: list[str] = []
    seen: set[str] = set()
    for page in _pages(store.revisions.analysed(list(meant.values()) if ids else None)):
        wanted: dict[int, list[str]] = {}  # by the revision of the report
        for scan in page:
            if ids:
                seen.add(scan.key)
            installed = registry.by_type.get(scan.scan_type)
            if installed is None:
                counts["no_analyzer"] += 1
            elif analyzer is not None and installed.name != analyzer:
                continue
            elif not ids and (scan.analyzer, scan.version) == (installed.name, installed.version):
                counts["current"] += 1
            else:
                wanted.setdefault(scan.revision, []).append(scan.key)
        for revision, keys in wanted.items():
            scheduled = store.revisions.schedule_reanalysis(keys, revision)
            counts["scheduled"] += scheduled
            if scheduled < len(keys):
                missing = sorted(store.revisions.without_voxels(keys))
                without_voxels += missing
                counts["busy"] += len(keys) - scheduled - len(missing)
    unknown = tuple(name for name in ids if meant.get(name) not in seen)
    return Outcome(**counts, without_voxels=tuple(without_voxels), unknown=unknown)


def _pages(scans: Iterable[Analysed]) -> Iterator[list[Analysed]]:
    page: list[Analysed] = []
    for scan in scans:
        page.append(scan)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


def show(outcome: Outcome, console: Console) -> None:
    """Print it for people."""
    console.print(f"{outcome.scheduled:>8,} scheduled for reanalysis")
    lines = [
        (outcome.current, "unchanged: their report is by the installed analyzer"),
        (outcome.busy, "skipped: not 'Done', so waiting for analysis or failed"),
        (outcome.no_analyzer, "skipped: no installed analyzer reads their type"),
        (len(outcome.without_voxels), "cannot be analysed again: their voxels were deleted"),
        (len(outcome.unknown), "unknown: the store has no report of this id"),
    ]
    for count, text in lines:
        if count:
            console.print(f"{count:>8,} {text}")
    for key in (*outcome.without_voxels, *outcome.unknown)[:_IDS_SHOWN]:
        console.print(f"         {key}", style="red")


def main() -> int:
    """Schedule the scans that the settings select."""
    settings = load_settings(ReanalyzeSettings, "fr reanalyze")
    with open_existing_store(settings) as store:
        store.check_schema()
        with recorded_command(
            store, "reanalyze", get_log(), settings.mongodb_timeout_s
        ) as recorded:
            outcome = reanalyze(recorded, load_analyzers(), settings.ids, settings.analyzer)
    show(outcome, Console())
    return Exit.FAILED if outcome.without_voxels or outcome.unknown else Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr reanalyze", main))
