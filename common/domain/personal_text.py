"""Text about persons: names and notes, as people write them, in any script."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

_JOINERS = "\u200c\u200d"
"""Parts of words in Persian and in scripts of India; Python calls them not printable."""


def _printable(text: str, also: str = "") -> str:
    text = unicodedata.normalize("NFC", text).strip()
    if not text:
        raise ValueError("must not be empty")
    if not all(char.isprintable() or char in _JOINERS or char in also for char in text):
        raise ValueError("has control characters or others that cannot be shown: remove them")
    return text


def _lines(text: str) -> str:
    return _printable(text.replace("\r\n", "\n"), "\n\t")


_KEY_LONGEST = 200

Line = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
"""1 to 200 characters that can be shown, on one line, without spaces around them (NFC)."""

Note = Annotated[str, Field(max_length=2000), AfterValidator(_lines)]
"""1 to 2,000 characters that can be shown, on any number of lines."""


def folded(text: str) -> str:
    """The text without differences of case, accents, width and spaces, for search and order."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(plain.casefold().split())


def words_of(text: str) -> list[str]:
    """The different words of a text, folded, in their order."""
    letters = "".join(char if char.isalnum() else " " for char in folded(text))
    return list(dict.fromkeys(letters.split()))


def name_key(name: str) -> str:
    """What names are ordered by."""
    return folded(name)[:_KEY_LONGEST]
