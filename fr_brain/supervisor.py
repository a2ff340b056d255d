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

from common.audit.writer import AuditWriter
from common.domain.states import ReportGenerated
from common.errors import StoreError
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import NO_USE_TO_RESTART, Exit, Lifecycle, Stop, describe_exit
from common.runtime.logger import Log, configure, get_log
from common.settings.loading import BrainSettings
from common.store.collections import Notification
from common.store.db_manager import DBManager
from common.store.notifications import NotificationListener
from fr_brain.analyzers.registry import load_analyzers
from fr_brain.limits import (
    Hand,
    InHand,
    is_stopped,
    limit_memory,
    memory_limit_mib,
    resident_mib,
)
from fr_brain.processor import Processor
from fr_brain.work_signal import Bell

_QUICK_S = 5.0
"""A processor that ends sooner than this after its start, or before it had any scan, is restarted
with a growing pause."""
_LONGEST_PAUSE_S = 30.0
_LOOK_S = 1.0
"""How often to look what the processors have in hand, at most."""


@dataclass
class _Slot:
    """One processor's place."""

    number: int
    process: SpawnProcess | None = None
    owner: str = ""
    hand: Hand | None = None
    started: float = 0.0
    quick_ends: int = 0
    start_at: float = 0.0
    stopped_for: str = ""  # the limit at which it was killed
    prolonged: float = 0.0


@dataclass
class _Ended:
    """What a dead processor leaves to do, as soon as MongoDB answers."""

    number: int
    owner: str
    in_hand: InHand | None
    cause: str


class Supervisor:
    """Runs ``settings.brain_processes`` processors until it is stopped."""

    def __init__(self, settings: BrainSettings, store: DBManager, stopping: Stop, log: Log) -> None:
        self._settings = settings
        self._audit = AuditWriter(
            store.audit_log, "fr-brain", log, durable_s=settings.mongodb_timeout_s
        )
        self._store = store.recorded_by(self._audit)
        self._stopping = stopping
        self._log = log
        # Spawned, not forked: a fork would copy the driver's locks and sockets.
        self._context = multiprocessing.get_context("spawn")
        self._memory_mib = memory_limit_mib(settings.brain_memory_mib, settings.brain_processes)
        self._look_s = min(_LOOK_S, settings.brain_time_limit_s / 4)
        # The claims of dead processors are released by us, as soon as MongoDB answers.
        self._ends: list[_Ended] = []
        self._bell = Bell(self._context)
        self._wake_read, self._wake_write = self._context.Pipe(duplex=False)
        stopping.on_stop(lambda: self._wake_write.send_bytes(b"stop"))
        self._running: dict[int, SpawnProcess] = {}
        # At once means the processors too, or one that hangs would stay.
        stopping.on_force(self._kill_all)

    def run(self) -> int:
        """Supervise until stopped; returns an exit code."""
        subscription = self._store.connection.subscribe(
            Notification.SCAN, self._settings.brain_poll_s
        )
        listener = NotificationListener(subscription, self._bell.ring, self._settings.brain_poll_s)
        with contextlib.closing(self._audit), contextlib.closing(listener):
            return self._run()

    def _run(self) -> int:
        slots = [_Slot(number) for number in range(1, self._settings.brain_processes + 1)]
        self._log.info(
            "analysis limits",
            time_s=self._settings.brain_time_limit_s,
            memory_mib=self._memory_mib,
        )
        while not self._stopping.stop.is_set():
            now = time.monotonic()
            for slot in slots:
                if slot.process is None and now >= slot.start_at:
                    self._start(slot)
            watched: list[int | Connection] = [
                slot.process.sentinel for slot in slots if slot.process is not None
            ]
            waiting = bool(self._ends) or any(slot.process is None for slot in slots)
            pause = min(0.2, self._look_s) if waiting else self._look_s
            wait([*watched, self._wake_read], timeout=pause)
            for slot in slots:
                if slot.process is not None and not slot.process.is_alive():
                    code = self._ended(slot)
                    if code in NO_USE_TO_RESTART:
                        self._stop(slots)
                        return code
                elif slot.process is not None:
                    self._look(slot, slot.process)
            self._clear_up()
        self._log.info("stopping")
        self._stop(slots)
        return Exit.OK

    def _start(self, slot: _Slot) -> None:
        # Known before the start, so that what it claims can be released whenever it dies.
        slot.owner = f"{platform.node()}-{os.getpid()}-{slot.number}-{secrets.token_hex(6)}"
        slot.started = time.monotonic()
        slot.hand = Hand.shared(self._context)
        slot.stopped_for = ""
        slot.process = self._context.Process(
            target=processor_main,
            args=(
                self._settings,
                self._store.connection.uri,
                slot.owner,
                slot.number,
                self._bell,
                slot.hand,
            ),
            name=f"fr-brain-{slot.number}",
        )
        slot.process.start()
        self._running[slot.number] = slot.process

    def _ended(self, slot: _Slot) -> int:
        process = slot.process
        assert process is not None  # noqa: S101 - the caller looked
        process.join()
        code = process.exitcode or 0
        process.close()
        slot.process = None
        self._bell.ring()  # the last one may have been for it
        self._leaves(slot, slot.stopped_for or f"its processor ended: {describe_exit(code)}")
        worked = slot.hand is not None and slot.hand.used
        # On a busy machine the start alone can take longer.
        quick = not worked or time.monotonic() - slot.started < _QUICK_S
        slot.quick_ends = slot.quick_ends + 1 if quick else 0
        pause = min(_LONGEST_PAUSE_S, 0.5 * 2**slot.quick_ends) if quick else 0.0
        slot.start_at = time.monotonic() + pause
        if not self._stopping.stop.is_set():
            self._log.error(
                "processor ended, replacing it",
                processor=slot.number,
                why=slot.stopped_for or describe_exit(code),
                pause_s=pause,
            )
        return code

    def _kill_all(self) -> None:
        for process in list(self._running.values()):
            with contextlib.suppress(ValueError, OSError):  # ended and closed
                process.kill()

    # --- limits ------------------------------------------------------------------------------

    def _look(self, slot: _Slot, process: SpawnProcess) -> None:
        """Kill a processor whose scan in hand is over a limit; keep the claim of one that is
        within, as its own thread cannot while an analyzer's C code holds the interpreter."""
        assert slot.hand is not None  # noqa: S101 - it has been started
        assert process.pid is not None  # noqa: S101 - it has been started
        in_hand = slot.hand.read()
        if resident_mib(process.pid) > self._memory_mib:
            limit = f"memory limit of {self._memory_mib} MiB (BRAIN_MEMORY_MIB)"
            self._kill(slot, process, limit)
        if in_hand is None or not in_hand.began:
            return
        now = time.monotonic()
        took = now - in_hand.began
        if took > self._settings.brain_time_limit_s:
            limit = f"time limit of {self._settings.brain_time_limit_s:g} s (BRAIN_TIME_LIMIT_S)"
            self._kill(slot, process, limit)
        elif (
            min(took, now - slot.prolonged) > self._settings.brain_lease_s / 3
            # A processor that somebody has stopped is to lose its claim: another one takes over.
            and not is_stopped(process.pid)
        ):
            slot.prolonged = now
            with contextlib.suppress(StoreError):
                lease_s = self._settings.brain_lease_s
                self._store.supervision.renew(in_hand.scan_id, slot.owner, in_hand.fence, lease_s)

    @staticmethod
    def _kill(slot: _Slot, process: SpawnProcess, limit: str) -> None:
        # Not terminated: what hangs does not hear of it. What was done in time of its batch and
        # not yet written is done again.
        slot.stopped_for = f"stopped at its {limit}"
        process.kill()

    # --- what a dead processor leaves ----------------------------------------------------------

    def _leaves(self, slot: _Slot, cause: str) -> None:
        # Read when it is dead: what it had in hand then is what it died of.
        in_hand = slot.hand.read() if slot.hand is not None else None
        self._ends.append(_Ended(slot.number, slot.owner, in_hand, cause))

    def _clear_up(self) -> None:
        """The scan in hand gets its cause; the others need not wait for their leases to end."""
        while self._ends:
            end = self._ends[0]
            try:
                if end.in_hand is not None and end.cause:
                    self._blame(end, end.in_hand)
                released = self._store.claims.release(end.owner)
            except StoreError:
                return  # tried again at the next turn; else the leases end by themselves
            self._ends.pop(0)
            if released:
                self._log.info("its scans are 'To Do' again", processor=end.number, scans=released)

    def _blame(self, end: _Ended, in_hand: InHand) -> None:
        who = f"analyzer {in_hand.analyzer}" if in_hand.analyzer else "before the analysis"
        cause = f"{who}: {end.cause}"
        state = self._store.supervision.fail(
            in_hand.scan_id, end.owner, in_hand.fence, cause, self._settings.brain_attempts
        )
        if state is not None:
            log = self._log.error if state is ReportGenerated.ERROR else self._log.warning
            log("no report", scan_id=in_hand.scan_id, cause=end.cause, now=str(state))

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
                self._leaves(slot, "")  # we did it: nobody is to blame
        self._clear_up()


