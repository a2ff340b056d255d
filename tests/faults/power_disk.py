"""A disk that can lose power: ``VolatileTree`` mounted with FUSE, in a separate process.

``python -m tests.faults.power_disk BACKING FOLDER [lies]`` mounts it; a line ``cut`` on its
standard input cuts the power, and the end of its input unmounts it.
"""

import contextlib
import ctypes.util
import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.volatile_tree import Node, VolatileTree
from tests.processes import ROOT, environment

_MOUNTED_S = 30.0
_SYNCED = os.O_SYNC | os.O_DSYNC


def missing() -> str:
    """What this machine lacks for such a disk; '' if nothing."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened"
    if shutil.which("fusermount3") is None or ctypes.util.find_library("fuse3") is None:
        return "FUSE is missing (Debian's package fuse3)"
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        return f"mfusepy cannot be used: {error}"
    return ""


class PowerDisk:
    """The disk as the harness holds it; ``folder`` is where it is mounted."""

    def __init__(self, folder: Path, backing: Path, *, lies: bool = False) -> None:
        self.folder = folder
        for path in (folder, backing):
            path.mkdir(parents=True)
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.power_disk", str(backing), str(folder)),
                *(["lies"] if lies else []),
            ],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + _MOUNTED_S
        while not os.path.ismount(folder):
            assert self._process.poll() is None, "the disk cannot be mounted: see above"
            assert time.monotonic() < deadline, "the disk is not mounted in time"
            time.sleep(0.02)

    def cut(self) -> None:
        """Lose the power; nothing may be using the disk. When this returns, it is back."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("cut\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "cut\n", "the disk has ended"

    def close(self) -> None:
        """Unmount it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            _unmount(self.folder)
        self._process.stdout.close()


@contextlib.contextmanager
def power_disk(folder: Path, backing: Path, *, lies: bool = False) -> Iterator[PowerDisk]:
    """Such a disk, unmounted afterwards."""
    disk = PowerDisk(folder, backing, lies=lies)
    try:
        yield disk
    finally:
        disk.close()


def _unmount(folder: Path) -> None:
    command = ["fusermount3", "-u", "-z", str(folder)]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)


class Served:
    """The operations, as mfusepy calls them. Errors are OSErrors."""

    use_ns = True

    def __init__(self, tree: VolatileTree) -> None:
        self.tree = tree
        self.guard = threading.RLock()
        self._handles: dict[int, tuple[Node, bool]] = {}
        self._last = 0

    def _handle(self, node: Node, flags: int = 0) -> int:
        self._last += 1
        self._handles[self._last] = node, bool(flags & _SYNCED)
        self.tree.hold(node)
        return self._last

    def _at(self, path: str, fh: int | None) -> Node:
        return self._handles[fh][0] if fh else self.tree.node(path)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        with self.guard:
            return self.tree.status(self._at(path, fh))

    def readdir(self, path: str, fh: int) -> list[str]:
        del fh
        with self.guard:
            return [".", "..", *self.tree.node(path).entries]

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        del fi
        with self.guard:
            return self._handle(self.tree.make(path, stat.S_IFREG | mode))

    def open(self, path: str, flags: int) -> int:
        with self.guard:
            return self._handle(self.tree.node(path), flags)

    def release(self, path: str, fh: int) -> int:
        del path
        with self.guard:
            node, _ = self._handles.pop(fh)
            self.tree.release(node)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        with self.guard:
            return self._at(path, fh).read(size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        del path
        with self.guard:
            node, synced = self._handles[fh]
            written = node.write(data, offset)
            if synced:
                self.tree.sync(node)
            return written

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        with self.guard:
            self._at(path, fh).truncate(length)
        return 0

    def fallocate(self, path: str, mode: int, offset: int, size: int, fh: int) -> int:
        if mode:
            raise OSError(errno.EOPNOTSUPP, path)
        with self.guard:
            node = self._at(path, fh)
            if offset + size > node.size:
                node.truncate(offset + size)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        del datasync
        with self.guard:
            self.tree.sync(self._at(path, fh))
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        del datasync, fh
        with self.guard:
            self.tree.sync(self.tree.node(path))
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        with self.guard:
            self.tree.make(path, stat.S_IFDIR | mode)
        return 0

    def rmdir(self, path: str) -> int:
        with self.guard:
            self.tree.unlink(path)
        return 0

    unlink = rmdir

    def rename(self, old: str, new: str) -> int:
        with self.guard:
            self.tree.rename(old, new)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        with self.guard:
            node = self.tree.node(path)
            node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        del path
        free = (8 << 30) // 4096
        sizes = dict.fromkeys(("f_blocks", "f_bfree", "f_bavail"), free)
        return {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": 255, **sizes}


def _serve(backing: Path, folder: Path, *, lies: bool) -> None:
    import mfusepy

    served = Served(VolatileTree(backing, lies=lies))

    def listen() -> None:
        for line in sys.stdin:
            if line == "cut\n":
                with served.guard:
                    served.tree.cut()
                sys.stdout.write("cut\n")
                sys.stdout.flush()
        _unmount(folder)

    threading.Thread(target=listen, daemon=True).start()
    # No attribute or name is cached by the kernel: after a cut they are others. It drops a file's
    # pages when the file is opened again.
    no_cache = {"attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0}
    mfusepy.FUSE(served, str(folder), foreground=True, nothreads=True, fsname="power", **no_cache)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(sys.argv[2]), lies="lies" in sys.argv[3:])
