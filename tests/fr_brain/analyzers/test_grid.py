"""The grid analyzer counts every cell that is not zero, and nothing else."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common.domain.findings import Findings, Verdict
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels, utc_now
from fr_brain.analyzers.grid import GridAnalyzer

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def read(cells: npt.NDArray[Any]) -> Findings:
    voxels = cells.tobytes(order="F")
    scan = BrainScan.model_validate(
        {
            "scan_id": "grid-1",
            "pacs": "north",
            "scan_type": "grid",
            "acquired_at": utc_now(),
            "shape": cells.shape,
            "dtype": cells.dtype.name,
            "voxels_bytes": len(voxels),
            "voxels_hash": hash_voxels(voxels),
        }
    )
    analyzer = GridAnalyzer()
    return analyzer.analyse(scan, scan.array(voxels))


@given(
    cells=hnp.arrays(
        dtype=st.sampled_from([np.dtype(name) for name in DTYPES[:6]]),
        shape=hnp.array_shapes(min_dims=2, max_dims=2, max_side=30),
    )
)
def test_every_cell_that_is_not_zero_is_one_lesion(cells: npt.NDArray[Any]) -> None:
    findings = read(cells)
    expected = sum(1 for cell in cells.ravel().tolist() if cell != 0)
    assert findings.quality.verdict is Verdict.PASS
    assert findings.lesions is not None
    assert findings.lesions.count == findings.lesions.voxels == expected
    assert findings.lesions.volume_ml is None
    assert findings.volumes is None
    assert findings.limitations


@pytest.mark.parametrize("value", [-5, 2, 100])
def test_unknown_values_are_lesions_too(value: int) -> None:
    cells = np.zeros((10, 10), np.int8)
    cells[3, 4] = value
    lesions = read(cells).lesions
    assert lesions is not None
    assert lesions.count == 1


def test_touching_cells_count_one_each() -> None:
    lesions = read(np.ones((10, 10), np.uint8)).lesions
    assert lesions is not None
    assert lesions.count == 100


def test_a_grid_without_lesions_passes() -> None:
    lesions = read(np.zeros((10, 10), np.uint8)).lesions
    assert lesions is not None
    assert lesions.count == 0


def test_an_image_of_three_axes_is_not_a_grid() -> None:
    findings = read(np.ones((10, 10, 1), np.uint8))
    assert findings.quality.verdict is Verdict.FAIL
    assert findings.quality.reasons == ("A grid has two axes; this image has 3.",)
    assert findings.lesions is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_cells_that_are_not_finite_cannot_be_judged(value: float) -> None:
    cells = np.zeros((4, 5), np.float32)
    cells[1, 2] = value
    findings = read(cells)
    assert findings.quality.verdict is Verdict.FAIL
    assert findings.quality.reasons == ("1 of 20 cells are not finite numbers.",)
