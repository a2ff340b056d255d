"""How codes of LOINC and units of UCUM are written."""

import time

import pytest

from common.domain.loinc import is_loinc, is_unit


@pytest.mark.parametrize(
    "code", ["8310-5", "85354-9", "8480-6", "8462-4", "8867-4", "29463-7", "59408-5", "718-7"]
)
def test_codes_have_a_check_digit(code: str) -> None:
    assert is_loinc(code)
    assert not is_loinc(code[:-1] + str((int(code[-1]) + 1) % 10))


@pytest.mark.parametrize("text", ["", "8310", "-5", "8310-", "08310-5", "8310-5 ", "\u0668310-5"])
def test_other_texts_are_no_codes(text: str) -> None:
    assert not is_loinc(text)


@pytest.mark.parametrize(
    "unit",
    [
        *("mm[Hg]", "Cel", "[degF]", "/min", "{beats}/min", "%", "10*9/L", "10^3/uL", "kg/m2"),
        *("m.s-2", "{score}", "1", "ug/(kg.h)", "[lb_av]", "mL/min/{1.73_m2}", "[iU]/L", "m[H2O]"),
    ],
)
def test_units_of_laboratories_and_wards_are_units(unit: str) -> None:
    assert is_unit(unit)


@pytest.mark.parametrize(
    "text", ["", " ", "mg/dL ", "kg m", "a//b", "<b>", "[x", "{x", "(m", "\u00b5g", "°C", "m" * 65]
)
def test_other_texts_are_none(text: str) -> None:
    assert not is_unit(text)


@pytest.mark.parametrize("piece", ["10*", "a.", "(a)", "1", "__", "{}", "[a]", "10*9/"])
def test_a_long_text_takes_no_time(piece: str) -> None:
    begin = time.perf_counter()
    is_unit((piece * 64)[:63] + "!")
    assert time.perf_counter() - begin < 0.1
