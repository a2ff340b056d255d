"""Write whole lines to a stream that several processes share.

A write to a pipe is atomic only up to PIPE_BUF (4096 bytes), so longer lines of two processes could
interleave. A POSIX record lock on the stream prevents that. ``flock`` would not, because processes
that inherit the stream share one open file description.
"""

import contextlib
import fcntl
import os
import stat
import threading
import time
from collections.abc import Iterator
from typing import TextIO

LOCK_WAIT_S = 2.0
"""Longest wait for the lock, seconds: a process stopped (SIGSTOP) while it holds the lock must not
silence the others."""

_LOCK_POLL_S = 0.001

_threads = threading.Lock()


def write_line(stream: TextIO, line: str) -> None:
    """Write ``line``, which must end with a newline, without interleaving with other lines."""
    with _threads, _exclusive(stream):
        stream.write(line)
        stream.flush()


@contextlib.contextmanager
def _exclusive(stream: TextIO) -> Iterator[None]:
    fd = _shareable(stream)
    locked = fd is not None and _lock(fd)
    try:
        yield
    finally:
        if fd is not None and locked:
            fcntl.lockf(fd, fcntl.LOCK_UN)


def _shareable(stream: TextIO) -> int | None:
    """The stream's file descriptor; None if a lock is impossible or unwanted.

    A stream in memory has none, and a lock on a device such as /dev/null would affect every process
    of the machine.
    """
    try:
        fd = stream.fileno()
        device = stat.S_ISCHR(os.fstat(fd).st_mode) and not os.isatty(fd)
    except (OSError, ValueError, AttributeError):
        return None
    return None if device else fd


def _lock(fd: int) -> bool:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: another process has it
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOCK_POLL_S)
        except OSError:  # this stream does not support locks
            return False
        else:
            return True
