"""Lines of a report's text."""

import math
import textwrap

LINE_WIDTH = 100


def one_line(text: str) -> str:
    """The text on one line without control characters: foreign text must not add lines."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def wrapped(title: str, text: str) -> str:
    """A title and its text, further lines indented like the first."""
    return textwrap.fill(text, LINE_WIDTH, initial_indent=title, subsequent_indent=" " * len(title))


def place(mm: tuple[float, float, float]) -> str:
    """A position in RAS+, such as 'R 12, A 34, S 5'."""
    ends = ("RL", "AP", "SI")
    return ", ".join(
        f"{end[value < 0]} {abs(value):.0f}" for end, value in zip(ends, mm, strict=True)
    )


def in_ml(ml: float) -> str:
    """A volume with three significant digits, never in exponential notation."""
    digits = 0 if ml >= 100 else 3 if ml < 0.01 else 2 - math.floor(math.log10(ml))
    return f"{ml:.{max(0, digits)}f} ml"
