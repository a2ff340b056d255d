"""Start and stop of a process: the only room with signals, and the meaning of exit codes.

The first SIGINT or SIGTERM stops in order, a second one at once. A signal's handler runs between
any two bytecodes of the main thread, where taking a lock can deadlock; so signals are read as
bytes from a pipe by a thread of their own.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the units."""

    OK = 0
    # Ran, but something is missing: a scan failed, a gap in the store.
    FAILED = 1
    # A setting or the command line is wrong: starting again cannot help.
    USAGE = 2
    # What it needs for itself is held by another process (a port, a lock).
    TAKEN = 3
    # What it needs refuses it or cannot be started (MongoDB's login, no mongod).
    UNUSABLE = 4
    # Stopped at once by a second signal.
    FORCED = 130


SAME_S = 0.5
"""Signals this close are one request: who signals a whole process group (``timeout``, a service
manager) reaches this process, and reaches it again through the ``make`` that started it."""

NO_USE_TO_RESTART = frozenset({Exit.USAGE, Exit.TAKEN, Exit.UNUSABLE})


class Stop:
    """Tells the parts of a process when it is time to stop: ``stop`` is set."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call this once when it is time to stop, from a thread of its own; now if it was."""
        with self._lock:
            if not self.stop.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def on_force(self, callback: Callable[[], None]) -> None:
        """Call this before the process is ended at once; here nothing does that."""

    def request_stop(self) -> None:
        """Stop in order, as the first signal does. Idempotent."""
        with self._lock:
            self.stop.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class Lifecycle(Stop):
    """Stops at signals and at the end of the lifeline. One per process, made in its main thread."""

    def __init__(self, lifeline_fd: int | None = None) -> None:
        super().__init__()
        self._on_force: list[Callable[[], None]] = []
        _own_the_terminal()
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self._spawn("signals", self._read_signals, read_end)
        if lifeline_fd is not None:
            os.set_inheritable(lifeline_fd, False)
            self._spawn("lifeline", self._read_lifeline, lifeline_fd)

    @staticmethod
    def _spawn(name: str, target: Callable[[int], None], fd: int) -> None:
        threading.Thread(target=target, args=(fd,), name=name, daemon=True).start()

    def _read_signals(self, read_end: int) -> None:
        wanted = {signal.SIGINT, signal.SIGTERM}
        first: float | None = None
        while True:
            for number in os.read(read_end, 64):
                if number not in wanted:
                    continue
                if first is not None:
                    if time.monotonic() - first > SAME_S:
                        self._force()
                    continue
                first = time.monotonic()
                # Not here: a callback that hangs must not keep the second signal from being read.
                threading.Thread(target=self.request_stop, name="stop", daemon=True).start()

    def on_force(self, callback: Callable[[], None]) -> None:
        """Call this before a second signal ends the process at once: it must not wait."""
        self._on_force.append(callback)

    def _force(self) -> None:
        for callback in self._on_force:
            with contextlib.suppress(Exception):
                callback()
        os._exit(Exit.FORCED)

    def _read_lifeline(self, fd: int) -> None:
        # Nothing is ever written: read returns when the launcher is gone, however it went.
        while os.read(fd, 64):
            pass
        self.request_stop()


def _own_the_terminal() -> None:
    """Have Ctrl-C reach this process and not the ``make`` that started it.

    make dies of a Ctrl-C whatever its child makes of it, so an orderly stop would not exit with
    0. As a foreground process group of its own, the child alone gets the signal.
    """
    with contextlib.suppress(OSError, ValueError):  # no terminal: nothing to own
        terminal = sys.stdin.fileno()
        group = os.getpgrp()
        if os.tcgetpgrp(terminal) != group or group == os.getpid():
            return
        # Without this, handing the terminal back from the background would stop us; and Ctrl-Z
        # would stop us behind the back of a shell that watches make.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
        atexit.register(os.tcsetpgrp, terminal, group)


def describe_exit(code: int) -> str:
    """In words: ``'exit 3'``, ``'killed by SIGKILL'`` (negative codes, as subprocess has them)."""
    if code >= 0:
        return f"exit {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
