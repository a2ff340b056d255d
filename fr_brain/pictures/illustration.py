"""The picture of a report, out of what its analyzer says of the scan."""

from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.errors import AnalysisError
from fr_brain.analyzers.base import Analyzer, Outlining, Overlay


def outlines(
    analyzer: Analyzer, report: BrainReport, scan: BrainScan, voxels: npt.NDArray[Any]
) -> Overlay | None:
    """Where the lesions of the report are; None where the analyzer cannot say.

    Raises:
        AnalysisError: the analyzer outlines other lesions than the report has.
    """
    if not isinstance(analyzer, Outlining):
        return None
    overlay = analyzer.overlay(scan, voxels)
    if overlay.lesions.shape != voxels.shape:
        raise AnalysisError(f"{analyzer.name} outlines lesions on another shape than the scan's")
    found = report.findings.lesions
    wanted = 0 if found is None else found.count
    labels = int(np.count_nonzero(np.unique(overlay.lesions)))
    if labels != wanted:
        raise AnalysisError(
            f"{analyzer.name} {analyzer.version} outlines {labels} lesions and the report has "
            f"{wanted}: the same scan must give the same lesions"
        )
    return overlay


def illustrate(
    report: BrainReport, scan: BrainScan, voxels: npt.NDArray[Any], overlay: Overlay | None
) -> bytes:
    """The PNG of a report."""
    # Not at the top: Pillow and its fonts take time and memory that most processors never need.
    from fr_brain.pictures.picture import draw_picture

    return draw_picture(report, scan, voxels, overlay)
