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
from common.runtime.logger import get_log
from common.settings.loading import BrainSettings
from common.store.collections import Notification
from common.store.db_manager import DBManager
from common.store.notifications import NotificationListener
from fr_brain.analyzers.base import Analyzer
from fr_brain.analyzers.registry import Registry
from fr_brain.processor import Processor
from fr_brain.work_signal import Bell
from tests.running import SOON_S

NOTHING_FOUND = Findings(
    quality=Quality(verdict=Verdict.PASS), lesions=Lesions(count=0, voxels=0, volume_ml=None)
)


def brain_settings(**given: Any) -> BrainSettings:
    """Settings of a processor that looks often."""
    values: dict[str, Any] = {"brain_poll_s": 0.1, "brain_lease_s": 30.0, "brain_attempts": 3}
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
        self.calls.append(scan.scan_id)
        return self._analyse(scan)


class Gate(PlantedAnalyzer):
    """An analyzer that holds each scan until the gate is open."""

    def __init__(self) -> None:
        super().__init__(self._hold)
        self._begun: queue.Queue[str] = queue.Queue()
        self._open = threading.Event()

    def _hold(self, scan: BrainScan) -> Findings:
        self._begun.put(scan.scan_id)
        assert self._open.wait(60)
        return NOTHING_FOUND

    def begun(self) -> str:
        """Wait for the next scan in hand; its id."""
        return self._begun.get(timeout=SOON_S)

    def open(self) -> None:
        """Let all through, from now on."""
        self._open.set()


def registry_of(*analyzers: Analyzer) -> Registry:
    """These analyzers."""
    return Registry([("the test", analyzer) for analyzer in analyzers])


class Running:
    """A processor in its thread, with a bell of its own that the store's wake-ups ring, or with
    the bell that is given."""

    def __init__(
        self,
        store: DBManager,
        registry: Registry,
        settings: BrainSettings,
        owner: str,
        bell: Bell | None = None,
    ) -> None:
        self.stop = threading.Event()
        self.failed: list[BaseException] = []
        self._audit = AuditWriter(store.audit_log, "processor", get_log(), owner=owner)
        self._bell = bell or Bell(get_context("spawn"))
        self._listener = None
        if bell is None:
            poll_s = settings.brain_poll_s
            subscription = store.connection.subscribe(Notification.SCAN, poll_s)
            self._listener = NotificationListener(subscription, self._bell.ring, poll_s)
        self.processor = Processor(
            settings,
            store.recorded_by(self._audit),
            registry,
            owner,
            self.stop,
            self._bell,
            get_log(),
        )
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.processor.run()
        except BaseException as error:  # noqa: BLE001 - told at the end
            self.failed.append(error)
        finally:
            self._audit.close()

    def end(self) -> None:
        """Stop it, wait; what it raised is raised here."""
        self.stop.set()
        self._bell.ring_once_more()
        if self._listener is not None:
            self._listener.close()
        if self.thread.ident is None:  # never started
            self._audit.close()
        else:
            self.thread.join(30)
        assert not self.thread.is_alive()
        if self.failed:
            raise self.failed[0]


@contextlib.contextmanager
def processing(
    store: DBManager,
    *analyzers: Analyzer,
    owner: str = "the processor",
    in_batches: bool = False,
    bell: Bell | None = None,
    **given: Any,
) -> Iterator[Running]:
    """A processor at work. ``in_batches``: it takes its scans for quick ones from the start."""
    running = Running(store, registry_of(*analyzers), brain_settings(**given), owner, bell)
    if in_batches:
        running.processor._seconds_a_scan = 0.01
    running.thread.start()
    try:
        yield running
    finally:
        for analyzer in analyzers:
            if isinstance(analyzer, Gate):
                analyzer.open()
        running.end()
