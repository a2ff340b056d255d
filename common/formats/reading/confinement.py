"""What a reader process takes from itself before it sees the first file. Linux only in part.

Everywhere: limits of memory, processor time, files and core dumps (setrlimit(2)). On Linux with
x86-64 or ARM64, a seccomp(2) filter too, which no later system call can lift: no sockets, no
other programs or processes, no file opened for writing, nothing renamed, removed or made, no
signal to another process. Where the kernel permits no filter, ``confine`` says so.
"""

import ctypes
import os
import platform
import resource
import sys
import time
from pathlib import Path
from struct import pack

from common.formats.reading.budgets import memory_bytes

_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_OPEN_FILES = 64
_EPERM, _ENOSYS = 1, 38
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_X32 = 0x40000000

_SYSCALLS: dict[str, tuple[int, dict[str, int], tuple[int, ...]]] = {
    # machine: its number (linux/audit.h), the calls that are looked at, and those that are denied
    "x86_64": (
        0xC000003E,
        {"open": 2, "openat": 257, "prlimit64": 302, "tgkill": 234, "clone3": 435, "openat2": 437},
        (
            *(29, 41, 42, 43, 44, 46, 49, 50, 53, 56, 57, 58, 59, 62, 64, 68, 76, 82, 83, 84, 85),
            *(86, 87, 88, 90, 91, 92, 93, 94, 101, 133, 161, 165, 166, 175, 188, 189, 190, 200),
            *(248, 249, 250, 258, 259, 260, 263, 264, 265, 266, 268, 272, 280, 288, 298, 304, 307),
            *(308, 310, 311, 312, 313, 316, 321, 322, 323, 425, 434, 438),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        {"openat": 56, "prlimit64": 261, "tgkill": 131, "clone3": 435, "openat2": 437},
        (
            *(5, 6, 7, 33, 34, 35, 36, 37, 38, 39, 40, 45, 51, 52, 53, 54, 55, 88, 97, 105, 117),
            *(129, 130, 186, 190, 194, 198, 199, 200, 201, 202, 203, 206, 211, 217, 218, 219, 220),
            *(221, 241, 242, 265, 268, 269, 270, 271, 272, 273, 276, 280, 281, 282, 425, 434, 438),
        ),
    ),
}
"""By number, as in the kernel's tables: sockets; new processes and programs; signals; names and
modes of files; mounts and namespaces; keys; other processes' memory; io_uring; BPF; modules."""


def confine(max_bytes: int) -> bool:
    """Limit this process for good; whether the filter of system calls is in place, too.

    Args:
        max_bytes: the largest volume that it will read.
    """
    # The address space of the libraries is mostly never used: only what is used counts.
    space, resident = _memory()
    limit = space - resident + memory_bytes(max_bytes)
    _limit(resource.RLIMIT_AS, limit)
    _limit(resource.RLIMIT_FSIZE, memory_bytes(max_bytes))  # of the memory that is shared
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_NPROC, 0)
    return sys.platform == "linux" and _filter_calls()


def limit_cpu(seconds: float) -> None:
    """End this process (SIGXCPU) when it has used so much more processor time."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (_least(soft, hard), hard))


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = _least(most, hard)
    resource.setrlimit(kind, (most, most))


def _least(wanted: int, hard: int) -> int:
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _memory() -> tuple[int, int]:
    """Address space and resident memory of this process, bytes."""
    try:
        space, resident, *_ = map(int, Path("/proc/self/statm").read_text().split())
    except OSError:
        return 0, 0
    return space * resource.getpagesize(), resident * resource.getpagesize()


def _filter_calls() -> bool:
    known = _SYSCALLS.get(platform.machine())
    if known is None:
        return False
    program = _program(*known, os.getpid())
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = pack("@HP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    none = ctypes.c_ulong(0)
    if libc.prctl(_NO_NEW_PRIVS, ctypes.c_ulong(1), none, none, none):
        return False
    return not libc.prctl(_SET_SECCOMP, _FILTER, ctypes.c_char_p(filter_), none, none)


def _program(machine: int, named: dict[str, int], denied: tuple[int, ...], pid: int) -> bytes:
    """The filter in classic BPF (linux/filter.h), over ``struct seccomp_data``."""
    number, arch = 0, 4
    code = [
        _load(arch),
        *_unless_equal(machine, _deny(_EPERM)),
        _load(number),
        *_if_at_least(_X32, _deny(_EPERM)),
    ]
    for call in denied:
        code += _if_equal(call, _deny(_EPERM))
    for name in ("clone3", "openat2"):  # libraries then use the older calls
        code += _if_equal(named[name], _deny(_ENOSYS))
    for name, argument in (("open", 1), ("openat", 2)):
        if name in named:
            code += _argument(named[name], argument, _if_any(_WRITES, _deny(_EPERM)))
    code += _argument(named["prlimit64"], 0, _unless_equal(0, _deny(_EPERM)))
    code += _argument(named["tgkill"], 0, _unless_equal(pid, _deny(_EPERM)))
    return b"".join([*code, _ALLOW])


def _statement(operation: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return pack("=HBBI", operation, yes, no, value)


_ALLOW = _statement(0x06, 0x7FFF0000)


def _deny(errno: int) -> bytes:
    return _statement(0x06, 0x00050000 | errno)


def _load(offset: int) -> bytes:
    return _statement(0x20, offset)


def _if_equal(value: int, then: bytes) -> list[bytes]:
    return [_statement(0x15, value, 0, 1), then]


def _unless_equal(value: int, then: bytes) -> list[bytes]:
    return [_statement(0x15, value, 1, 0), then]


def _if_at_least(value: int, then: bytes) -> list[bytes]:
    return [_statement(0x35, value, 0, 1), then]


def _if_any(bits: int, then: bytes) -> list[bytes]:
    return [_statement(0x45, bits, 0, 1), then]


def _argument(call: int, place: int, check: list[bytes]) -> list[bytes]:
    """Check the lower half of an argument of one call, which is allowed otherwise."""
    body = [_load(16 + 8 * place), *check, _ALLOW]
    return [_statement(0x15, call, 0, len(body)), *body]
