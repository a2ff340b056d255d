"""Memory limits of processors, and what ``/proc`` says about a process."""

import contextlib
import os
import resource
from pathlib import Path

MIB = 2**20
_LEAST_MIB = 512
_SHARE = 0.75
"""Part of the machine's memory for all processors together, if no limit is set."""

_CGROUPS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_limit_mib(wanted: int | None, processes: int) -> int:
    """The memory limit of one processor, in MiB.

    Args:
        wanted: the configured limit, which is returned unchanged.
        processes: without a configured limit, this many processors share three quarters of the
            machine's (or its container's) memory, at least 512 MiB each.
    """
    if wanted is not None:
        return wanted
    return max(_LEAST_MIB, int(_machine_bytes() * _SHARE / processes) // MIB)


def _machine_bytes() -> int:
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            sizes.append(int(path.read_text()))
    return min(sizes)


def limit_memory(limit_mib: int) -> None:
    """Limit what this process can allocate from now on. Beyond it Python and NumPy raise
    MemoryError, and code that does not expect it ends the process.

    ``RLIMIT_DATA`` limits the data segment (heap, anonymous mappings, stacks) and not the address
    space, of which libraries reserve far more than they use.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (limit_mib * MIB, limit_mib * MIB))


def resident_mib(pid: int) -> float:
    """Memory of a process that no file backs, in MiB; 0 if the process has ended.

    It includes shared and swapped-out memory, which ``limit_memory`` does not count.
    """
    total = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")):
                total += int(line.split()[1])
    return total / 1024


def is_stopped(pid: int) -> bool:
    """Whether a process is suspended (by SIGSTOP or a debugger)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    return False
