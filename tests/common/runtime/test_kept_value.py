"""A value that takes long to find is found seldom."""

import pytest

from common.runtime.kept_value import KeptValue


def test_a_value_is_kept_in_proportion_to_what_it_took() -> None:
    now, looks = 0.0, 0

    def look() -> int:
        nonlocal now, looks
        now += 1.0
        looks += 1
        return looks

    kept = KeptValue(look, at_least_s=5.0, share=20.0, now=lambda: now)
    assert kept.get() == 1
    now += 19.9
    assert kept.get() == 1
    now += 0.2
    assert kept.get() == 2


def test_a_failure_is_not_kept() -> None:
    answers: list[int | None] = [None, 7]

    def look() -> int:
        answer = answers.pop(0)
        if answer is None:
            raise ValueError("not yet")
        return answer

    kept = KeptValue(look)
    with pytest.raises(ValueError, match="not yet"):
        kept.get()
    assert kept.get() == 7
