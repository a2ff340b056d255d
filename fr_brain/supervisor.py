"""Fr-BRAIN's supervisor: starts the processors, replaces those that exit, stops them."""

import contextlib
import multiprocessing
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from common.audit.writer import AuditWriter
from common.domain.installed_analyzer import InstalledAnalyzer
from common.runtime.lifecycle import DO_NOT_RESTART, Exit, Stop, describe_exit
from common.runtime.logger import Log
from common.settings.brain import BrainSettings
from common.settings.one_thread import one_thread_each
from common.store.collections import Notification
from common.store.db_manager import DBManager
from common.store.notifications import NotificationListener
from common.store.unit_parts import brain_parts
from fr_brain.dead_processors import DeadProcessors
from fr_brain.process_slot import ProcessSlot
from fr_brain.queue_check import QueueCheck
from fr_brain.watchdog import Watchdog
from fr_brain.work_signal import WorkSignal

CHECK_S = 1.0
"""The longest time between two checks of the limits."""


class Supervisor:
    """Runs ``settings.brain_processes`` processors until it is stopped.

    Owns the processes. The watchdog enforces their limits; ``DeadProcessors`` clears up after
    them.
    """

    def __init__(self, settings: BrainSettings, store: DBManager, stopping: Stop, log: Log) -> None:
        self._settings = settings
        self._audit = AuditWriter(
            store.audit_log, "fr-brain", log, durable_s=settings.mongodb_timeout_s
        )
        self._store = brain_parts(store.recorded_by(self._audit))
        self._stopping = stopping
        self._log = log
        one_thread_each()
        # Spawned, not forked: a fork would copy the driver's locks and sockets.
        context = multiprocessing.get_context("spawn")
        self._check_s = min(CHECK_S, settings.brain_time_limit_s / 4)
        self._watchdog = Watchdog(settings, self._store)
        self._dead = DeadProcessors(
            self._store, settings.brain_attempts, settings.brain_retry_pause_s, log
        )
        self._work_signal = WorkSignal(context)
        uri = store.connection.uri
        self._slots = [
            ProcessSlot(number, settings, uri, context, self._work_signal)
            for number in range(1, settings.brain_processes + 1)
        ]
        self._wake_read, self._wake_write = context.Pipe(duplex=False)
        stopping.on_stop(lambda: self._wake_write.send_bytes(b"stop"))
        self._started: dict[int, SpawnProcess] = {}
        # An immediate stop includes the processors, or one that hangs would stay.
        stopping.on_force(self._kill_all)

    def run(self) -> int:
        """Supervise until stopped; returns an exit code."""
        waiter = self._store.subscribe(Notification.SCAN, self._settings.brain_poll_s)
        listener = NotificationListener(
            waiter, self._work_signal.notify, self._settings.brain_poll_s
        )
        check = QueueCheck(
            self._store, self._types_read, self._log, self._settings.brain_retry_pause_s
        )
        with (
            contextlib.closing(self._audit),
            contextlib.closing(listener),
            contextlib.closing(check),
        ):
            return self._run()

    def _types_read(self) -> frozenset[str] | None:
        """The types of scan that a processor here reads; None while that is not known."""
        known = [slot.current_scan.types() for slot in self._slots]
        if any(types is None for types in known):
            return None
        return frozenset().union(*(types for types in known if types is not None))

    def analyzers(self) -> frozenset[InstalledAnalyzer]:
        """The analyzers that a processor here has, as far as they are known."""
        return frozenset(one for slot in self._slots for one in slot.current_scan.analyzers())

    def _run(self) -> int:
        self._watchdog.log_limits(self._log)
        while not self._stopping.stop.is_set():
            self._start_processors()
            self._wait()
            for slot in self._slots:
                if slot.has_exited():
                    code = self._reap(slot)
                    if code in DO_NOT_RESTART and slot.current_scan.chose(code):
                        self._stop()
                        return code
                elif slot.process is not None:
                    self._watchdog.check(slot)
            self._dead.clear()
        self._log.info("stopping")
        self._stop()
        return Exit.OK

    def _start_processors(self) -> None:
        for slot in self._slots:
            if slot.start_if_due() and slot.process is not None:
                self._started[slot.number] = slot.process

    def _wait(self) -> None:
        """Until a processor exits, the stop is requested, or the next check is due."""
        watched: list[int | Connection] = [
            slot.process.sentinel for slot in self._slots if slot.process is not None
        ]
        busy = bool(self._dead) or len(watched) < len(self._slots)
        pause_s = min(0.2, self._check_s) if busy else self._check_s
        wait([*watched, self._wake_read], timeout=pause_s)

    def _reap(self, slot: ProcessSlot) -> int:
        code = slot.reap()
        self._work_signal.notify()  # the last wake-up may have been for it
        how = describe_exit(code)
        self._dead.add(slot.dead(slot.killed_for or f"its processor ended: {how}"))
        if not self._stopping.stop.is_set():
            self._log.error(
                "processor exited, replacing it",
                processor=slot.number,
                why=slot.killed_for or how,
                pause_s=slot.pause_s,
            )
        return code

    def _kill_all(self) -> None:
        for process in list(self._started.values()):
            with contextlib.suppress(ValueError, OSError):  # it has exited and is closed
                process.kill()

    def _stop(self) -> None:
        alive = [(slot, slot.process) for slot in self._slots if slot.process is not None]
        for _, process in alive:
            process.terminate()
        deadline = time.monotonic() + self._settings.brain_drain_s
        for slot, process in alive:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                self._log.warning(
                    "processor did not stop in time, killed it", processor=slot.number
                )
                process.kill()
                process.join()
            # Whatever it did not release itself: its scan is not to blame.
            self._dead.add(slot.dead(""))
        self._dead.clear()
