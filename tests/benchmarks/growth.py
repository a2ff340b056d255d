"""Speed of the pipeline as the store grows."""

import contextlib
import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from common.commands.verify import verify
from common.domain.report import AnalyzerId, BrainReport
from common.domain.states import ReportGenerated
from common.domain.types import utc_now
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan, report_document, scan_document
from fr_brain.analyzers.grid import GridAnalyzer
from fr_pacs.sources.grid import GridSource
from tests.benchmarks.figures import Figures, Goal
from tests.benchmarks.machine import now
from tests.benchmarks.units import Bench, checked, rate, units

DONE, WAITING = "done", "waiting"
FEW = 1_000
OF_FEW = f"of {FEW:,} waiting"
_CLAIMS = 200


def stored(count: int, how: str) -> str:
    """Subject name."""
    return f"{count:,} scans {how}"


class Growth:
    """Throughput, claim and verify with few and with many scans stored."""

    name = "growth"
    title = "With scans stored or waiting"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.samples: dict[str, list[float]] = {}
        self.rounds = 1  # each the median of many claims; inserting a million scans takes minutes
        self._counts = (FEW, 100_000) if bench.quick else (FEW, 100_000, 1_000_000)
        self._scans = 2_000 if bench.quick else 10_000
        claims = [
            Goal(f"claim, {stored(count, how)}", (stored(count, how), OF_FEW),
                 None, 1.3, 1.0, below=True)
            for how in (DONE, WAITING) for count in self._counts[1:]
        ]  # fmt: skip
        verifies = [
            Goal(f"verify, {stored(count, DONE)}, s", (stored(count, DONE), "verify s"),
                 None, most, aim, below=True)
            for count, most, aim in ((100_000, 1.0, 0.5), (1_000_000, 15.0, 10.0))
            if count in self._counts
        ]  # fmt: skip
        self.goals = (*claims, *verifies)

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Each number of scans, once done and once waiting."""
        return {
            stored(count, how): lambda count=count, how=how: self.measure(count, how)  # type: ignore[misc]
            for how in (DONE, WAITING)
            for count in self._counts
        }

    def close(self) -> None:
        """Nothing to release."""

    def measure(self, count: int, how: str) -> Figures:
        """Fill the store, then measure."""
        with units(self._bench) as ours:
            store = DBManager(self._bench.uri, ours.database, 120.0)
            with self._bench.client() as client:
                fill(client[ours.database], count, how)
            figures: Figures = {}
            began = now()
            verify(store)
            figures["verify s"] = now() - began
            if how == DONE:
                # Something to claim.
                store.scans.add([new(n) for n in range(_CLAIMS)])
            with self._few_waiting() as few:
                took = [(claim(store), claim(few)) for _ in range(_CLAIMS)]
            figures["claim ms"] = 1000 * statistics.median(here for here, _ in took)
            figures[OF_FEW] = statistics.median(here / there for here, there in took)
            store.close()
            if how == DONE:
                ours.start("fr_hub")
                ours.start("fr_brain", BRAIN_PROCESSES="2")
                totals = ours.send(KIND="grid", SCANS=str(self._scans), SEED="9")
                figures |= rate(checked(totals, self._scans))
            return figures

    @contextlib.contextmanager
    def _few_waiting(self) -> Iterator[DBManager]:
        """A second store with ``FEW`` waiting scans. Alternating claims on both stores makes them
        comparable even if the speed of the machine varies."""
        with (
            self._bench.database() as database,
            contextlib.closing(DBManager(self._bench.uri, database, 120.0)) as few,
        ):
            with self._bench.client() as client:
                fill(client[database], FEW, WAITING)
            yield few


def claim(store: DBManager) -> float:
    """Claim one scan and return the duration, seconds."""
    began = now()
    assert store.claims.claim("bench", 1, 600)
    return now() - began


def new(n: int) -> NewScan:
    """A new grid scan."""
    loaded = next(iter(GridSource("pacs-1", 1, seed=n))).load()
    return NewScan(loaded.scan, voxels=bytes(loaded.voxels))


def fill(database: Any, count: int, how: str) -> None:
    """Insert scans as the units would leave them; done ones with delivered reports."""
    scans, reports = [], []
    at = datetime.now(UTC)
    for document, report in _documents(count):
        if how == DONE:
            document |= {
                "report_generated": ReportGenerated.DONE,
                "owner": "bench",
                "fence": 1,
                "attempts": 1,
                "claimed_at": at,
                "done_at": at,
            }
            report |= {"status": True, "sent_at": at}
            reports.append(report)
        document["received_at"] = at
        scans.append(document)
        if len(scans) == 5_000:
            _write(database, scans, reports)
            scans, reports = [], []
    _write(database, scans, reports)


def _write(database: Any, scans: list[Any], reports: list[Any]) -> None:
    if scans:
        database[Collection.SCANS].insert_many(scans, ordered=False)
    if reports:
        database[Collection.REPORTS].insert_many(reports, ordered=False)


def _documents(count: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    analyzer = GridAnalyzer()
    for task in GridSource("pacs-1", count, seed=3):
        loaded = task.load()
        scan = loaded.scan
        findings = analyzer.analyse(scan, scan.array(loaded.voxels))
        made_by = AnalyzerId(name=analyzer.name, version=analyzer.version)
        report = BrainReport.of(scan, findings, made_by, run_time_ms=0.1)
        scan_doc = scan_document(NewScan(scan, voxels=bytes(loaded.voxels)), utc_now())
        yield dict(scan_doc), dict(report_document(report))
