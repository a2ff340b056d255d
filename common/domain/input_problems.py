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
        "positions_contradict": (
            "The positions of the slices contradict their other locations in the file: their order "
            "or distances may be wrong."
        ),
        "slices_repeated": (
            "Slices were acquired again: the image holds the first one of each place."
        ),
        "copies_differ": (
            "There are copies of this image with the same identifiers and other voxels: one of "
            "them is wrong."
        ),
        "series_joined": (
            "The slices have no common series identifier: they were joined because their patient, "
            "study, description and grid are the same."
        ),
        "slope_zero": (
            "The file says that its values are to be multiplied by 0: they were left as stored."
        ),
    }
)
"""A sentence for people for each code."""

ORIENTATION_GUESSED = frozenset({"geometry_unknown"})
"""Codes of images whose orientation is a guess."""


def sentence(code: str) -> str:
    """What a code says to people; a code of another release stands for itself."""
    return PROBLEMS.get(code, f"The input has a problem: {code}.")
