"""Classic multi-frame files: several frames, without a functional group for each.

In nuclear medicine, ``FrameIncrementPointer`` names vectors that say which slice, time slot and so
on each frame is (PS3.3 C.8.4.8), and the sign of ``SpacingBetweenSlices`` says to which side of the
first slice the others lie (C.8.4.15). The other kinds say only where the first frame lies: that
its frames follow along its normal is what ITK and dcm2niix take for granted, too, and a problem of
the volume (``frames_assumed``).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from common.errors import SourceError
from common.formats.dicom.header_tags import HEADER_TAGS
from common.formats.dicom.values import number, numbers, values_of
from common.formats.not_a_scan import NotAScan

_NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
_PROJECTIONS = frozenset({"STATIC", "DYNAMIC", "GATED", "WHOLE BODY", "TOMO", "GATED TOMO"})
"""Value 3 of ImageType (PS3.3 C.8.4.9.1.1.3) of what is no volume."""

_SLICES = 0x00540080
_STACKS = {0x00540010: "EnergyWindowVector", 0x00540020: "DetectorVector"}
_TIMES = {
    0x00540060: "RRIntervalVector",
    0x00540070: "TimeSlotVector",
    0x00540100: "TimeSliceVector",
    0x00540030: "PhaseVector",
}
_FILMS = {
    **dict.fromkeys((0x00181063, 0x00181065, 0x00189074), "in time"),
    **dict.fromkeys((0x00540050, 0x00540090), "around the patient"),
}
"""Pointers of frames that are no slices: FrameTime, FrameTimeVector, FrameAcquisitionDateTime,
RotationVector and AngularViewVector."""
_SIGNS = {
    "FrameTime": 0,
    "FrameTimeVector": 0,
    "NumberOfTemporalPositions": 1,
    "CardiacNumberOfImages": 1,
}
"""Above these, frames that nothing calls slices may be times."""
_PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices")


def check_nuclear(values: Mapping[str, Any], sop_class: str) -> None:
    """Check that an image of nuclear medicine is a volume.

    Raises:
        NotAScan: it is a projection.
    """
    said = values.get("ImageType")
    words = [said] if isinstance(said, str) else list(said or ())
    if sop_class == _NUCLEAR and len(words) > 2 and str(words[2]).upper() in _PROJECTIONS:
        raise NotAScan("projection")


def holds_volume(values: Mapping[str, Any]) -> bool:
    """Whether a secondary capture has several frames and the geometry of a volume: programs that
    know no better class write volumes as such."""
    if (number(values, "NumberOfFrames") or 1) < 2:
        return False
    groups = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
    return all(values.get(name) for name in groups) or all(values.get(name) for name in _PLACE)


def place_of_detector(values: Mapping[str, Any]) -> dict[str, Any]:
    """Position and orientation of the first slice, where the description of the detector has them
    (PS3.3 C.8.4.11)."""
    items = values.get("DetectorInformationSequence") or ()
    described = [values_of(item, HEADER_TAGS) for item in items]
    places = [
        {name: one[name] for name in _PLACE[:2] if one.get(name) and not values.get(name)}
        for one in described
    ]
    return places[0] if places and all(place == places[0] for place in places) else {}


def classic_frames(values: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The values of each frame, which may differ.

    Args:
        values: of the file by keyword, with those of its shared functional groups.
        count: how many frames the file has.

    Raises:
        SourceError: the file does not say where the frames lie.
    """
    pointers = _pointers(values)
    for pointer in pointers:
        if pointer in _FILMS:
            raise SourceError(
                f"its {count} frames follow each other {_FILMS[pointer]}, not in space: send a "
                "volume"
            )
    told = _SLICES in pointers
    if not told and any((number(values, name) or 0) > most for name, most in _SIGNS.items()):
        raise SourceError(
            f"its {count} frames may follow each other in time: send the classic or enhanced series"
        )
    order = _vector(values, "SliceVector", count) if told else list(range(1, count + 1))
    first = numbers(values, "ImagePositionPatient", 3)
    cosines = numbers(values, "ImageOrientationPatient", 6)
    step = number(values, "SpacingBetweenSlices")
    if first is None or cosines is None or not step or not values.get("PixelSpacing"):
        raise SourceError(
            f"{count} frames in one file, which does not say where they lie "
            f"({', '.join(name for name in _PLACE if not values.get(name)) or 'not valid'}): send "
            "the classic or enhanced series"
        )
    normal = np.cross(cosines[:3], cosines[3:])
    apart = _apart(values, pointers, count)
    frames = []
    for k, slice_number in enumerate(order):
        place = np.array(first) + normal * step * (slice_number - 1)
        frame: dict[str, Any] = {
            "ImagePositionPatient": [float(mm) for mm in place],
            "SliceLocation": None,
            "FramesAssumed": not told,
        }
        frame |= {keyword: words[k] for keyword, words in apart.items()}
        frames.append(frame)
    return frames


def _apart(values: Mapping[str, Any], pointers: list[int], count: int) -> dict[str, list[str]]:
    """What tells the volumes of a file apart: by keyword, a word for each frame."""
    apart = {}
    for keyword, known in (("StackID", _STACKS), ("TemporalPositionIdentifier", _TIMES)):
        vectors = [_vector(values, name, count) for tag, name in known.items() if tag in pointers]
        if vectors:
            apart[keyword] = [".".join(map(str, words)) for words in zip(*vectors, strict=True)]
    return apart


def _pointers(values: Mapping[str, Any]) -> list[int]:
    found = values.get("FrameIncrementPointer")
    if found is None:
        return []
    return [int(tag) for tag in ([found] if isinstance(found, int) else found)]


def _vector(values: Mapping[str, Any], name: str, count: int) -> list[int]:
    found = numbers(values, name, count)
    if found is None or min(found) < 1:
        raise SourceError(
            f"{count} frames in one file, whose {name} does not number each frame: export it again"
        )
    return [int(one) for one in found]
