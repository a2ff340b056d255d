"""Lines of a report's text."""

import textwrap

LINE_WIDTH = 100


def one_line(text: str) -> str:
    """The text on one line without control characters: foreign text must not add lines."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def wrapped(title: str, text: str) -> str:
    """A title and its text, further lines indented like the first."""
    return textwrap.fill(text, LINE_WIDTH, initial_indent=title, subsequent_indent=" " * len(title))
