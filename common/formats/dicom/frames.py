"""The frames of a file: what the header says of each of them.

Enhanced files: the Multi-frame Functional Groups module, PS3.3 C.7.6.16.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from common.errors import SourceError
from common.formats.dicom.header_tags import HEADER_TAGS
from common.formats.dicom.mosaics import tiles_of
from common.formats.dicom.multiframe import classic_frames, place_of_detector
from common.formats.dicom.values import number, values_of

if TYPE_CHECKING:
    import pydicom

Frame = tuple[int | None, dict[str, Any]]
"""Its index in the file, None if there is one image, and its own values."""

_OF_PHILIPS = ("PhilipsScaleSlope",)
"""What is read of a private sequence."""
_UNBACKED = 1000
"""Frames that a file may declare however small it is: a header must not cost much more than its
bytes explain."""


def frames_of(common: Mapping[str, Any], backed: int) -> list[Frame]:
    """The frames of a file, or the tiles of a mosaic.

    Args:
        common: the values of the file by keyword.
        backed: how many frames the file has bytes for, at most.

    Raises:
        SourceError: the file has several frames and does not say where each lies, or is a mosaic
            that cannot be read.
    """
    frames = common.get("PerFrameFunctionalGroupsSequence") or ()
    count = int(number(common, "NumberOfFrames") or 1)
    if tiles := tiles_of(common):
        return [*tiles]
    shared = _functional(common.get("SharedFunctionalGroupsSequence") or ())
    if not frames:
        common = {**common, **shared}
        shared |= place_of_detector(common)
        if count == 1:
            return [(None, shared)]
        if count > max(backed, _UNBACKED):
            raise SourceError(
                f"it declares {count} frames and is too small for them: copy it again"
            )
        found = classic_frames({**common, **shared}, count)
        return [(index, {**shared, **frame}) for index, frame in enumerate(found)]
    if len(frames) != count:
        raise SourceError(
            f"{count} frames in one file, but functional groups for {len(frames)}: "
            "convert it to an enhanced or a classic series"
        )
    return [(index, {**shared, **_functional([frame])}) for index, frame in enumerate(frames)]


def _functional(groups: "Sequence[pydicom.Dataset]") -> dict[str, Any]:
    """The attributes in functional groups (PS3.3 C.7.6.16.1), each one sequence below the group."""
    found: dict[str, Any] = {}
    if not groups:
        return found
    from pydicom import Sequence as Items

    for group in groups:
        # Private sequences stay out: they reuse keywords with other content.
        for name, macro in values_of(group, HEADER_TAGS).items():
            if not isinstance(macro, Items) or not macro:
                continue
            if name == "RealWorldValueMappingSequence":
                found[name] = macro
                continue
            inside = values_of(macro[0], HEADER_TAGS)
            if name == "PhilipsFrameSequence":
                inside = {key: value for key, value in inside.items() if key in _OF_PHILIPS}
            found.update(inside)
    return found
