"""Resampling along an axis: integer weights that sum to a constant, on the cells covered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fr_pacs.sources.phantom.taps import STEPS, Taps, make_taps


def taps_of(middle: float, width: float, cells: int = 10) -> Taps:
    """Of one voxel."""
    return make_taps(np.array([[middle]]), width, cells)


def weights_of(taps: Taps) -> dict[int, int]:
    """The weight of each cell."""
    found: dict[int, int] = {}
    for cell, weight in zip(taps.cells[0, :, 0], taps.weights[0, :, 0], strict=True):
        found[int(cell)] = found.get(int(cell), 0) + int(weight)
    return {cell: weight for cell, weight in found.items() if weight}


@pytest.mark.parametrize(
    ("middle", "width", "expected"),
    [
        (3.0, 1.0, {3: 16}),
        (3.5, 1.0, {3: 8, 4: 8}),
        (3.25, 1.0, {3: 12, 4: 4}),
        (3.5, 2.0, {3: 8, 4: 8}),
        (3.0, 2.0, {2: 4, 3: 8, 4: 4}),
        (3.0, 0.1, {3: 16}),  # a voxel covers one cell or more
        (-5.0, 1.0, {0: 16}),  # beyond the ends, the outermost cell is repeated
        (20.0, 1.0, {9: 16}),
    ],
)
def test_a_voxel_weighs_the_cells_that_it_covers(
    middle: float, width: float, expected: dict[int, int]
) -> None:
    assert weights_of(taps_of(middle, width)) == expected


@given(middle=st.floats(-3, 12), width=st.floats(0.1, 6))
def test_weights_sum_to_a_constant_and_cells_ascend(middle: float, width: float) -> None:
    taps = taps_of(middle, width)
    assert taps.weights.sum() == STEPS
    assert (np.diff(taps.cells[0, :, 0]) >= 0).all()
    assert 0 <= taps.cells.min() <= taps.cells.max() <= 9


def test_reach_is_the_range_of_voxels_that_cover_cells() -> None:
    taps = make_taps(np.arange(10.0)[None, :], 1.0, 10)
    for low, high in ((0, 10), (3, 5), (9, 10)):
        span = taps.reach(0, low, high)
        touched = [
            n for n in range(10) if any(low <= cell < high for cell in taps.cells[0, :, n].tolist())
        ]
        assert list(range(span.start, span.stop)) == touched
