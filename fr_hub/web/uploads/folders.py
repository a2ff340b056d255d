"""The folder of this process for the files of uploads, and those that killed processes left.

Each process has a folder, ``DATA_DIR/web/uploads/<instance>``, which it locks: the kernel unlocks
it however the process ends, so whoever gets the lock of another folder may remove that.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from pathlib import Path

_LOCK = "lock"


class InstanceFolder:
    """The folder of this process; made here.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, data_dir: Path) -> None:
        self._above = data_dir.expanduser() / "web" / "uploads"
        self._above.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._above.chmod(0o700)
        while True:
            self.instance = secrets.token_hex(6)
            self.path = self._above / self.instance
            self.path.mkdir(mode=0o700)
            lock = _locked(self.path)
            if lock is not None:
                self._lock = lock
                break

    def sweep(self) -> int:
        """Remove the folders whose processes have ended; returns their number."""
        removed = 0
        for folder in self._above.iterdir():
            if folder == self.path or folder.is_symlink() or not folder.is_dir():
                continue
            lock = _locked(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
                removed += 1
        return removed

    def close(self) -> None:
        """Remove the folder. Idempotent."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the lock of a folder; None if another process has it, or removed the
    folder meanwhile."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            here = (folder / _LOCK).stat()
            if here.st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except OSError:
            pass
        os.close(descriptor)
    return None
