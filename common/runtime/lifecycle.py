"""Start and stop of a process, and its exit codes. No other module handles signals.

The first SIGINT or SIGTERM shuts the process down cleanly, a second one stops it immediately.
A signal handler may run between any two bytecodes of the main thread, where taking a lock can
deadlock. Therefore a separate thread reads the signals as bytes from a pipe.
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

from common.runtime import output


class Exit(IntEnum):
    """Exit codes of the units."""

    OK = 0
    # Ran, but incompletely: a scan failed, or the store has a gap.
    FAILED = 1
    # A setting or the command line is invalid: a restart cannot help.
    USAGE = 2
    # Another process holds a port or a lock that it needs.
    TAKEN = 3
    # MongoDB refuses the login, or mongod cannot be started.
    UNUSABLE = 4
    # Stopped immediately by a second signal.
    FORCED = 130


IGNORED_SIGNAL = int(signal.SIGURG)
"""A signal that does nothing, for those who must name one to the kernel and need none."""

SAME_S = 0.5
"""Signals within this time count as one request, seconds: a signal to the process group (by
``timeout`` or a service manager) arrives twice, directly and through the ``make`` above."""

FLUSH_S = 0.2
"""How long an immediate stop waits for a reader of the log that takes nothing, seconds."""

DO_NOT_RESTART = frozenset({Exit.USAGE, Exit.TAKEN, Exit.UNUSABLE})


class Stop:
    """Asks the parts of a process to stop: sets ``stop`` and runs callbacks."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Run a callback once, in a separate thread, at the stop request; at once if it came."""
        with self._lock:
            if not self.stop.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def on_force(self, callback: Callable[[], None]) -> None:
        """Run a callback before a forced exit; unused here, as only ``Lifecycle`` forces one."""

    def request_stop(self) -> None:
        """Request a clean shutdown, as the first signal does. Idempotent."""
        with self._lock:
            self.stop.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class Lifecycle(Stop):
    """Requests a stop on a signal, or when the lifeline closes.

    Create one per process, in its main thread.
    """

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
                # In another thread, so that a hanging callback cannot block the second signal.
                threading.Thread(target=self.request_stop, name="stop", daemon=True).start()

    def on_force(self, callback: Callable[[], None]) -> None:
        """Run a callback before a second signal ends the process; it must not block."""
        self._on_force.append(callback)

    def _force(self) -> None:
        for callback in self._on_force:
            with contextlib.suppress(Exception):
                callback()
        output.flush(FLUSH_S)
        os._exit(Exit.FORCED)

    def _read_lifeline(self, fd: int) -> None:
        # Nothing is ever written, so read returns when the launcher has exited for any reason.
        while os.read(fd, 64):
            pass
        self.request_stop()


def _own_the_terminal() -> None:
    """Make Ctrl-C reach this process, but not the ``make`` that started it.

    make fails on Ctrl-C even if its child exits with 0. As a separate foreground process group,
    only the child receives the signal.
    """
    with contextlib.suppress(OSError, ValueError):  # there is no terminal
        terminal = sys.stdin.fileno()
        group = os.getpgrp()
        if os.tcgetpgrp(terminal) != group or group == os.getpid():
            return
        # SIGTTOU would stop this process when it hands the terminal back. Ctrl-Z would stop it
        # unnoticed by the shell, which waits for make.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
        atexit.register(os.tcsetpgrp, terminal, group)


def describe_exit(code: int) -> str:
    """Describe an exit code of ``subprocess``: ``'exit 3'``, or ``'killed by SIGKILL'`` for -9."""
    if code >= 0:
        return f"exit {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
