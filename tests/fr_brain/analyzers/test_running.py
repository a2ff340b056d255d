"""Findings and overlay come from one run, whichever overlay method an analyzer has."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from common.domain.findings import Findings
from common.domain.scan import BrainScan
from fr_brain.analyzers.base import Analysis, Analyzer, Overlay
from fr_brain.analyzers.grid import GridAnalyzer
from fr_brain.analyzers.running import analyse_scan, overlay_of
from tests.factories import make_scan

Array = npt.NDArray[Any]


class Plain:
    """No overlay method."""

    name, version, priority = "plain", "1", 0
    scan_types = frozenset({"grid"})

    def __init__(self) -> None:
        self.calls: list[str] = []

    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        self.calls.append("analyse")
        return GridAnalyzer().analyse(scan, voxels)


class Separate(Plain):
    """The older method."""

    def overlay(self, scan: BrainScan, voxels: Array) -> Overlay:
        del scan
        self.calls.append("overlay")
        return labelled(voxels)


class Paired(Plain):
    """One run for both."""

    def analyse_with_overlay(self, scan: BrainScan, voxels: Array) -> Analysis:
        self.calls.append("analyse_with_overlay")

        def overlay() -> Overlay:
            self.calls.append("drawn")
            return labelled(voxels)

        return Analysis(GridAnalyzer().analyse(scan, voxels), overlay)


class OverridesAnalyse(Paired):
    """Inherits the pair, but finds something else."""

    def analyse(self, scan: BrainScan, voxels: Array) -> Findings:
        self.calls.append("overridden")
        return GridAnalyzer().analyse(scan, voxels * 0)


def labelled(voxels: Array) -> Overlay:
    return Overlay((voxels != 0).astype(np.int32))


@pytest.fixture
def scan_and_voxels() -> tuple[BrainScan, Array]:
    scan, voxels = make_scan()
    return scan, scan.array(voxels)


@pytest.mark.parametrize("analyzer", [Plain(), Separate(), Paired()], ids=lambda a: a.name)
def test_without_a_picture_only_the_findings_are_computed(
    analyzer: Plain, scan_and_voxels: tuple[BrainScan, Array]
) -> None:
    analysis = analyse_scan(analyzer, *scan_and_voxels, with_overlay=False)
    assert analysis.overlay is None
    assert analyzer.calls == ["analyse"]


def test_a_pair_runs_once_and_its_overlay_only_when_it_is_drawn(
    scan_and_voxels: tuple[BrainScan, Array],
) -> None:
    analyzer = Paired()
    analysis = analyse_scan(analyzer, *scan_and_voxels, with_overlay=True)
    assert analyzer.calls == ["analyse_with_overlay"]
    assert analysis.overlay is not None
    analysis.overlay()
    assert analyzer.calls == ["analyse_with_overlay", "drawn"]


def test_a_separate_overlay_still_works(scan_and_voxels: tuple[BrainScan, Array]) -> None:
    analyzer = Separate()
    analysis = analyse_scan(analyzer, *scan_and_voxels, with_overlay=True)
    assert analyzer.calls == ["analyse"]
    assert analysis.overlay is not None
    assert analysis.overlay().lesions.shape == scan_and_voxels[0].shape
    assert analyzer.calls == ["analyse", "overlay"]


def test_a_subclass_that_overrides_analyse_is_not_read_as_its_parent(
    scan_and_voxels: tuple[BrainScan, Array],
) -> None:
    analyzer = OverridesAnalyse()
    analysis = analyse_scan(analyzer, *scan_and_voxels, with_overlay=True)
    assert analyzer.calls == ["overridden"]
    assert analysis.findings.lesions is not None
    assert analysis.findings.lesions.count == 0
    assert analysis.overlay is None
    assert overlay_of(analyzer, *scan_and_voxels) is None


@pytest.mark.parametrize(
    ("analyzer", "calls"),
    [
        (Plain(), []),
        (Separate(), ["overlay"]),
        (Paired(), ["analyse_with_overlay", "drawn"]),
    ],
    ids=["plain", "separate", "paired"],
)
def test_the_overlay_of_a_stored_report_takes_one_run(
    analyzer: Plain, calls: list[str], scan_and_voxels: tuple[BrainScan, Array]
) -> None:
    overlay = overlay_of(analyzer, *scan_and_voxels)
    assert analyzer.calls == calls
    assert (overlay is None) == (not calls)


def test_the_grid_analyzer_labels_each_cell(scan_and_voxels: tuple[BrainScan, Array]) -> None:
    scan, _ = scan_and_voxels
    voxels = np.zeros(scan.shape, np.uint8)
    voxels[1, 2] = voxels[3, 4] = 7
    grid: Analyzer = GridAnalyzer()
    overlay = overlay_of(grid, scan, voxels)
    assert overlay is not None
    assert (overlay.lesions[1, 2], overlay.lesions[3, 4]) == (1, 2)
    assert np.count_nonzero(overlay.lesions) == 2
