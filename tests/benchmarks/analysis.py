"""Analysis on one core: Fr, and the same steps with scipy and scikit-image."""

import time
from collections.abc import Callable

from common.domain.scan import BrainScan
from fr_brain.analyzers.base import Overlay
from fr_brain.analyzers.running import overlay_of
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.pictures.picture import draw_picture
from fr_pacs.sources.phantom.source import PhantomSource
from tests.benchmarks.figures import Figures, Goal, Missing
from tests.benchmarks.machine import now
from tests.benchmarks.units import Bench
from tests.factories import make_report

SHAPES = {"1 mm": (181, 217, 181), "128³": (128, 128, 128)}
BRAIN_SHARES = (0.03, 0.45)
"""Plausible range of the brain's share of a volume; a peer outside it has not done the work."""


def ours(size: str) -> str:
    """Subject name: Fr on a head of this size."""
    return f"Fr, {size}"


class Analysis:
    """Seconds per volume, which is already in memory."""

    name = "analysis"
    title = "The analysis alone, one FLAIR head on one core"
    goals = (
        # CPU time, because wall time includes other processes on a shared core.
        Goal("Fr, 1 mm, processor s", (ours("1 mm"), "processor s"), None, 0.15, 0.15, below=True),
        Goal("Fr, 128³, processor s", (ours("128³"), "processor s"), None, 0.10, 0.10, below=True),
    )

    def __init__(self, bench: Bench) -> None:
        self.samples: dict[str, list[float]] = {}
        self.rounds = 7 if bench.quick else 21
        self._overlay: Overlay | None = None
        self._heads: dict[str, tuple[BrainScan, bytes | memoryview]] = {}

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """Each size with Fr, scipy and scikit-image, after one warm-up run of Fr."""
        every: dict[str, Callable[[], Figures]] = {}
        for size, shape in SHAPES.items():
            loaded = next(iter(PhantomSource("pacs-1", 1, 1, shape))).load()
            self._heads[size] = (loaded.scan, loaded.voxels)
            every[ours(size)] = lambda size=size: self.ours(size)  # type: ignore[misc]
            for name in ("scipy", "scikit-image"):
                every[f"{name}, {size}"] = lambda name=name, size=size: self.steps(
                    name, size
                )  # type: ignore[misc]
            VolumeAnalyzer().analyse(loaded.scan, loaded.scan.array(loaded.voxels))
        every["Fr, 1 mm, with overlay"] = self.with_overlay
        every["Fr, 1 mm, drawing"] = self.drawing
        return every

    def close(self) -> None:
        """Nothing to release."""

    def ours(self, size: str) -> Figures:
        """Analyse a scan as a processor does."""
        scan, voxels = self._heads[size]
        began, used = now(), time.process_time()
        findings = VolumeAnalyzer().analyse(scan, scan.array(voxels))
        figures = {"s": now() - began, "processor s": time.process_time() - used}
        assert findings.lesions is not None, findings.quality
        return {**figures, "lesions found": findings.lesions.count}

    def with_overlay(self) -> Figures:
        """Analysis plus the overlay for the picture, from one segmentation."""
        scan, voxels = self._heads["1 mm"]
        began, used = now(), time.process_time()
        analysis = VolumeAnalyzer().analyse_with_overlay(scan, scan.array(voxels))
        assert analysis.overlay is not None
        analysis.overlay()
        return {"s": now() - began, "processor s": time.process_time() - used}

    def drawing(self) -> Figures:
        """Draw the picture only, from given findings and overlay."""
        scan, voxels = self._heads["1 mm"]
        array = scan.array(voxels)
        if self._overlay is None:
            self._overlay = overlay_of(VolumeAnalyzer(), scan, array)
        report = make_report(scan, findings=VolumeAnalyzer().analyse(scan, array))
        began, used = now(), time.process_time()
        draw_picture(report, scan, array, self._overlay)
        return {"s": now() - began, "processor s": time.process_time() - used}

    def steps(self, name: str, size: str) -> Figures:
        """The steps of the analysis with a peer library."""
        try:
            from tests.benchmarks.peers import steps
        except ImportError:
            raise Missing(f"{name} is not installed: see make bench") from None
        scan, voxels = self._heads[size]
        analyse = steps.with_scipy if name == "scipy" else steps.with_scikit_image
        began, used = now(), time.process_time()
        try:
            found = analyse(scan.array(voxels))
        except ImportError:
            raise Missing(f"{name} is not installed: see make bench") from None
        figures = {"s": now() - began, "processor s": time.process_time() - used}
        low, high = BRAIN_SHARES
        assert (
            low < found.brain_share < high
        ), f"{name} labelled {found.brain_share:.0%} of the volume as brain"
        return {**figures, "lesions found": len(found.candidates)}
