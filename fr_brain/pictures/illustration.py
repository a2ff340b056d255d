"""The picture of a report, from the overlay that its analyzer offers."""

from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.errors import AnalysisError
from fr_brain.analyzers.base import Overlay


def illustrate(
    report: BrainReport, scan: BrainScan, voxels: npt.NDArray[Any], overlay: Overlay | None
) -> bytes:
    """Draw the picture of a report.

    Args:
        report: what the analyzer found.
        scan: the scan's header.
        voxels: array of ``scan.shape``.
        overlay: labels and brain in the scan's shape and axes; None marks lesions with circles.

    Returns:
        A PNG of at most ``PICTURE_BYTES_MAX`` bytes.

    Raises:
        AnalysisError: the overlay shows other lesions than the report lists.
    """
    # Not at the top: Pillow and its fonts take time and memory that most processors never need.
    from fr_brain.pictures.picture import draw_picture

    if overlay is not None:
        _check(overlay, report, voxels.shape)
    return draw_picture(report, scan, voxels, overlay)


def _check(overlay: Overlay, report: BrainReport, shape: tuple[int, ...]) -> None:
    made_by = f"{report.analyzer.name} {report.analyzer.version}"
    if overlay.lesions.shape != shape:
        raise AnalysisError(
            f"{made_by} outlines lesions in shape {overlay.lesions.shape}; the scan has {shape}"
        )
    found = report.findings.lesions
    wanted = 0 if found is None else found.count
    labels = int(np.count_nonzero(np.unique(overlay.lesions)))
    if labels != wanted:
        raise AnalysisError(
            f"{made_by} outlines {labels} lesions, but the report has {wanted}: the same scan "
            "must give the same lesions"
        )
