"""Whether somebody is still writing a file."""

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from typing import NamedTuple

from common.runtime.lifecycle import IGNORED_SIGNAL


class FileState(NamedTuple):
    """A file at one moment."""

    size: int
    """Bytes."""
    mtime_ns: int
    """When it was last written, ns since the epoch."""
    being_written: bool = False
    """Whether a process of this machine has it open for writing; False where that is unknown, as
    with files of other users and on network file systems."""


def state_of(path: Path) -> FileState | None:
    """The state of a file; None if there is no regular file, or nothing says what it is.

    The file is opened, because a network file system may answer from its cache otherwise.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wake its writer
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return _closed_state(path)
    except OSError:
        return None
    try:
        info = os.fstat(descriptor)
        return FileState(info.st_size, info.st_mtime_ns, _is_being_written(descriptor))
    finally:
        os.close(descriptor)


def _closed_state(path: Path) -> FileState | None:
    """The state of a file that cannot be opened: reading it will say why."""
    with contextlib.suppress(OSError):
        info = path.stat()
        return FileState(info.st_size, info.st_mtime_ns)
    return None


def _is_being_written(descriptor: int) -> bool:
    """Linux grants a read lease (fcntl(2)) only on a file that nobody has open for writing."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        # Somebody who opens the file before the lease is released would have SIGIO end this
        # process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, IGNORED_SIGNAL)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # the file of another user, or a file system without leases
        return False
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
