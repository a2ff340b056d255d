"""Processors in threads, with analyzers that do what a test says."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any

import numpy.typing as npt

from common.audit.writer import AuditWriter
from common.domain.findings import Findings, Lesions, Quality, Verdict
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.runtime.logger import get_log
from common.settings.brain import BrainSettings
from common.store.collections import Notification
from common.store.db_manager import DBManager
from common.store.notifications import NotificationListener
from common.store.unit_parts import brain_parts
from fr_brain.analyzers.base import Analyzer
from fr_brain.analyzers.registry import Registry
from fr_brain.claiming import BATCH_S
from fr_brain.processor import Processor
from fr_brain.work_signal import WorkSignal
from tests.running import SOON_S

NOTHING_FOUND = Findings(
    quality=Quality(verdict=Verdict.PASS), lesions=Lesions(count=0, voxels=0, volume_ml=None)
)

QUICK_S = 0.01
"""Seconds a scan that make a processor claim scans in batches."""


def brain_settings(**given: Any) -> BrainSettings:
    """Settings of a processor that polls often."""
    values: dict[str, Any] = {"brain_poll_s": 0.1, "brain_lease_s": 30.0, "brain_attempts": 3}
    values["brain_retry_pause_s"] = 0.01
    return BrainSettings(_env_file=None, **{**values, **given})  # type: ignore[call-arg]


class PlantedAnalyzer:
    """Reads grids, and remembers which."""

    name = "planted"
    version = "7"
    scan_types = frozenset({"grid"})
    priority = 0

    def __init__(self, analyse: Callable[[BrainScan], Findings] = lambda _: NOTHING_FOUND) -> None:
        self.calls: list[str] = []
        self._analyse = analyse

    def analyse(self, scan: BrainScan, _voxels: npt.NDArray[Any]) -> Findings:
        """Do what the test says."""
        self.calls.append(scan.key)
        return self._analyse(scan)


class Gate(PlantedAnalyzer):
    """An analyzer that blocks on each scan until the gate is open."""

    def __init__(self) -> None:
        super().__init__(self._block)
        self._begun: queue.Queue[str] = queue.Queue()
        self._open = threading.Event()

    def _block(self, scan: BrainScan) -> Findings:
        self._begun.put(scan.key)
        assert self._open.wait(60)
        return NOTHING_FOUND

    def begun(self) -> str:
        """Wait until the analysis of the next scan begins; returns its id."""
        return self._begun.get(timeout=SOON_S)

    def open(self) -> None:
        """Let all scans through, from now on."""
        self._open.set()


def registry_of(*analyzers: Analyzer) -> Registry:
    """A registry of these analyzers."""
    return Registry([("the test", analyzer) for analyzer in analyzers])


def in_state(store: DBManager, state: ReportGenerated) -> int:
    """How many scans are in this state."""
    return store.queries.count_states()[state]


class Running:
    """A processor in a thread. It has a work signal of its own, which the store's wake-ups notify,
    unless one is given."""

    def __init__(
        self,
        store: DBManager,
        registry: Registry,
        settings: BrainSettings,
        owner: str,
        work_signal: WorkSignal | None = None,
    ) -> None:
        self.stop = threading.Event()
        self.failed: list[BaseException] = []
        self._audit = AuditWriter(store.audit_log, "processor", get_log(), owner=owner)
        self._work_signal = work_signal or WorkSignal(get_context("spawn"))
        self._listener = None
        if work_signal is None:
            poll_s = settings.brain_poll_s
            waiter = store.connection.subscribe(Notification.SCAN, poll_s)
            self._listener = NotificationListener(waiter, self._work_signal.notify, poll_s)
        self.processor = Processor(
            settings,
            brain_parts(store.recorded_by(self._audit)),
            registry,
            owner,
            self.stop,
            self._work_signal,
            get_log(),
        )
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.processor.run()
        except BaseException as error:  # noqa: BLE001 - raised by end()
            self.failed.append(error)
        finally:
            self._audit.close()

    def end(self) -> None:
        """Stop it and wait for its end; raises what it raised."""
        self.stop.set()
        self._work_signal.notify_always()
        if self._listener is not None:
            self._listener.close()
        self.thread.join(30)
        assert not self.thread.is_alive()
        if self.failed:
            raise self.failed[0]


@contextlib.contextmanager
def processing(
    store: DBManager,
    *analyzers: Analyzer,
    owner: str = "the processor",
    seconds_per_scan: float = BATCH_S,
    work_signal: WorkSignal | None = None,
    **given: Any,
) -> Iterator[Running]:
    """A running processor. ``seconds_per_scan`` is what it expects scans to take at the start."""
    running = Running(store, registry_of(*analyzers), brain_settings(**given), owner, work_signal)
    running.processor._claimer.seconds_per_scan = seconds_per_scan
    running.thread.start()
    try:
        yield running
    finally:
        for analyzer in analyzers:
            if isinstance(analyzer, Gate):
                analyzer.open()
        running.end()
