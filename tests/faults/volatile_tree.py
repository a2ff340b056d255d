"""A tree of files that forgets, when the power is cut, what was not synced.

The rules are those that POSIX leaves to a program: data and the size of a file are durable after
``fsync`` or ``fdatasync`` of that file, and the names in a directory after ``fsync`` of that
directory. A file system may keep more than that; this one keeps no more.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PIECE = 1 << 20


class Node:
    """A file or a directory: as programs see it now, and as it would be after a power cut."""

    def __init__(self, backing: Path, number: int, mode: int) -> None:
        self.mode = mode
        self.changed_at = time.time()
        self.entries: dict[str, Node] = {}
        self.durable_entries: dict[str, Node] = {}
        self.links = 0
        """In directories, now and durable, together with open handles."""
        self._dirty: list[tuple[int, int]] = []
        self._paths = [backing / f"{number}.{name}" for name in ("now", "durable")]
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
        self._now, self._durable = (
            (-1, -1) if self.is_folder else [os.open(path, flags, 0o600) for path in self._paths]
        )

    @property
    def is_folder(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def size(self) -> int:
        """Bytes, as programs see them."""
        return 0 if self.is_folder else os.fstat(self._now).st_size

    def read(self, size: int, offset: int) -> bytes:
        """Up to ``size`` bytes from ``offset``."""
        return os.pread(self._now, size, offset)

    def write(self, data: bytes, offset: int) -> int:
        """Write; how many bytes."""
        os.pwrite(self._now, data, offset)
        self._touch(offset, offset + len(data))
        return len(data)

    def truncate(self, size: int) -> None:
        """Cut or extend it."""
        before = self.size
        os.ftruncate(self._now, size)
        self._touch(min(before, size), max(before, size))

    def _touch(self, start: int, end: int) -> None:
        self.changed_at = time.time()
        if self._dirty and self._dirty[-1][1] == start:
            start = self._dirty.pop()[0]
        self._dirty.append((start, end))

    def sync(self) -> None:
        """Make it durable: of a file its data and size, of a directory its names."""
        if self.is_folder:
            self.durable_entries = dict(self.entries)
            return
        size = self.size
        os.ftruncate(self._durable, size)
        for start, end in self._dirty:
            _copy(self._now, self._durable, start, min(end, size))
        self._dirty = []

    def cut(self) -> None:
        """Be again as at the last sync."""
        if self.is_folder:
            self.entries = dict(self.durable_entries)
            return
        size = os.fstat(self._durable).st_size
        for start, end in self._dirty:
            _copy(self._durable, self._now, start, min(end, size))
        os.ftruncate(self._now, size)
        self._dirty = []

    def remove(self) -> None:
        """Free what it takes."""
        for descriptor, path in zip((self._now, self._durable), self._paths, strict=True):
            if descriptor >= 0:
                os.close(descriptor)
                path.unlink(missing_ok=True)
        self._now = self._durable = -1


def _copy(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        data = os.pread(source, min(_PIECE, end - start), start)
        if not data:
            data = bytes(min(_PIECE, end - start))  # past the end there are zeros
        os.pwrite(target, data, start)
        start += len(data)


class VolatileTree:
    """The file system. Paths are absolute in it; errors are those of the system calls.

    Args:
        backing: an empty folder for the data.
        lies: whether every sync returns without doing anything, as a disk with a volatile cache
            that ignores flushes.
    """

    def __init__(self, backing: Path, *, lies: bool = False) -> None:
        self._backing = backing
        self._lies = lies
        self._made = 0
        self._root = self._new(stat.S_IFDIR | 0o755)
        self._root.links = 1

    def _new(self, mode: int) -> Node:
        self._made += 1
        return Node(self._backing, self._made, mode)

    # --- names ---------------------------------------------------------------------------------

    def node(self, path: str) -> Node:
        """What is there.

        Raises:
            OSError: nothing is.
        """
        node = self._root
        for name in filter(None, path.split("/")):
            if name not in node.entries:
                raise OSError(errno.ENOENT, path)
            node = node.entries[name]
        return node

    def _parent(self, path: str) -> tuple[Node, str]:
        folder, _, name = path.rstrip("/").rpartition("/")
        return self.node(folder), name

    def make(self, path: str, mode: int) -> Node:
        """A new file, or a directory where ``mode`` says so."""
        parent, name = self._parent(path)
        if name in parent.entries:
            raise OSError(errno.EEXIST, path)
        node = self._new(mode if stat.S_IFMT(mode) else mode | stat.S_IFREG)
        with self._changing(parent):
            parent.entries[name] = node
        return node

    def unlink(self, path: str) -> None:
        """Remove a file, or an empty directory."""
        parent, name = self._parent(path)
        if self.node(path).entries:
            raise OSError(errno.ENOTEMPTY, path)
        with self._changing(parent):
            del parent.entries[name]

    def rename(self, old: str, new: str) -> None:
        """Give it another name; what had that name is replaced."""
        node = self.node(old)
        (source, name), (target, new_name) = self._parent(old), self._parent(new)
        with self._changing(source, target):
            del source.entries[name]
            target.entries[new_name] = node

    # --- durability ----------------------------------------------------------------------------

    def sync(self, node: Node) -> None:
        """``fsync`` of this file or directory."""
        if self._lies:
            return
        with self._changing(node):
            node.sync()

    def cut(self) -> None:
        """The power is lost: everything is again as it was last synced."""
        nodes = self._every()
        with self._changing(*nodes):
            for node in nodes:
                node.cut()

    def _every(self) -> list[Node]:
        """All nodes that a name leads to, now or after a cut."""
        found, left = {id(self._root): self._root}, [self._root]
        while left:
            node = left.pop()
            for child in (*node.entries.values(), *node.durable_entries.values()):
                if id(child) not in found:
                    found[id(child)] = child
                    left.append(child)
        return list(found.values())

    # --- who is still needed -------------------------------------------------------------------

    def hold(self, node: Node) -> None:
        """A handle is open on it."""
        node.links += 1

    def release(self, node: Node) -> None:
        """That handle is closed."""
        node.links -= 1
        if not node.links:
            node.remove()

    @contextlib.contextmanager
    def _changing(self, *folders: Node) -> Iterator[None]:
        """Count the names in these directories anew after a change."""

        def children() -> list[Node]:
            unique = {id(folder): folder for folder in folders}.values()
            return [
                child
                for folder in unique
                for names in (folder.entries, folder.durable_entries)
                for child in names.values()
            ]

        before = children()
        yield
        for child in children():
            self.hold(child)
        for child in before:
            self.release(child)

    def status(self, node: Node) -> dict[str, Any]:
        """What ``stat`` says of it."""
        return {
            "st_mode": node.mode,
            "st_nlink": 2 if node.is_folder else 1,
            "st_size": node.size,
            "st_blocks": (node.size + 511) // 512,
            "st_uid": os.getuid(),
            "st_gid": os.getgid(),
            **dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), int(node.changed_at * 1e9)),
        }
