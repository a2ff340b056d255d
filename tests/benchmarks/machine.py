"""The machine that a benchmark ran on, and how much of it others took."""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]


def describe() -> dict[str, str]:
    """What matters of this machine; no name of it."""
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
    """The share of processor time that the hypervisor gave to others, since it was made."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def share(self) -> float:
        """0 to 1."""
        now = psutil.cpu_times()
        total = sum(now) - sum(self._before)
        return (now.steal - self._before.steal) / total if total else 0.0


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time that these processes and their children have used, seconds."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            times = one.cpu_times()
            total += times.user + times.system
    return total


def rss_mib(pid: int) -> float:
    """Memory that a process has now, MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def now() -> float:
    """The clock of all wall times."""
    return time.perf_counter()
