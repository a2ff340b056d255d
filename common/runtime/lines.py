"""Whole lines on a stream that several processes share.

The kernel keeps a write to a pipe in one piece only up to PIPE_BUF (4096 bytes), so a longer line
of one process could be cut by a line of another. A POSIX record lock on the stream keeps them
apart; ``flock`` would not, as processes that inherited the stream share one open file description.
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
"""A process that was stopped (SIGSTOP) while it held the lock must not silence the others."""

_LOCK_POLL_S = 0.001

_threads = threading.Lock()


def write_line(stream: TextIO, line: str) -> None:
    """Write ``line``, which ends with a newline, without cutting or being cut by another."""
    with _threads, _alone_on(stream):
        stream.write(line)
        stream.flush()


@contextlib.contextmanager
def _alone_on(stream: TextIO) -> Iterator[None]:
    fd = _shareable(stream)
    locked = fd is not None and _lock(fd)
    try:
        yield
    finally:
        if fd is not None and locked:
            fcntl.lockf(fd, fcntl.LOCK_UN)


def _shareable(stream: TextIO) -> int | None:
    """The stream's descriptor; None in memory and on devices such as /dev/null, where a lock would
    meet every process of the machine."""
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
        except OSError:  # this stream has no locks
            return False
        else:
            return True
