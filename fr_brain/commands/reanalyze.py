"""``make reanalyze``: scans that are ``'Done'`` are analysed anew
where another analyzer, or another version of it, is installed by now.

It only puts them back; the brains that run do the work, oldest scans first, and keep the report
that was there as history. Stop brains of an older version before: they would do the work too.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console

from common.audit.writer import recorded_command
from common.domain.types import Frozen
from common.errors import SettingsError
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.runtime.logger import get_log
from common.settings.loading import ReanalyzeSettings, load_settings
from common.store.db_manager import DBManager
from common.store.opening import open_store
from common.store.revisions import Analysed
from fr_brain.analyzers.registry import Registry, load_analyzers

_TOGETHER = 1000
_NAMED = 20


class Outcome(Frozen):
    """What became of the scans that have a report."""

    put_back: int = 0
    current: int = 0
    """Read by the analyzer that is installed: nothing to do."""
    busy: int = 0
    """Not 'Done': waiting to be analysed, or set aside."""
    without_voxels: tuple[str, ...] = ()
    no_analyzer: int = 0
    """No installed analyzer takes their type."""
    unknown: tuple[str, ...] = ()
    """Asked for, and without a report."""


def reanalyze(
    store: DBManager,
    registry: Registry,
    ids: Sequence[str] = (),
    analyzer: str | None = None,
) -> Outcome:
    """Put scans back: these, whatever analyzed them; else all whose report is not by the analyzer
    that reads their type now, or of these the ones that ``analyzer`` reads. Repeatable: what was
    put back by a command that was cut is not put back twice.

    Raises:
        SettingsError: no analyzer of that name is in use.
    """
    names = sorted({one.name for one in registry.by_type.values()})
    if analyzer is not None and analyzer not in names:
        raise SettingsError(f"ANALYZER={analyzer!r}: not in use here; there are {', '.join(names)}")
    counts = {"put_back": 0, "current": 0, "busy": 0, "no_analyzer": 0}
    gone: list[str] = []
    seen: set[str] = set()
    for page in _pages(store.revisions.analysed(ids or None)):
        wanted: dict[int, list[str]] = {}
        for one in page:
            if ids:
                seen.add(one.scan_id)
            installed = registry.by_type.get(one.scan_type)
            if installed is None:
                counts["no_analyzer"] += 1
            elif analyzer is not None and installed.name != analyzer:
                continue
            elif not ids and (one.analyzer, one.version) == (installed.name, installed.version):
                counts["current"] += 1
            else:
                wanted.setdefault(one.revision, []).append(one.scan_id)
        for revision, scan_ids in wanted.items():
            count = store.revisions.schedule_reanalysis(scan_ids, revision)
            counts["put_back"] += count
            if count < len(scan_ids):
                missing = sorted(store.revisions.without_voxels(scan_ids))
                gone += missing
                counts["busy"] += len(scan_ids) - count - len(missing)
    unknown = tuple(scan_id for scan_id in ids if scan_id not in seen)
    return Outcome(**counts, without_voxels=tuple(gone), unknown=unknown)


def _pages(found: Iterable[Analysed]) -> Iterator[list[Analysed]]:
    page: list[Analysed] = []
    for one in found:
        page.append(one)
        if len(page) == _TOGETHER:
            yield page
            page = []
    if page:
        yield page


def show(outcome: Outcome, console: Console) -> None:
    """Say it to people."""
    lines = [
        (outcome.put_back, "put back, to be analysed again"),
        (outcome.current, "read by the analyzer that is installed: nothing to do"),
        (outcome.busy, "not 'Done': waiting to be analysed, or set aside"),
        (outcome.no_analyzer, "of a type that no installed analyzer takes"),
        (len(outcome.without_voxels), "whose voxels were removed: they cannot be analysed again"),
        (len(outcome.unknown), "without a report in the store"),
    ]
    for count, words in lines:
        if count or words.startswith("put back"):
            console.print(f"{count:>8,} {words}", highlight=False)
    for scan_id in (*outcome.without_voxels, *outcome.unknown)[:_NAMED]:
        console.print(f"         {scan_id}", style="red", markup=False, highlight=False)


def main() -> int:
    """Put back what the settings name."""
    settings = load_settings(ReanalyzeSettings, "fr reanalyze")
    with open_store(settings) as store:
        store.prepare()
        with recorded_command(
            store, "reanalyze", get_log(), settings.mongodb_timeout_s
        ) as recorded:
            outcome = reanalyze(recorded, load_analyzers(), settings.ids, settings.analyzer)
    show(outcome, Console())
    return Exit.FAILED if outcome.without_voxels or outcome.unknown else Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr reanalyze", main))
