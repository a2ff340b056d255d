"""What can be wrong with the input that a scan was made of, although it could be read.

A code travels in the header of the scan (``problems``) and becomes a flag and a reason of its
report's quality. Codes are stored: never renamed.
"""

from collections.abc import Mapping
from types import MappingProxyType

PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "geometry_unknown": (
            "The file does not say how its axes lie in space: positions are a guess, and left and "
            "right may be exchanged."
        ),
        "slices_missing": (
            "Slices are missing: the image holds fewer than the file says that there should be."
        ),
    }
)
"""A sentence for people for each code."""

ORIENTATION_GUESSED = frozenset({"geometry_unknown"})
"""Codes of images whose orientation is a guess."""


def sentence(code: str) -> str:
    """What a code says to people; a code of another release stands for itself."""
    return PROBLEMS.get(code, f"The input has a problem: {code}.")
