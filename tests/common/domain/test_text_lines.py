"""Foreign text stays on its line; long lines are wrapped."""

import pytest

from common.domain.text_lines import LINE_WIDTH, fixed, in_ml, measure, one_line, place, wrapped


def test_foreign_text_adds_no_line() -> None:
    assert one_line("a\r\nb\x1b[1m\tc") == "a b [1m c"


def test_further_lines_are_indented_like_the_first() -> None:
    lines = wrapped("Limits:    ", "word " * 50).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= LINE_WIDTH for line in lines)
    assert all(line.startswith(" " * 11 + "word") for line in lines[1:])


@pytest.mark.parametrize(
    ("number", "decimals", "text"),
    [(952.5, 0, "953"), (953.5, 0, "954"), (12.25, 1, "12.3"), (-2.5, 0, "-3"), (0.125, 2, "0.13")],
)
def test_a_half_is_rounded_away_from_zero(number: float, decimals: int, text: str) -> None:
    assert fixed(number, decimals) == text


@pytest.mark.parametrize(
    ("ml", "text"),
    [
        (0, "0.000 ml"),
        (0.00512, "0.005 ml"),
        (0.0625, "0.0625 ml"),
        (1.125, "1.13 ml"),
        (10.25, "10.3 ml"),
        (952.5, "953 ml"),
        (1905.5, "1906 ml"),
    ],
)
def test_a_volume_has_three_significant_digits(ml: float, text: str) -> None:
    assert in_ml(ml) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "%", "0.00 %"),
        (0.125, "", "0.13"),
        (1, "", "1.0"),
        (9.5, "ms", "9.5 ms"),
        (10.5, "ms", "11 ms"),
        (5.25, "°", "5°"),
        (-5.5, "°", "-6°"),
    ],
)
def test_a_measure_has_decimals_by_its_size(value: float, unit: str, text: str) -> None:
    assert measure(value, unit) == text


def test_a_place_is_rounded_like_a_volume() -> None:
    assert place((-30.5, 45.5, 2.5)) == "L 31, A 46, S 3"
