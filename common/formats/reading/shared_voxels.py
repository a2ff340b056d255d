"""Voxels in memory that a reader process writes and the process that asked maps: never copied.

The child writes them into an anonymous file (memfd_create(2)) that is sealed: it can neither
shrink nor grow. The parent opens it through ``/proc``, checks the seals and the size, and maps it
read-only. Both keep what they have mapped and use it again when nobody refers to the voxels any
more, because new pages take the kernel four times as long as reading a file into them.
"""

import contextlib
import ctypes
import fcntl
import itertools
import mmap
import os
import stat
import weakref
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

KEPT_MAX = 128 << 20
"""Bytes of buffers that a child keeps to use them again, and its parent mapped."""

KEPT_FILES = 16
"""Buffers that a child keeps: it may have few files open, and a buffer takes two of them."""

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_PROT_READ, _MAP_SHARED = 1, 1
_FAILED = ctypes.c_void_p(-1).value
_MAPPINGS = 8  # files that the parent keeps mapped, beside those whose voxels are in use
_SLACK = 2  # a buffer serves voxels of half its size or more

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    ctypes.c_long,
]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


@dataclass(eq=False, slots=True)
class SharedBuffer:
    """Memory that voxels were, or will be, written to; the child's side."""

    serial: int
    """Names it: numbers of descriptors are used again."""
    fd: int
    size: int
    map: mmap.mmap

    def close(self) -> None:
        """Forget it; what others have mapped stays."""
        with contextlib.suppress(BufferError):  # an error still refers to an array
            self.map.close()
        os.close(self.fd)


class SharedBuffers:
    """The buffers of a child: one is written to, some are lent, some wait to be used again."""

    def __init__(self) -> None:
        self.current: SharedBuffer | None = None
        self._serials = itertools.count()
        self._lent: dict[int, SharedBuffer] = {}
        self._free: list[SharedBuffer] = []

    def allocate(self, size: int) -> npt.NDArray[np.uint8]:
        """A buffer of ``size`` bytes, or somewhat more in its file.

        Raises:
            MemoryError: there is not enough memory.
        """
        self.discard()
        fitting = [one for one in self._free if size <= one.size <= size * _SLACK]
        if fitting:
            self.current = min(fitting, key=lambda one: one.size)
            self._free.remove(self.current)
        else:
            if self._is_too_much(size, 1):
                self._drop_free()
            self.current = _new(size, next(self._serials))
        return np.frombuffer(self.current.map, np.uint8, size)

    def lend(self) -> SharedBuffer:
        """Lend the current buffer to the parent. No array may refer to it here."""
        assert self.current is not None  # noqa: S101 - allocated before
        lent, self.current = self.current, None
        self._lent[lent.serial] = lent
        return lent

    def heed(self, mapped: list[int], returned: list[int]) -> None:
        """Take note of what the parent has mapped, and of what it refers to no more.

        What it has mapped it can keep for long; only so much of that stays here, too.
        """
        for serial in returned:
            if buffer := self._lent.pop(serial, None):
                self._free.append(buffer)
        if self._is_too_much():
            self._drop_free()
        for serial in mapped:
            if self._is_too_much() and (buffer := self._lent.pop(serial, None)):
                buffer.close()

    def discard(self) -> None:
        """Take the current buffer back: what was written to it is not wanted."""
        if self.current is not None:
            self._free.append(self.current)
        self.current = None

    def _is_too_much(self, size: int = 0, files: int = 0) -> bool:
        """Whether it keeps more than it may, with so much in addition."""
        kept = [one.size for one in (*self._free, *self._lent.values())]
        return sum(kept) + size > KEPT_MAX or len(kept) + files > KEPT_FILES

    def _drop_free(self) -> None:
        for buffer in self._free:
            buffer.close()
        self._free.clear()


def _new(size: int, serial: int) -> SharedBuffer:
    fd = -1
    try:
        fd = os.memfd_create("voxels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        return SharedBuffer(serial, fd, size, mmap.mmap(fd, size))
    except OSError as error:
        if fd >= 0:
            os.close(fd)
        raise MemoryError from error


class _Mapping:
    """A file that is mapped read-only for as long as anything refers to this. It holds no file
    descriptor: many scans may wait to be sent."""

    def __init__(self, fd: int, size: int) -> None:
        address = _libc.mmap(None, size, _PROT_READ, _MAP_SHARED, fd, 0)
        if address == _FAILED:
            raise OSError(ctypes.get_errno(), "mmap")
        self.address, self.size = address, size
        weakref.finalize(self, _libc.munmap, address, size).atexit = False


class MappedBuffers:
    """What a child has lent; the parent's side.

    Args:
        pid: of the child.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._mappings: dict[tuple[int, int], _Mapping] = {}
        self._mapped: list[int] = []
        self._returned: deque[int] = deque()

    def array(self, fd: int, serial: int, size: int) -> npt.NDArray[np.uint8]:
        """The first ``size`` bytes of what the child has open as ``fd``, read-only.

        Raises:
            ValueError: it is not sealed, or is smaller.
            OSError: it cannot be opened or mapped.
        """
        mapping = self._map(fd, size)
        self._mapped.append(serial)
        memory: Any = (ctypes.c_ubyte * size).from_address(mapping.address)
        # Arrays and views keep ``memory``, the finalizer keeps the mapping until it is gone.
        weakref.finalize(memory, _returned, self._returned, serial, mapping).atexit = False
        array = np.frombuffer(memory, np.uint8)
        array.flags.writeable = False
        return array

    def take_news(self) -> dict[str, list[int]]:
        """What was mapped since the last call, and what nothing here refers to any more."""
        mapped, self._mapped = self._mapped, []
        returned = []
        while self._returned:
            returned.append(self._returned.popleft())
        return {"mapped": mapped, "returned": returned}

    def _map(self, fd: int, size: int) -> _Mapping:
        mine = os.open(f"/proc/{self._pid}/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            info = os.fstat(mine)
            if not stat.S_ISREG(info.st_mode) or info.st_size < size:
                raise ValueError("not the voxels")
            if fcntl.fcntl(mine, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
                raise ValueError("not sealed")
            key = (info.st_dev, info.st_ino)
            mapping = self._mappings.get(key)
            if mapping is None:
                mapping = self._mappings[key] = _Mapping(mine, info.st_size)
                self._bound()
            return mapping
        finally:
            os.close(mine)

    def _bound(self) -> None:
        """Keep no more than the child does, which cannot lend again what it has closed: a mapping
        that is not kept is gone, and its memory free, when nothing refers to its voxels any more.
        """
        while (
            len(self._mappings) > _MAPPINGS
            or sum(one.size for one in self._mappings.values()) > KEPT_MAX
        ):
            self._mappings.pop(next(iter(self._mappings)))


def _returned(serials: "deque[int]", serial: int, _: _Mapping) -> None:
    serials.append(serial)
