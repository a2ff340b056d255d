"""What can be wrong with the input that a scan was made of, although it could be read.

A code travels in the header of the scan (``problems``) and becomes a flag and a reason of its
report's quality. Codes are stored: never renamed.
"""

from collections.abc import Mapping
from types import MappingProxyType

UNKNOWN_PROBLEM = "problem_unknown"
"""In the place of a code that this release does not know."""

PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "geometry_unknown": (
            "The file does not say how its axes lie in space: positions are a guess, and left and "
            "right may be swapped."
        ),
        "geometry_contradicts": (
            "The file has several descriptions of how its axes lie in space, and they contradict "
            "each other: left and right may be swapped, or sizes may be wrong."
        ),
        "slices_missing": (
            "Slices are missing: the image has fewer slices than its headers declare."
        ),
        "positions_contradict": (
            "Slice positions (ImagePositionPatient) disagree with SliceLocation or "
            "SpacingBetweenSlices: the order of the slices or their spacing may be wrong, or two "
            "volumes may be mixed."
        ),
        "slices_repeated": (
            "Some slices were acquired more than once: the image uses the first acquisition of "
            "each."
        ),
        "copies_differ": (
            "Another copy of this image has the same identifiers but different voxels: one of the "
            "two is wrong."
        ),
        "series_joined": (
            "The slices have no common identifiers: they were joined because their patient, "
            "description and grid are the same."
        ),
        "series_divided": (
            "Other slices with the same series identifier name another patient, study or frame of "
            "reference: this image may be only a part of its series."
        ),
        "frames_assumed": (
            "The file gives the position of its first frame only: the others are assumed to follow "
            "along its normal, so the image may be upside down."
        ),
        "thickness_unknown": (
            "The file has one slice and does not say how thick it is: 1 mm was assumed, so volumes "
            "are a guess."
        ),
        "real_world_values": (
            "The file maps its values to measurements (real-world values), but Fr does not apply "
            "this map: the image is not in the unit of the measurement."
        ),
        "slope_zero": "The file says to multiply its values by 0: Fr left them as stored.",
        UNKNOWN_PROBLEM: (
            "The sender reports a problem with the input by a code that this release does not "
            "know: install the release of Fr-PACS at Fr-HUB, too."
        ),
        "channels_left_out": (
            "The file has other signals besides the leads of the ECG: only the leads were sent."
        ),
        "gain_assumed": (
            "The file does not say how its samples become millivolts: 200 steps per mV were "
            "assumed, so amplitudes may be wrong."
        ),
        "gaps": "The recording has gaps: the samples in them are missing.",
    }
)
"""A sentence for people for each code."""

ORIENTATION_GUESSED = frozenset({"geometry_unknown"})
"""Codes of images whose orientation is a guess."""


def sentence(code: str) -> str:
    """What a code says to people; a code of another release stands for itself."""
    return PROBLEMS.get(code, f"The input has a problem: {code}.")
