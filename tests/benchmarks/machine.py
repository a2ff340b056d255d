"""The machine of a benchmark run, and its CPU steal time."""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]


def describe() -> dict[str, str]:
    """The hardware and software that matter, without the host name."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


class Steal:
    """The share of CPU time that the hypervisor gave to other machines since construction."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def share(self) -> float:
        """The share, 0 to 1."""
        now = psutil.cpu_times()
        total = sum(now) - sum(self._before)
        return (now.steal - self._before.steal) / total if total else 0.0


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time used by these processes and their children, seconds."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            times = one.cpu_times()
            total += times.user + times.system
    return total


def rss_mib(pid: int) -> float:
    """Resident memory of a process, MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def now() -> float:
    """The clock for wall times, seconds."""
    return time.perf_counter()
