"""Fr-BRAIN's supervisor: keeps the processors running, says why one ended, stops them."""

import contextlib
import multiprocessing
import os
import platform
import secrets
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from common.audit import Kind
from common.const import ReportGenerated, WakeUp
from common.db_manager import DBManager
from common.errors import StoreError
from common.lifecycle import NO_USE_TO_RESTART, Exit, Lifecycle, Stop, describe_exit
from common.logger import Log, configure, get_log
from common.settings import BrainSettings
from common.trail import Trail
from common.unit import run_unit
from fr_brain.analyzers.registry import load_analyzers
from fr_brain.processor import Processor

_QUICK_S = 5.0
"""A processor that ends sooner than this after its start is restarted with a growing pause."""
_LONGEST_PAUSE_S = 30.0


@dataclass
class _Slot:
    """One processor's place."""

    number: int
    process: SpawnProcess | None = None
    owner: str = ""
    started: float = 0.0
    quick_ends: int = 0
    start_at: float = 0.0
    # A claim of a dead processor is released by us, as soon as MongoDB answers.
    to_release: str = ""


class Supervisor:
    """Runs ``settings.brain_processes`` processors until it is stopped."""

    def __init__(self, settings: BrainSettings, store: DBManager, stopping: Stop, log: Log) -> None:
        self._settings = settings
        self._store = store
        self._trail = Trail(store, "fr-brain", log)
        self._stopping = stopping
        self._log = log
        # Spawned, not forked: a fork would copy the driver's locks and sockets.
        self._context = multiprocessing.get_context("spawn")
        self._wake_read, self._wake_write = self._context.Pipe(duplex=False)
        stopping.on_stop(lambda: self._wake_write.send_bytes(b"stop"))

    def run(self) -> int:
        """Supervise until stopped; returns an exit code."""
        with contextlib.closing(self._trail):
            return self._run()

    def _run(self) -> int:
        slots = [_Slot(number) for number in range(1, self._settings.brain_processes + 1)]
        while not self._stopping.stop.is_set():
            now = time.monotonic()
            for slot in slots:
                if slot.process is None and now >= slot.start_at:
                    self._start(slot)
            watched: list[int | Connection] = [
                slot.process.sentinel for slot in slots if slot.process is not None
            ]
            waiting = any(slot.process is None or slot.to_release for slot in slots)
            wait([*watched, self._wake_read], timeout=0.2 if waiting else None)
            for slot in slots:
                if slot.process is not None and not slot.process.is_alive():
                    code = self._ended(slot)
                    if code in NO_USE_TO_RESTART:
                        self._stop(slots)
                        return code
                self._release(slot)
        self._log.info("stopping")
        self._stop(slots)
        return Exit.OK

    def _start(self, slot: _Slot) -> None:
        # Known before the start, so that what it claims can be released whenever it dies.
        slot.owner = f"{platform.node()}-{os.getpid()}-{slot.number}-{secrets.token_hex(6)}"
        slot.started = time.monotonic()
        slot.process = self._context.Process(
            target=processor_main,
            args=(self._settings, self._store.uri, slot.owner, slot.number),
            name=f"fr-brain-{slot.number}",
        )
        slot.process.start()

    def _ended(self, slot: _Slot) -> int:
        process = slot.process
        assert process is not None  # noqa: S101 - the caller looked
        process.join()
        code = process.exitcode or 0
        process.close()
        slot.process = None
        slot.to_release = slot.owner
        quick = time.monotonic() - slot.started < _QUICK_S
        slot.quick_ends = slot.quick_ends + 1 if quick else 0
        pause = min(_LONGEST_PAUSE_S, 0.5 * 2**slot.quick_ends) if quick else 0.0
        slot.start_at = time.monotonic() + pause
        if not self._stopping.stop.is_set():
            self._log.error(
                "processor ended, replacing it",
                processor=slot.number,
                why=describe_exit(code),
                pause_s=pause,
            )
        return code

    def _release(self, slot: _Slot) -> None:
        """A dead processor's scans need not wait for its leases to end."""
        if not slot.to_release:
            return
        try:
            released = self._store.release(slot.to_release)
        except StoreError:
            return  # tried again at the next turn; else the leases end by themselves
        dead, slot.to_release = slot.to_release, ""
        if released:
            self._trail.note(
                Kind.RELEASE,
                outcome=ReportGenerated.TO_DO,
                cause="its processor ended",
                owner=dead,
                count=released,
            )
            self._log.info("its scans are 'To Do' again", processor=slot.number, scans=released)

    def _stop(self, slots: list[_Slot]) -> None:
        alive = [(slot, slot.process) for slot in slots if slot.process is not None]
        for _, process in alive:
            process.terminate()
        deadline = time.monotonic() + self._settings.brain_drain_s
        for slot, process in alive:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                self._log.warning("processor stopped in its scan", processor=slot.number)
                process.kill()
                process.join()
                slot.to_release = slot.owner
                self._release(slot)


def processor_main(settings: BrainSettings, uri: str, owner: str, number: int) -> None:
    """A processor's process, from its start to its exit code."""

    def main() -> int:
        lifecycle = Lifecycle()
        configure(settings.log_level, settings.log_format, "fr-brain")
        log = get_log(processor=number)
        _stop_with_parent(lifecycle)
        store = DBManager(uri, settings.mongodb_database, settings.mongodb_timeout_s)
        # A processor that waits for work would see the stop at the end of its poll interval.
        lifecycle.on_stop(lambda: store.wake(WakeUp.SCAN))
        try:
            registry = load_analyzers()
            with contextlib.closing(Trail(store, "processor", log, owner=owner)) as trail:
                Processor(settings, store, registry, trail, owner, lifecycle.stop, log).run()
        finally:
            store.close()
        return Exit.OK

    raise SystemExit(run_unit(f"fr-brain processor {number}", main))


def _stop_with_parent(stopping: Stop) -> None:
    """A supervisor that was killed cannot stop its processors: they see it gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        stopping.request_stop()

    threading.Thread(target=watch, name="parent", daemon=True).start()
