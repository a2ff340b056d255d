"""A picture is drawn only of the lesions that its report lists."""

import numpy as np
import pytest

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.errors import AnalysisError
from fr_brain.analyzers.base import Overlay
from fr_brain.analyzers.grid import GridAnalyzer
from fr_brain.pictures.illustration import illustrate
from tests.factories import make_report, make_scan


@pytest.fixture
def read() -> tuple[BrainReport, BrainScan, np.ndarray]:
    scan, _ = make_scan()
    voxels = np.zeros(scan.shape, np.uint8)
    voxels[1, 2] = voxels[3, 4] = 7
    return make_report(scan, findings=GridAnalyzer().analyse(scan, voxels)), scan, voxels


def test_the_lesions_of_the_report_are_drawn(
    read: tuple[BrainReport, BrainScan, np.ndarray],
) -> None:
    overlay = Overlay(np.where(read[2] != 0, np.cumsum(read[2] != 0).reshape(read[2].shape), 0))
    outlined = illustrate(*read, overlay)
    assert outlined.startswith(b"\x89PNG")
    assert outlined != illustrate(*read, None)


def test_other_lesions_than_the_reports_are_refused(
    read: tuple[BrainReport, BrainScan, np.ndarray],
) -> None:
    with pytest.raises(AnalysisError, match="outlines 1 lesions, but the report has 2"):
        illustrate(*read, Overlay((read[2] != 0).astype(np.int32)))


def test_an_overlay_of_another_shape_is_refused(
    read: tuple[BrainReport, BrainScan, np.ndarray],
) -> None:
    with pytest.raises(AnalysisError, match=r"lesions in shape \(3,\); the scan has"):
        illustrate(*read, Overlay(np.arange(3)))
