# ruff: noqa: ARG002, T201 - they ignore arguments, and one prints
"""Analyzers that each break one rule; other processes import them by name."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.findings import Findings, Lesion, Lesions, Quality, Verdict
from common.domain.scan import BrainScan
from fr_brain.analyzers.base import Analysis, LabelMap, Overlay

Array = npt.NDArray[Any]


class Good:
    """Counts what is not zero."""

    name, version, priority = "good", "1", 0
    scan_types = frozenset({"grid"})

    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        """Count."""
        del scan
        return counted(int(np.count_nonzero(voxels)))


def counted(count: int) -> Findings:
    """Findings with so many lesions."""
    lesions = Lesions(count=count, voxels=count, volume_ml=None)
    return Findings(quality=Quality(verdict=Verdict.PASS), lesions=lesions)


class Random(Good):
    """Other findings each time."""

    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        return counted(int(np.random.default_rng().integers(2**40)))


class OfThisProcess(Good):
    """Other findings in each process: hashes of texts are."""

    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        return counted(abs(hash("a text")) % 2**50)


class Remembers(Good):
    """Counts what it has seen before, but a scan that comes twice in a row only once."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        if scan.voxels_hash not in self.seen:
            self.seen.append(scan.voxels_hash)
        return counted(self.seen.index(scan.voxels_hash))


class Opens(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        with contextlib.suppress(Exception):  # it hides the refusal
            Path("/etc/hostname").read_text()
        return super().analyse(scan, voxels)


class Connects(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        socket.create_connection(("127.0.0.1", 9), 1)
        return super().analyse(scan, voxels)


class Starts(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        subprocess.run(["true"], check=True)  # noqa: S607
        return super().analyse(scan, voxels)


class Prints(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        print("reading", file=sys.stderr)
        return super().analyse(scan, voxels)


class Hangs(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        if voxels.shape == (1, 1):
            time.sleep(600)
        return super().analyse(scan, voxels)


class Devours(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        taken = np.ones(12_000_000 if voxels.shape == (10, 10) else 1)
        return counted(int(taken[0]))


class DevoursAll(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        return counted(int(np.ones(10**12).sum()))


class Raises(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        if voxels.dtype.kind == "f" and np.isnan(voxels).any():
            raise ValueError("not a number")
        return super().analyse(scan, voxels)


class Writes(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        voxels.flags.writeable = True
        voxels[...] = 0
        return super().analyse(scan, voxels)


class ReturnsNothing(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Any:
        return None


class ReturnsUnchecked(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        findings = super().analyse(scan, voxels)
        object.__setattr__(findings, "quality", Quality(verdict=Verdict.PASS))
        object.__setattr__(findings, "lesions", None)
        return findings


class ReturnsTooMuch(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        findings = super().analyse(scan, voxels)
        return findings.model_copy(update={"limitations": ("x" * 200_000,)})


class Dies(Good):
    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        os._exit(7)


class Outlines(Good):
    """As many labels as lesions, but on one kind of image."""

    def overlay(self, scan: BrainScan, voxels: Array) -> Overlay:
        labels = np.zeros(voxels.shape, np.int64)
        cells = voxels != 0
        labels[cells] = 1 if voxels.shape == (10, 10) else np.arange(1, cells.sum() + 1)
        return Overlay(labels)


class GoodPair(Good):
    """Findings and overlay from one call."""

    def analyse_with_overlay(self, scan: BrainScan, voxels: Array) -> Analysis:
        return Analysis(self.analyse(scan, voxels), lambda: Overlay(numbered(voxels)))


def numbered(voxels: Array) -> Array:
    """A label for each voxel that is not zero."""
    labels = np.zeros(voxels.shape, np.int64)
    cells = voxels != 0
    labels[cells] = np.arange(1, cells.sum() + 1)
    return labels


class GoodLabels(GoodPair):
    """Label maps of what is zero and what is not."""

    def analyse_with_overlay(self, scan: BrainScan, voxels: Array) -> Analysis:
        analysis = super().analyse_with_overlay(scan, voxels)
        return replace(analysis, labels=lambda: self.maps(voxels))

    def maps(self, voxels: Array) -> Iterator[LabelMap]:
        """The label maps."""
        cells = (voxels != 0).astype(np.uint8)
        yield LabelMap("cells", {1: "not zero"}, cells)
        yield LabelMap("empty", {1: "zero", 7: "never"}, 1 - cells)


class LabelsWithoutMeaning(GoodLabels):
    def maps(self, voxels: Array) -> Iterator[LabelMap]:
        yield LabelMap("cells", {2: "two"}, np.where(voxels != 0, 3, 0).astype(np.uint8))


class LabelsOfThisProcess(GoodLabels):
    def maps(self, voxels: Array) -> Iterator[LabelMap]:
        labels = np.full(voxels.shape, hash("a text") % 255 + 1, np.uint8)
        yield LabelMap("cells", {n: f"{n}" for n in range(1, 256)}, labels)


class PairDisagrees(GoodPair):
    """Other findings with the overlay than without, on one kind of image."""

    def analyse_with_overlay(self, scan: BrainScan, voxels: Array) -> Analysis:
        if voxels.shape != (10, 10):
            return super().analyse_with_overlay(scan, voxels)
        return Analysis(counted(0), lambda: Overlay(np.zeros(voxels.shape, np.int64)))


class PairOfAnotherShape(GoodPair):
    def analyse_with_overlay(self, scan: BrainScan, voxels: Array) -> Analysis:
        return Analysis(self.analyse(scan, voxels), lambda: Overlay(np.zeros(1, np.int64)))


class LabelsOfAnotherSize(Good):
    """One lesion, whose label is a voxel larger than it."""

    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        if voxels.size < 4:
            return counted(0)
        lesion = Lesion(voxels=3, volume_ml=None, centroid_voxel=(0.0, 0.0), centroid_mm=None)
        lesions = Lesions(count=1, voxels=3, volume_ml=None, largest=(lesion,))
        return Findings(quality=Quality(verdict=Verdict.PASS), lesions=lesions)

    def overlay(self, scan: BrainScan, voxels: Array) -> Overlay:
        labels = np.zeros(voxels.size, np.int64)
        labels[: 4 if voxels.size >= 4 else 0] = 1
        return Overlay(labels.reshape(voxels.shape))


class Nameless(Good):
    name = ""


class OfNoType(Good):
    scan_types: frozenset[str] = frozenset()


class OfAnImpossibleType(Good):
    scan_types = frozenset({"Grid!"})


class WithoutPriority(Good):
    priority = "high"  # type: ignore[assignment]


class Wants(Good):
    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
