"""Run an analyzer: findings alone, or with label maps and the overlay that its picture needs."""

from functools import partial
from typing import Any, cast

import numpy.typing as npt

from common.domain.scan import BrainScan
from fr_brain.analyzers.base import (
    Analysis,
    Analyzer,
    Overlay,
    OverlayAnalyzer,
    SeparateOverlay,
)


def analyse_scan(
    analyzer: Analyzer,
    scan: BrainScan,
    voxels: npt.NDArray[Any],
    *,
    with_overlay: bool,
    with_labels: bool = False,
) -> Analysis:
    """Read one scan.

    Args:
        analyzer: any analyzer, with either of the optional overlay methods or without.
        scan: the scan's header.
        voxels: array of ``scan.shape`` and ``scan.dtype``.
        with_overlay: whether a picture is wanted; if not, the overlay is not to be used.
        with_labels: whether label maps are wanted; if not, they are not to be used.

    Raises:
        Exception: whatever the analyzer raises.
    """
    if with_overlay or with_labels:
        paired = _paired(analyzer)
        if paired is not None:
            return paired.analyse_with_overlay(scan, voxels)
    if with_overlay and isinstance(analyzer, SeparateOverlay):
        findings = analyzer.analyse(scan, voxels)
        return Analysis(findings, partial(analyzer.overlay, scan, voxels))
    return Analysis(analyzer.analyse(scan, voxels))


def overlay_of(analyzer: Analyzer, scan: BrainScan, voxels: npt.NDArray[Any]) -> Overlay | None:
    """The overlay of a scan whose findings are already stored, in one run.

    Args:
        analyzer: the one that made the findings, in the same version.
        scan: the scan's header.
        voxels: array of ``scan.shape`` and ``scan.dtype``.

    Returns:
        The overlay; None if the analyzer cannot outline lesions.

    Raises:
        Exception: whatever the analyzer raises.
    """
    paired = _paired(analyzer)
    if paired is not None:
        make = paired.analyse_with_overlay(scan, voxels).overlay
        return None if make is None else make()
    return analyzer.overlay(scan, voxels) if isinstance(analyzer, SeparateOverlay) else None


def _paired(analyzer: Analyzer) -> OverlayAnalyzer | None:
    """The analyzer, if ``analyse_with_overlay`` speaks for its ``analyse``.

    A subclass that overrides ``analyse`` alone inherits the other from its parent, which would
    report the parent's findings.
    """
    # By hand: asking a protocol takes longer than the analysis of a grid.
    for kind in type(analyzer).__mro__:
        if vars(kind).get("analyse_with_overlay") is not None:
            return cast(OverlayAnalyzer, analyzer)
        if "analyse" in vars(kind):
            return None
    return analyzer if isinstance(analyzer, OverlayAnalyzer) else None
