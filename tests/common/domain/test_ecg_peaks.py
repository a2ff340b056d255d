"""Times of R peaks as a text."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.ecg_peaks import CHARACTERS_MAX, decode, encode

DAY_MS = 86_400_000


@given(st.lists(st.integers(0, 10 * DAY_MS), max_size=50).map(sorted))
def test_whole_milliseconds_come_back_as_they_were(times: list[int]) -> None:
    step, listed, text = encode(times)
    assert (step, listed) == (1, len(times))
    assert decode(text, step) == tuple(times)


def test_the_documented_digits() -> None:
    # Intervals 10, 30 (+20), 25 (-5), 225 (+200), 10225 (+10000).
    assert encode([10, 40, 65, 290, 10515]) == (1, 5, "UoJ1g_AAAAE4g")


def irregular(beats: int, spread_ms: float) -> list[float]:
    generator = random.Random(5)  # noqa: S311 - a rhythm, no secret
    times, time = [], 0.0
    for _ in range(beats):
        time += max(250.0, generator.gauss(860, spread_ms))
        times.append(time)
    return times


@pytest.mark.parametrize("spread_ms", [20, 150])
def test_all_beats_of_a_day_fit_with_errors_of_half_a_step(spread_ms: float) -> None:
    times = irregular(100_000, spread_ms)
    step, listed, text = encode(times)
    assert listed == len(times)
    assert len(text) <= CHARACTERS_MAX
    errors = [abs(a - b) for a, b in zip(decode(text, step), times, strict=True)]
    assert max(errors) <= step / 2


def test_more_beats_than_fit_are_cut_at_the_end() -> None:
    times = irregular(160_000, 300)
    step, listed, text = encode(times)
    assert step == 8
    assert 60_000 < listed < len(times)
    assert len(text) <= CHARACTERS_MAX
    assert abs(decode(text, step)[-1] - times[listed - 1]) <= 4


def test_no_text_makes_times_that_are_too_large_to_add() -> None:
    assert decode("", 1) == ()
    with pytest.raises(ValueError, match="R peaks"):
        decode("_______-" * 9_000 + "A" * 78_000, 8)


@pytest.mark.parametrize("text", ["A ", "0", "_AAA", "é", "UF", "U1"])
def test_what_is_no_such_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="R peaks"):
        decode(text + "v" * text.endswith("F"), 1)
