"""What tells the slices of one series apart, each trait as a short word that can be compared."""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from sys import intern
from typing import Any
from unicodedata import normalize

from common.formats.dicom.diffusion import b_value, direction
from common.formats.dicom.roles import image_type
from common.formats.dicom.slices import VOLUME_TAGS, Claims
from common.formats.dicom.values import number, numbers

SETTINGS = (
    *("Modality", "ScanningSequence", "SequenceVariant", "SequenceName", "ProtocolName"),
    *("SeriesDescription", "FlipAngle", "ContrastBolusAgent", "KVP", "ConvolutionKernel"),
    *("ASLContext", "VelocityEncodingDirection", "MagnetizationTransfer", "ScanOptions"),
    *("FilterType", "GantryDetectorTilt"),
)
"""Elements on which the contrast depends; in the slices of one volume they are the same."""

_ROUNDED = ("EchoTime", "InversionTime", "RepetitionTime")
_DIGITS = 4

_POSITION_POINTERS = {0x00209057, 0x00200032, 0x00201041, 0x00209453, 0x00209056}
"""Dimensions of an enhanced file that are places, not volumes: InStackPositionNumber,
ImagePositionPatient, SliceLocation, PlanePositionSequence's own, and StackID."""


def digest(*parts: object) -> str:
    """A short word for values that are only compared; it shows nothing of them."""
    return blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def volume_keys(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Values of VOLUME_TAGS; empty where the header has none.

    Args:
        values: the header's values by keyword, those of the frame before those of the file.
    """
    return tuple(intern(key(values)) for key in _KEYS)


def _b_value(values: Mapping[str, Any]) -> str:
    b = b_value(values)
    return "" if b is None else f"{b:.0f}"


def _direction(values: Mapping[str, Any]) -> str:
    vector = direction(values)
    return "" if vector is None else " ".join(f"{part:.3f}" for part in vector)


def _settings(values: Mapping[str, Any]) -> str:
    return digest(*_scaling(values), *(values.get(name) for name in SETTINGS))


def _word(values: Mapping[str, Any], tag: str) -> str:
    value = values.get(tag)
    return "" if value is None else str(value)


def _rounded(values: Mapping[str, Any], tag: str) -> str:
    """To the significant digits that scanners write without noise."""
    found = number(values, tag)
    return "" if found is None else f"{found:.{_DIGITS}g}"


def _scaling(values: Mapping[str, Any]) -> list[str]:
    """Which scalings apply: values that were measured, displayed or stored are never in one volume
    (``rescaling``)."""
    applied = [name for name in ("PhilipsScaleSlope", "ModalityLUTSequence") if values.get(name)]
    # Even if it changes nothing: it may differ from slice to slice.
    if not applied and number(values, "RescaleSlope") is not None:
        applied.append("RescaleSlope")
    return applied


def _dimension(values: Mapping[str, Any], index: int) -> str:
    indices = values.get("DimensionIndexValues")
    if not isinstance(indices, list) or index >= len(indices):
        return ""
    pointers = values.get("DimensionIndexPointers") or ()
    if index < len(pointers) and pointers[index] in _POSITION_POINTERS:
        return ""
    return str(indices[index])


def _key_of(tag: str) -> Callable[[Mapping[str, Any]], str]:
    """Reads the value of one of VOLUME_TAGS."""
    match tag:
        case "DiffusionBValue":
            return _b_value
        case "DiffusionGradientOrientation":
            return _direction
        case "ImageType":
            return lambda values: "\\".join(image_type(values))
        case "ContrastSettings":
            return _settings
    if tag.startswith("DimensionIndexValues"):
        return partial(_dimension, index=int(tag.removeprefix("DimensionIndexValues")) - 1)
    return partial(_rounded if tag in _ROUNDED else _word, tag=tag)


_KEYS = [_key_of(tag) for tag in VOLUME_TAGS]


def dimension_pointers(values: Mapping[str, Any]) -> list[int]:
    """Which element each dimension of an enhanced file indexes (PS3.3 C.7.6.17)."""
    found = [
        item.get("DimensionIndexPointer") for item in values.get("DimensionIndexSequence") or ()
    ]
    return [int(pointer) if pointer is not None else 0 for pointer in found]


def owner(values: Mapping[str, Any]) -> str:
    """A digest of patient and study, ``/``, and one of the frame of reference, if there is one:
    slices that differ in one of them are never in one volume."""
    study, place = values.get("StudyInstanceUID"), values.get("FrameOfReferenceUID")
    return f"{digest(*_patient(values), study)}/{digest(place) if place else ''}"


def protocol(values: Mapping[str, Any]) -> str:
    """A digest of the patient and of what says which series a slice is of, where its UIDs do not;
    where no patient is named, also of the study and the frame of reference."""
    names = ("Modality", "SeriesNumber", "SeriesDescription", "ProtocolName", "StationName")
    patient = _patient(values)
    whose = patient if any(patient) else (owner(values),)
    return digest(*whose, *(values.get(name) for name in names))


def _patient(values: Mapping[str, Any]) -> tuple[str, str]:
    name = normalize("NFC", str(values.get("PatientName") or "")).rstrip("^ ").casefold()
    return str(values.get("PatientID") or "").strip(), name


def claims(values: Mapping[str, Any]) -> Claims:
    """What the header says of the volume or series as a whole."""
    images = _count(values, "ImagesInAcquisition", "NumberOfSeriesRelatedInstances")
    slices = _count(values, "NumberOfSlices", "GeLocations", "PhilipsSlices")
    spacing, thickness = (_size(values, n) for n in ("SpacingBetweenSlices", "SliceThickness"))
    location = numbers(values, "SliceLocation", 1)
    uid = values.get("ConcatenationUID")
    return Claims(
        images,
        slices,
        spacing,
        thickness,
        location[0] if location else None,
        digest(uid) if uid else "",
        _count(values, "InConcatenationTotalNumber") if uid else None,
    )


def _count(values: Mapping[str, Any], *keywords: str) -> int | None:
    found = (number(values, keyword) for keyword in keywords)
    return next((int(count) for count in found if count and 0 < count < 1 << 31), None)


def _size(values: Mapping[str, Any], keyword: str) -> float | None:
    found = number(values, keyword)
    return abs(found) if found else None
