"""Reads every scan and every report once, side by side in order of their ids, and finds where they
do not agree: the part of ``fr verify`` whose time depends on how many there are.

Decoding and checking documents keeps a processor busy. So in a large store, several processes
read ranges of ids, each through its own connection.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import repeat

from common.domain.states import ReportGenerated
from common.errors import StoreError
from common.runtime.lifecycle import Exit
from common.store.db_manager import DBManager
from common.store.queries import ALL_KEYS, KeyRange
from common.store.stored_types import STATES

ALONE_MAX = 200_000
"""More scans are read by several processes, each of which takes half a second to start."""

_PROCESSES_MAX = 8
"""MongoDB reads for all of them."""

_RANGES = 4
"""For each process: ranges are not equally large."""


@dataclass(slots=True)
class Disagreements:
    """Keys of scans and reports that do not agree, of one range of keys or of several."""

    done_without_report: list[str] = field(default_factory=list)
    report_without_scan: list[str] = field(default_factory=list)
    error_with_report: list[str] = field(default_factory=list)
    state_unknown: list[str] = field(default_factory=list)
    damaged_scans: list[str] = field(default_factory=list)
    """Each with what is wrong with it."""
    damaged_reports: list[str] = field(default_factory=list)
    labels_missing: list[str] = field(default_factory=list)
    """The names of reports whose label maps are missing, in part or all."""

    def extend(self, other: "Disagreements") -> None:
        """Add those of another range."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))


def read_store(store: DBManager) -> Disagreements:
    """Read all scans and reports.

    Raises:
        StoreError: the store cannot be read, or a process that reads it was killed.
    """
    processes = min(_PROCESSES_MAX, os.cpu_count() or 1)
    if processes == 1 or store.queries.about_how_many() <= ALONE_MAX:
        return _read(store, ALL_KEYS)
    found = Disagreements()
    ranges = store.queries.key_ranges(_RANGES * processes)
    # Spawned, not forked: a fork would copy the driver's locks and sockets.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _end_with_parent) as pool:
        where = store.connection.uri, store.connection.name, store.connection.timeout_s
        try:
            for one in pool.map(_read_range, repeat(where), ranges):
                found.extend(one)
        except (BrokenProcessPool, OSError):  # OSError: while the others were being started
            raise StoreError(
                "a process that read the store was killed, or could not start: the machine may "
                "lack memory"
            ) from None
    return found


def _end_with_parent() -> None:
    """End this process when its parent has ended: one that was killed cannot stop it."""

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(Exit.FORCED)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _read_range(where: tuple[str, str, float], keys: KeyRange) -> Disagreements:
    uri, name, timeout_s = where
    store = DBManager(uri, name, timeout_s)
    try:
        return _read(store, keys)
    finally:
        store.close()


def _read(store: DBManager, keys: KeyRange) -> Disagreements:
    found = Disagreements()
    labelled = store.label_check.of_reports()

    def damaged_scan(name: str, problem: str) -> None:
        found.damaged_scans.append(f"{name}: {problem}")

    def damaged_report(name: str, problem: str) -> None:
        found.damaged_reports.append(f"{name}: {problem}")

    scans = store.queries.scan_states(damaged_scan, keys)
    reports = store.queries.report_states(damaged_report, labelled.add, keys)
    for key, state, report in _merge(scans, reports):
        if state == ReportGenerated.DONE and report is None:
            found.done_without_report.append(key)
        elif state is None:
            found.report_without_scan.append(key)
        elif state == ReportGenerated.ERROR and report is not None:
            found.error_with_report.append(key)
        elif state not in STATES:
            found.state_unknown.append(key)
    found.labels_missing += labelled.names()
    return found


def _merge(
    scans: Iterator[tuple[str, str]], reports: Iterator[tuple[str, bool]]
) -> Iterator[tuple[str, str | None, bool | None]]:
    """Merge both in order of the ids; memory use does not depend on the size of the store."""
    scan, report = next(scans, None), next(reports, None)
    while scan is not None or report is not None:
        if report is None or (scan is not None and scan[0] < report[0]):
            assert scan is not None  # noqa: S101 - for the type checker
            yield scan[0], scan[1], None
            scan = next(scans, None)
        elif scan is None or report[0] < scan[0]:
            yield report[0], None, report[1]
            report = next(reports, None)
        else:
            yield scan[0], scan[1], report[1]
            scan, report = next(scans, None), next(reports, None)
