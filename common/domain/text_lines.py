"""Lines of a report's text."""

import math
import textwrap
from decimal import ROUND_HALF_UP, Context, Decimal

LINE_WIDTH = 100

_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)
"""Digits for any float with a few decimals."""


def one_line(text: str) -> str:
    """The text on one line without control characters: foreign text must not add lines."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def wrapped(title: str, text: str) -> str:
    """A title and its text, further lines indented like the first."""
    return textwrap.fill(text, LINE_WIDTH, initial_indent=title, subsequent_indent=" " * len(title))


def fixed(number: float, decimals: int = 0) -> str:
    """A number with so many decimals; a half is rounded away from zero, as people do and as
    JavaScript's ``toFixed`` does, so that the page gives the same number."""
    if not math.isfinite(number):
        return str(number)
    return f"{Decimal(number).quantize(Decimal(1).scaleb(-decimals), context=_EXACT):f}"


def place(mm: tuple[float, float, float]) -> str:
    """A position in RAS+, such as 'R 12, A 34, S 5'."""
    ends = ("RL", "AP", "SI")
    return ", ".join(
        f"{end[value < 0]} {fixed(abs(value))}" for end, value in zip(ends, mm, strict=True)
    )


_ML_DECIMALS = ((100, 0), (10, 1), (1, 2), (0.1, 3), (0.01, 4))
"""From so many ml on, and how many decimals then make three significant digits."""


def in_ml(ml: float) -> str:
    """A volume with three significant digits, and from 100 ml without decimals, below 0.01 ml with
    three. ``mlText`` of the page follows the same rule."""
    return f"{fixed(ml, next((n for least, n in _ML_DECIMALS if ml >= least), 3))} ml"


def measure(value: float, unit: str = "") -> str:
    """A measure of an ECG with its unit: from 10 on without decimals, from 1 on with one, below
    with two; an angle always without. ``measureText`` of the page follows the same rule."""
    if unit == "°":
        return f"{fixed(value)}°"
    size = abs(value)
    number = fixed(value, 0 if size >= 10 else 1 if size >= 1 else 2)
    return f"{number} {unit}" if unit else number
