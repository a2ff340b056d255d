"""Zero crossings: what counts as one, and that both implementations count the same."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fr_brain.analyzers.ecg import zero_crossings
from fr_brain.analyzers.ecg.zero_crossings import (
    LoopZeroCrossings,
    NumpyZeroCrossings,
    ZeroCrossings,
)

NAN, INF = math.nan, math.inf
BOTH = pytest.mark.parametrize("counter", [LoopZeroCrossings(), NumpyZeroCrossings()])


@BOTH
@pytest.mark.parametrize(
    ("samples", "crossings"),
    [
        ([1, 0, -1, 0, 1, 0, 0, 1], 2),
        ([], None),
        ([NAN, NAN], None),
        ([0], 0),
        ([0, NAN], 0),
        ([5], 0),
        ([1, -1], 1),
        ([1, 0, 1], 0),  # touches zero
        ([1, -0.0, 0.0, -1], 1),  # crosses once, slowly
        ([0, 0, -1, 1, 0], 1),
        ([1, NAN, -1], 0),  # unseen
        ([1, NAN, -1, 1], 1),
        ([-1, 0, NAN, 0, 1], 0),
        ([INF, -INF, 5e-324], 2),
        ([1, -1] * 50, 99),
    ],
)
def test_what_counts_as_a_crossing(
    counter: ZeroCrossings, samples: list[float], crossings: int | None
) -> None:
    assert counter.count(np.array(samples, float)) == crossings


@settings(deadline=None)
@given(
    arrays.arrays(
        st.sampled_from((np.float32, np.float64, np.int16, np.uint8)),
        st.integers(0, 40),
        elements=None,
    )
    | arrays.arrays(
        np.float32,
        st.integers(0, 40),
        elements=st.sampled_from((0.0, -0.0, 1.0, -1.0, NAN, INF, -INF, 2.0**-149)),
    ),
    st.integers(1, 7),
)
def test_both_count_the_same(samples: Any, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zero_crossings, "_BLOCK", block)
        assert NumpyZeroCrossings().count(samples) == LoopZeroCrossings().count(samples)


def test_a_lead_of_an_array_with_several_is_counted_as_it_lies() -> None:
    samples = np.array([[1, 1], [-1, 1], [1, 1]], np.float32)
    assert [NumpyZeroCrossings().count(samples[:, n]) for n in (0, 1)] == [2, 0]
