"""Memory use of Fr-HUB by number of connections and by size of scans."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

from common.wire.blocking_connection import Channel
from common.wire.protocol import Side
from tests.benchmarks.figures import Figures, Goal
from tests.benchmarks.machine import now, rss_mib
from tests.benchmarks.units import Bench, units
from tests.processes import peak_memory_mib
from tests.running import POLICY

_SIDES = {1: 80, 14: 190, 64: 322, 268: 512}
"""Size of an int16 cube in MB, and its edge in voxels."""
_MEMORY_MIB = 64
AT_ONCE = "connected at once, s"


def connected(count: int) -> str:
    """Subject name."""
    return f"{count:,} connections, idle"


def scans(megabytes: int) -> str:
    """Subject name."""
    return f"scans of {megabytes} MB, HUB_MEMORY_MIB={_MEMORY_MIB}"


class Memory:
    """Resident memory of the Fr-HUB process, MiB."""

    name = "memory"
    title = "Memory of Fr-HUB"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.samples: dict[str, list[float]] = {}
        self.rounds = 1
        self._connections = (1, 100, 1_000)
        self._sizes = (1, 14, 64) if bench.quick else (1, 14, 64, 268)
        largest = scans(self._sizes[-1])
        self.goals = (
            Goal("peak with the largest scans over idle, of HUB_MEMORY_MIB",
                 (largest, "grown, of the setting"), None, 3, 2, below=True),
            Goal(f"{self._connections[-1]:,} connections made at once, s",
                 (connected(self._connections[-1]), AT_ONCE), None, 10, 5, below=True),
        )  # fmt: skip

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Numbers of connections, then sizes of scans."""
        every: dict[str, Callable[[], Figures]] = {
            connected(count): lambda count=count: self.connections(count)  # type: ignore[misc]
            for count in self._connections
        }
        for size in self._sizes:
            every[scans(size)] = lambda size=size: self.scans(size)  # type: ignore[misc]
        return every

    def close(self) -> None:
        """Nothing to release."""

    def connections(self, count: int) -> Figures:
        """Idle connections after the handshake; all lost, and made again at the same moment."""
        many = {"HUB_CONNECTIONS": "2000", "HUB_CONNECTIONS_EACH": "2000"}
        with units(self._bench, **many) as ours:
            hub = ours.start("fr_hub")

            def greeted(_: int) -> Channel:
                address = ("127.0.0.1", ours.hub_port)
                channel = Channel.connect(address, Side.SCAN_SENDER, 1 << 20, 60, 10, POLICY)
                channel.greet("pacs-1")
                return channel

            with ExitStack() as stack:
                for n in range(count):
                    stack.callback(greeted(n).close)
                idle = rss_mib(hub)
            with ThreadPoolExecutor(count) as threads, ExitStack() as stack:
                began = now()
                for channel in threads.map(greeted, range(count)):
                    stack.callback(channel.close)
                return {"MiB": idle, AT_ONCE: now() - began}

    def scans(self, megabytes: int) -> Figures:
        """Four connections that send as fast as possible."""
        side = _SIDES[megabytes]
        path = self._bench.folder / f"cube-{side}.npy"
        if not path.is_file():
            generator = np.random.Generator(np.random.PCG64(1))
            cube = generator.integers(0, 1000, (side, side, side), np.int16)
            np.save(path, np.asfortranarray(cube))
            path.with_suffix(".json").write_text(
                '{"scan_type": "volume", "dtype": "int16", "affine": null}'
            )
        with units(self._bench, HUB_MEMORY_MIB=str(_MEMORY_MIB)) as ours:
            hub = ours.start("fr_hub")
            before = peak_memory_mib(hub)
            totals = ours.send(
                "tests.benchmarks.sender",
                BENCH_VOLUME=str(path),
                SCANS="8",
                THREADS="4",
                REPORT_PATIENCE_S="0.1",
            )
            assert totals["acknowledged"] == 8, totals
            peak = peak_memory_mib(hub)
            return {"MiB": peak, "grown, of the setting": (peak - before) / _MEMORY_MIB}
