"""Numbers have the digits that they are worth, and rounding twice changes nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.findings import Lesion, SizeCounts
from common.domain.rounding import rounded_edge, rounded_index, rounded_mean, rounded_ml, rounded_mm

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("ml", "rounded"),
    [
        (2.8000000000000003, 2.8),
        (0, 0),
        (0.0123456, 0.01235),
        (0.00123456, 0.001235),
        (0.1234567, 0.1235),
        (99.99951, 100.0),
        (1904.96, 1905.0),
        (-0.0123456, -0.01235),
        (5e-324, 5e-324),
    ],
)
def test_a_volume_has_the_digits_that_it_is_worth(ml: float, rounded: float) -> None:
    assert rounded_ml(ml) == rounded


@given(FINITE)
def test_rounding_twice_changes_nothing(value: float) -> None:
    for rounded in (rounded_ml, rounded_mm, rounded_index, rounded_edge):
        once = rounded(value)
        assert math.isfinite(once)
        assert rounded(once) == once


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_a_volume_is_off_by_less_than_anybody_can_measure(ml: float) -> None:
    assert abs(rounded_ml(ml) - ml) <= max(0.0005 * ml, 1e-12) + 1e-12
    assert abs(rounded_ml(ml) - ml) <= 0.05 + 1e-9


def test_lengths_keep_what_a_voxel_needs() -> None:
    assert (rounded_mm(-12.345678), rounded_edge(0.48828125)) == (-12.35, 0.488281)
    assert rounded_edge(1.0000000149) == 1


def test_a_mean_stays_within_its_values() -> None:
    assert rounded_mean((36.6 + 36.7 + 36.6) / 3, 36.6, 36.7) == 36.63333333
    assert rounded_mean(0.1 + 0.2, 0.1, 0.5) == 0.3
    exact = 1.23456789012345
    assert rounded_mean(exact, exact, exact) == exact


def test_findings_are_rounded_and_classes_follow_what_is_shown() -> None:
    lesion = Lesion(
        voxels=2800,
        volume_ml=2800 * 0.001,
        centroid_voxel=(1 / 3, 2, 3),
        centroid_mm=(0.1 + 0.2, -12.345678, 3),
    )
    told = lesion.model_dump_json()
    assert '"volume_ml":2.8,' in told
    assert '"centroid_voxel":[0.333,2.0,3.0]' in told
    assert '"centroid_mm":[0.3,-12.35,3.0]' in told
    counts = SizeCounts.of([0.02999, 0.0299999, 0.0999999, 1.0])
    assert list(counts.model_dump().values()) == [1, 1, 1, 1]
