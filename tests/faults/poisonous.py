"""An analyzer that fails in every way there is; it is installed only for the units of a run."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy.typing as npt

from common.domain.findings import Findings, Lesions, Quality, Verdict
from common.domain.scan import BrainScan

PACKAGE = "poisonous-1.dist-info"


class Poisonous:
    """What it does is the type of the scan."""

    name = "poisonous"
    version = "1"
    scan_types = frozenset({"raises", "dies", "hangs", "eats", "counts"})
    priority = 0

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
        """Raise, die, never come back, take all memory; or find nothing, as it should."""
        del voxels
        if scan.scan_type == "counts":
            lesions = Lesions(count=0, voxels=0, volume_ml=None)
            return Findings(quality=Quality(verdict=Verdict.PASS), lesions=lesions)
        if scan.scan_type == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        while scan.scan_type == "hangs":
            time.sleep(1)
        eaten = []
        while scan.scan_type == "eats":
            eaten.append(bytes(16 << 20))
        raise ValueError("poison")


def install(folder: Path) -> Path:
    """What makes Fr-BRAIN find it, for the PYTHONPATH."""
    about = folder / "site" / PACKAGE
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: poisonous\nVersion: 1\n")
    points = f"[fr_brain.analyzers]\npoisonous = {__name__}:Poisonous\n"
    (about / "entry_points.txt").write_text(points)
    return folder / "site"