def processor_main(
    settings: BrainSettings, uri: str, owner: str, number: int, bell: Bell, hand: Hand
) -> None:
    """A processor's process, from its start to its exit code."""

    def main() -> int:
        lifecycle = Lifecycle()
        configure(settings.log_level, settings.log_format, "fr-brain", f"fr-brain-{number}")
        log = get_log(processor=number)
        _stop_with_parent(lifecycle, settings.brain_drain_s)
        limit_memory(memory_limit_mib(settings.brain_memory_mib, settings.brain_processes))
        store = DBManager(uri, settings.mongodb_database, settings.mongodb_timeout_s)
        # A processor that waits for work would see the stop later.
        lifecycle.on_stop(bell.ring_once_more)
        try:
            registry = load_analyzers()
            stop = lifecycle.stop
            audit = AuditWriter(
                store.audit_log, "processor", log, durable_s=settings.mongodb_timeout_s, owner=owner
            )
            with contextlib.closing(audit):
                recorded = store.recorded_by(audit)
                Processor(settings, recorded, registry, owner, stop, bell, log, hand).run()
        finally:
            store.close()
        return Exit.OK

    raise SystemExit(run_unit(f"fr brain processor {number}", main))


def _stop_with_parent(stopping: Stop, drain_s: float) -> None:
    """A supervisor that was killed cannot stop its processors: they see it gone, finish what they
    have in hand, and end in time."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        stopping.request_stop()
        time.sleep(drain_s)
        os._exit(Exit.FORCED)

    threading.Thread(target=watch, name="parent", daemon=True).start()
