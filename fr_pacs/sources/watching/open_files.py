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
    """The state of a file; None if there is no regular file.

    A file that cannot be looked at, as when its server does not answer, counts as being written: it
    is not gone, and may be as before soon.

    The file is opened, because a network file system may answer from its cache otherwise.
    """
    try:
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):  # opening a pipe would wake its writer
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return FileState(0, 0, being_written=True)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:  # reading it will say why
        return FileState(before.st_size, before.st_mtime_ns)
    except OSError:
        return FileState(before.st_size, before.st_mtime_ns, being_written=True)
    try:
        info = os.fstat(descriptor)
        return FileState(info.st_size, info.st_mtime_ns, _is_being_written(descriptor))
    finally:
        os.close(descriptor)


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
