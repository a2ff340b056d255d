"""Units as processes of their own, kept running: what is killed is started again at once."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import points
from tests.processes import ROOT, environment, peak_memory_mib

STOPPED_IN_TIME_S = 40.0
"""More than any unit's own time for stopping in order, on a busy machine."""

_CHECK_S = 0.02
_DEAD_S = 10.0  # of a killed process on a busy machine: until it is gone
_SAMPLE_S = 0.5
_LINE = 400
_SIGKILLED = -signal.SIGKILL


@dataclass
class Slot:
    """A unit's place: the unit that runs there now, and those before it."""

    name: str
    unit: str
    folder: Path
    settings: dict[str, str]
    wanted: bool = False
    once: bool = False
    """Whether it ends when it has done its work; it is started again only after a kill."""
    process: subprocess.Popen[bytes] | None = None
    started: list[float] = field(default_factory=list)
    """When its processes were started, by ``time.monotonic()``."""
    kills: int = 0
    ends: list[str] = field(default_factory=list)
    """How units ended though nobody killed them: the exit code, and the last line of the log."""
    log_at_start: int = 0
    peak_mib: float = 0.0
    """The most memory that a process of the unit itself has had."""
    processor_peak_mib: float = 0.0
    """The most that one of its processors has had."""

    @property
    def log(self) -> Path:
        """The log of this process and of those before it."""
        return self.folder / f"{self.name}.log"

    @property
    def last_line(self) -> str:
        """The end of the log."""
        with contextlib.suppress(OSError, IndexError):
            return self.log.read_text(errors="replace").splitlines()[-1][-_LINE:]
        return "nothing logged"

    @property
    def records(self) -> Path:
        """What its recorders write, with a suffix for each kind."""
        return self.folder / f"{self.name}.records"

    @property
    def points(self) -> Path:
        """Where its fail points are armed."""
        return self.folder / "points" / self.name

    @property
    def ready(self) -> bool:
        """Whether it runs and has logged a line, so its imports are done."""
        process = self.process
        if process is None or process.poll() is not None:
            return False
        with contextlib.suppress(OSError):
            return self.log.stat().st_size > self.log_at_start
        return False

    def pids(self) -> list[int]:
        """The unit and its processors."""
        process = self.process
        if process is None or process.poll() is not None:
            return []
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            return [process.pid, *map(int, children.split())]
        return [process.pid]

    def processors(self) -> list[int]:
        """Those that Fr-BRAIN has spawned."""
        found = []
        for pid in self.pids()[1:]:
            with contextlib.suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found


class Cluster:
    """Slots with a thread that keeps them filled."""

    def __init__(self, folder: Path, bug: str = "") -> None:
        self.folder = folder
        self.completions = folder / "completions.jsonl"
        self.slots: dict[str, Slot] = {}
        self._bug = bug
        self._lock = threading.RLock()
        self._closing = threading.Event()
        # Units stop by themselves when this process is gone, however it went.
        self._lifeline, self._held = os.pipe()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._keeper.start()
        self._sampler = threading.Thread(target=self._sample, name="sampler", daemon=True)
        self._sampler.start()

    def add(self, name: str, unit: str, **settings: str) -> Slot:
        """A place for a unit; it is not started yet."""
        slot = self.slots[name] = Slot(name, unit, self.folder, settings)
        slot.points.mkdir(parents=True, exist_ok=True)
        return slot

    def of(self, unit: str) -> list[Slot]:
        """The places of this unit that run as long as their world."""
        return [slot for slot in self.slots.values() if slot.unit == unit and not slot.once]

    def start(self, *slots: Slot) -> None:
        """Start them, and from now on again whenever they end."""
        for slot in slots:
            with self._lock:
                slot.wanted = True
                if slot.process is None or slot.process.poll() is not None:
                    self._spawn(slot)

    def _spawn(self, slot: Slot) -> None:
        with slot.log.open("ab") as log:
            slot.log_at_start = log.tell()
            slot.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.unit"],
                cwd=ROOT,
                env=environment(
                    **slot.settings,
                    LIFELINE_FD=str(self._lifeline),
                    FAULTS_UNIT=slot.unit,
                    FAULTS_POINTS=str(slot.points),
                    FAULTS_COMPLETIONS=str(self.completions),
                    FAULTS_RECORDS=str(slot.records),
                    FAULTS_BUG=self._bug,
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(self._lifeline,),
                start_new_session=True,
            )
        slot.started.append(time.monotonic())

    def _keep(self) -> None:
        while not self._closing.wait(_CHECK_S):
            for slot in list(self.slots.values()):
                with self._lock:
                    if not slot.wanted or slot.process is None or slot.process.poll() is None:
                        continue
                    if slot.process.returncode != _SIGKILLED:
                        if slot.once:
                            slot.wanted = False
                            continue
                        slot.ends.append(f"exit code {slot.process.returncode}, {slot.last_line}")
                    self._spawn(slot)

    def _sample(self) -> None:
        while not self._closing.wait(_SAMPLE_S):
            for slot in list(self.slots.values()):
                for pid in slot.pids()[:1]:
                    slot.peak_mib = max(slot.peak_mib, _peak_mib(pid))
                for pid in slot.processors():
                    slot.processor_peak_mib = max(slot.processor_peak_mib, _peak_mib(pid))

    # --- ill-treatment -------------------------------------------------------------------------

    def kill(self, slot: Slot, *, with_processors: bool = True) -> None:
        """SIGKILL. Processors whose Fr-BRAIN is killed alone stop by themselves."""
        with self._lock:
            pids = slot.pids()
            for pid in pids if with_processors else pids[:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if pids and slot.process is not None:
                # Until then it would still seem to run.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    slot.process.wait(_DEAD_S)
            slot.kills += bool(pids)

    def signal_all(self, slot: Slot, number: int) -> None:
        """Send a signal to the unit and its processors, such as SIGSTOP."""
        with self._lock:
            for pid in slot.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def stop(self, *slots: Slot) -> list[int]:
        """SIGTERM; their exit codes. They are not started again."""
        with self._lock:
            for slot in slots:
                slot.wanted = False
                assert slot.process is not None
                slot.process.terminate()
        return [slot.process.wait(STOPPED_IN_TIME_S) for slot in slots if slot.process is not None]

    def restart(self, *slots: Slot, **settings: str) -> list[int]:
        """Stop in order, start with these settings changed; the exit codes."""
        codes = self.stop(*slots)
        for slot in slots:
            slot.settings.update(settings)
        self.start(*slots)
        return codes

    def arm(self, slot: Slot, point: str, action: str = "kill", passes: int = 1) -> None:
        """Have it end or stop at a fail point."""
        points.arm(slot.points, point, action, passes)

    def wait_ready(self, *slots: Slot, within_s: float = 60.0) -> None:
        """Wait until each of these has logged a line."""
        deadline = time.monotonic() + within_s
        while not all(slot.ready for slot in slots or self.slots.values()):
            assert time.monotonic() < deadline, "units do not start; see their logs"
            time.sleep(0.05)

    def close(self) -> None:
        """Kill what runs."""
        self._closing.set()
        self._keeper.join()
        self._sampler.join()
        for slot in self.slots.values():
            slot.wanted = False
            self.kill(slot)
            if slot.process is not None:
                slot.process.wait(10)
        for fd in (self._lifeline, self._held):
            os.close(fd)


def _peak_mib(pid: int) -> float:
    try:
        return peak_memory_mib(pid)
    except (OSError, AssertionError):  # it has just ended
        return 0.0
