"""Fr-PACS with prepared volumes and all latencies in its summary: ``python -m
tests.benchmarks.sender``.

If ``BENCH_VOLUME`` names a file, its volume is sent, so that the benchmark does not measure the
generation of voxels.
"""

import itertools
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

import fr_pacs.pacs
import fr_pacs.run_counts
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels, utc_now
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Lifecycle
from common.runtime.logger import configure, get_log
from common.settings.loading import load_settings
from common.settings.pacs import PacsSettings
from fr_pacs.sources.base import LoadedScan


@dataclass(frozen=True, slots=True, eq=False)
class VolumeTask:
    """The prepared voxels as a new scan."""

    voxels: npt.NDArray[Any]
    about: dict[str, Any]
    label: str
    scan_id: str = field(default_factory=lambda: uuid4().hex)
    acquired_at: datetime = field(default_factory=utc_now)

    def load(self) -> LoadedScan:
        """Hash the voxels each time, because a sender must do that work."""
        flat = memoryview(self.voxels.reshape(-1, order="F").view(np.uint8))  # type: ignore[arg-type]
        return LoadedScan(
            BrainScan(
                scan_id=self.scan_id,
                pacs="pacs-1",
                scan_type=self.about["scan_type"],
                acquired_at=self.acquired_at,
                shape=self.voxels.shape,
                dtype=self.about["dtype"],
                voxels_bytes=self.voxels.nbytes,
                voxels_hash=hash_voxels(flat),
                affine=self.about["affine"],
            ),
            flat,
        )


class Volumes:
    """Yields ``scans`` scans with the voxels of a file, or as many as ``minutes`` allow; a JSON
    file beside it has the header."""

    waits = True

    def __init__(self, path: Path, scans: int, minutes: float | None = None) -> None:
        self._voxels = np.asfortranarray(np.load(path))
        self._about = json.loads(path.with_suffix(".json").read_text())
        self.total = scans if minutes is None else None
        self._until = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def __iter__(self) -> Iterator[VolumeTask]:
        """Yield the tasks."""
        for n in itertools.count() if self.total is None else range(self.total):
            if time.monotonic() > self._until:
                break
            yield VolumeTask(self._voxels, self._about, f"volume {n}")


class Kept(fr_pacs.run_counts.RunCounter):
    """Also keeps how long each acknowledgement took."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._sent_at: dict[str, float] = {}
        self.acknowledged_at: list[tuple[float, float]] = []
        """When, time.monotonic(), and how long after the first byte was sent, seconds."""

    def sent(self, labels: Mapping[str, str]) -> None:
        """Keeps when the scans were sent first."""
        now = time.monotonic()
        for scan_id in labels:
            self._sent_at.setdefault(scan_id, now)
        super().sent(labels)

    def acknowledged(self, scan_ids: Sequence[str], voxels_bytes: int) -> None:
        """Keeps how long it took."""
        now = time.monotonic()
        for scan_id in scan_ids:
            if (sent := self._sent_at.pop(scan_id, None)) is not None:
                self.acknowledged_at.append((now, now - sent))
        super().acknowledged(scan_ids, voxels_bytes)


def main() -> int:
    """Run Fr-PACS."""
    settings = load_settings(PacsSettings, "sender")
    configure(settings.log_level, settings.log_format, "sender")
    if path := os.environ.get("BENCH_VOLUME"):
        minutes = os.environ.get("BENCH_MINUTES")
        source = Volumes(Path(path), settings.scans or 1, float(minutes) if minutes else None)
        vars(fr_pacs.pacs)["make_source"] = lambda *_: source
    counters: list[Kept] = []

    class Counted(Kept):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            counters.append(self)

    vars(fr_pacs.pacs)["RunCounter"] = Counted
    code = fr_pacs.pacs.run_pacs(settings, Lifecycle(), get_log())
    if settings.summary is not None:
        totals = json.loads(settings.summary.read_text())
        totals["latencies_ms"] = [1000 * s for s in counters[0]._latencies]
        totals["acknowledged_at"] = counters[0].acknowledged_at
        settings.summary.write_text(json.dumps(totals))
    return code


if __name__ == "__main__":
    sys.exit(run_unit("sender", main))
