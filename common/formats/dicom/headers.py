"""DICOM headers: one small ``Slice`` per image, or per frame of an enhanced multi-frame file.

``series`` then groups slices into volumes, ``geometry`` checks them, and ``pixel_data`` decodes
them. A classic series (one file per slice) and an enhanced multi-frame file (functional groups,
PS3.3 C.7.6.16) give the same slices.
"""

import io
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.tag import Tag

from common.errors import SourceError
from common.formats.dicom.date_time import acquisition_time
from common.formats.dicom.file_kinds import NotDicom
from common.formats.dicom.header_scan import ScannedHeader, scan_header
from common.formats.dicom.slices import VOLUME_TAGS, Geometry, Slice, Stamp, Vector
from common.formats.dicom.sop_classes import PICTURES, kind_of
from common.formats.not_a_scan import NotAScan, UnreadKind

# The values that matter are validated here; warnings about the others help nobody.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
# pydicom warns about what it can handle (padding, a wrong VR). The filter is set once, and for its
# modules only, because ``warnings.catch_warnings`` around each read is not thread-safe.
warnings.filterwarnings("ignore", module=r"pydicom\.")
# It logs the same, and quotes values, which can be a patient's.
logging.getLogger("pydicom").propagate = False

_ALIASES = {
    "EffectiveEchoTime": "EchoTime",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
    "FrameType": "ImageType",
    "ReferencedSegmentNumber": "SegmentNumber",
}
"""Keywords of functional groups whose classic counterparts are at the top of the data set."""

LAYOUT = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated",),
)
_HEADER_TAGS = {
    Tag(keyword): keyword
    for keyword in (
        *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "InstanceNumber"),
        *("Modality", "PatientID"),
        *LAYOUT,
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
        *("SliceThickness", "SpacingBetweenSlices"),
        *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
        *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
        *("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"),
        *("SeriesDate", "SeriesTime", "ContentDate", "ContentTime", "TimezoneOffsetFromUTC"),
        *VOLUME_TAGS,
    )
}


_WITHOUT_IMAGE = frozenset(
    {"SR", "KO", "PR", "DOC", "REG", "SEG", "PLAN", "RTSTRUCT", "RTPLAN", "RTDOSE", "ECG", "AU"}
    | {"MR", "CT", "PT", "NM", "US", "OT", "SC"}
)
_PRIVATE_ROOTS = ("1.3.12.2.1107.5.9.", "1.3.46.670589.", "1.2.840.113619.4.")
"""SOP classes of Siemens, Philips and GE."""
_COLORS = frozenset(
    {"RGB", "ARGB", "CMYK", "HSV", "PALETTE COLOR"}
    | {f"YBR_{kind}" for kind in ("FULL", "FULL_422", "PARTIAL_422", "PARTIAL_420", "ICT", "RCT")}
)
"""Values that an error may quote."""


@dataclass(frozen=True, slots=True)
class DicomFile:
    """What the header of one file says."""

    slices: list[Slice]
    """One for a classic file, one per frame for an enhanced one; without ``subject``."""
    patient: str | None
    """PatientID, of which the pseudonym is made; it goes nowhere else."""


def read_slices(
    path: Path,
    label: str,
    *,
    force: bool,
    pictures: bool = False,
    on_frames: Callable[[int], None] = lambda _: None,
) -> DicomFile:
    """Read the slices of a file from its header; pixel data is not read.

    Args:
        path: the file.
        label: names the file to its user.
        force: read the file as DICOM even if it lacks the preamble (PS3.10 7.1).
        pictures: read greyscale secondary captures, photographs and the like, too.
        on_frames: called with the number of frames before pydicom parses the header.

    Raises:
        NotDicom: it was read by ``force`` and is not DICOM.
        NotAScan: it is an object of another kind.
        SourceError: its header is damaged, or its image cannot be part of a scan.
    """
    with as_source_error(), path.open("rb") as file:
        stamp = stamp_of(file)
        scanned = scan_header(file)
        on_frames(scanned.frames)
        header = parse_header(scanned, list(_HEADER_TAGS), force)
        common = _values(header)
        named = str(header.file_meta.get("MediaStorageSOPClassUID") or "")
        sop_class = str(common.get("SOPClassUID") or named)
        if force and not sop_class.startswith(("1.2.840.10008.", *_PRIVATE_ROOTS)):
            raise NotDicom("no DICOM header")
        _check_kind(common, sop_class, pictures=pictures)
        _check_image(common)
        slices = [
            _slice({**common, **functional}, path, label, frame, stamp)
            for frame, functional in _frames(common)
        ]
        patient = common.get("PatientID")
        return DicomFile(slices, str(patient) if patient else None)


def stamp_of(file: BinaryIO) -> Stamp:
    """Size and time of the last change of an open file, which tell whether it changed."""
    info = os.fstat(file.fileno())
    return info.st_size, info.st_mtime_ns


@contextmanager
def as_source_error() -> Iterator[None]:
    """Turn whatever reading a header raises into a ``SourceError`` that quotes no value of it."""
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or type(error).__name__}") from error
    except Exception as error:
        # Whatever a damaged header makes pydicom raise; its text may quote patient data.
        raise SourceError(
            f"the DICOM header is damaged ({type(error).__name__}): export the file again"
        ) from error


def parse_header(scanned: ScannedHeader, tags: list[Any], force: bool) -> pydicom.FileDataset:
    """Parse the elements before the pixel data of a header that was measured.

    Raises:
        NotDicom: it was read by ``force`` and is not DICOM.
        Exception: whatever pydicom raises for a damaged header.
    """
    try:
        data = io.BytesIO(scanned.data)
        return pydicom.dcmread(data, stop_before_pixels=True, force=force, specific_tags=tags)
    except Exception as error:
        if force and not isinstance(error, OSError):
            raise NotDicom("no DICOM header") from error
        raise


def _values(data: pydicom.Dataset) -> dict[str, Any]:
    """Public attributes by keyword, without those that cannot be parsed."""
    values: dict[str, Any] = {}
    for tag in data.keys():  # noqa: SIM118 - iterating the dataset itself parses all at once
        if keyword := _HEADER_TAGS.get(tag) or keyword_for_tag(tag):
            with suppress(Exception):
                values[_ALIASES.get(keyword, keyword)] = data[tag].value
    return values


def _check_kind(values: Mapping[str, Any], sop_class: str, *, pictures: bool) -> None:
    modality = str(values.get("Modality") or "")
    has_rows = bool(values.get("Rows") and values.get("Columns"))
    kind = kind_of(sop_class, modality, has_rows=has_rows)
    colours = _number(values, "SamplesPerPixel") or 1
    if kind is None and has_rows and colours > 1:
        kind = "colour_image"
    if kind and not (pictures and kind in PICTURES and colours == 1 and has_rows):
        raise NotAScan(kind)


def _check_image(values: Mapping[str, Any]) -> None:
    if not (values.get("Rows") and values.get("Columns")):
        modality = _defined(values, "Modality", _WITHOUT_IMAGE)
        raise UnreadKind(f"contains no image ({modality or 'of an unknown modality'})")
    meaning = str(values.get("PhotometricInterpretation") or "")
    color = _defined(values, "PhotometricInterpretation", _COLORS)
    if not meaning.startswith("MONOCHROME") or values.get("SamplesPerPixel") not in (None, 1):
        raise UnreadKind(
            f"pixels are {f'{color}, ' if color else ''}not MONOCHROME: send greyscale images"
        )
    if "MOSAIC" in str(values.get("ImageType")):
        raise UnreadKind("a Siemens mosaic, a volume as tiles of one image: convert it to NIfTI")
    if values.get("ModalityLUTSequence"):
        raise UnreadKind("a Modality LUT, which Fr does not apply: export rescaled values")


def _defined(values: Mapping[str, Any], keyword: str, terms: frozenset[str]) -> str | None:
    """A value if it is one of these terms; any other could be somebody's name."""
    value = str(values.get(keyword))
    return value if value in terms else None


def _frames(common: Mapping[str, Any]) -> list[tuple[int | None, dict[str, Any]]]:
    """Each frame's index and the attributes in its functional groups; one without both for a
    classic file.

    Raises:
        SourceError: the file has several frames and not one functional group for each.
    """
    frames = common.get("PerFrameFunctionalGroupsSequence") or ()
    count = int(_number(common, "NumberOfFrames") or 1)
    if not frames and count == 1:
        return [(None, {})]
    if len(frames) != count:
        raise SourceError(
            f"{count} frames in one file, but functional groups for {len(frames)}: "
            "convert it to an enhanced or a classic series"
        )
    shared = _functional(common.get("SharedFunctionalGroupsSequence") or ())
    return [(index, {**shared, **_functional([frame])}) for index, frame in enumerate(frames)]


def _functional(groups: Iterable[pydicom.Dataset]) -> dict[str, Any]:
    """The attributes in functional groups (PS3.3 C.7.6.16.1), each one sequence below the group."""
    found: dict[str, Any] = {}
    for group in groups:
        # Private sequences have no keyword and stay out: they reuse keywords with other content.
        for macro in _values(group).values():
            if isinstance(macro, pydicom.Sequence) and macro:
                found.update(_values(macro[0]))
    return found


def _number(values: Mapping[str, Any], keyword: str) -> float | None:
    numbers = _numbers(values, keyword, 1)
    return numbers[0] if numbers else None


def _numbers(values: Mapping[str, Any], keyword: str, count: int) -> Vector | None:
    value: Any = values.get(keyword)
    try:
        numbers = tuple(map(float, [value] if count == 1 else value or ()))
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _slice(
    values: Mapping[str, Any], path: Path, label: str, frame: int | None, stamp: Stamp
) -> Slice:
    instance = _number(values, "InstanceNumber")
    slope, intercept = _number(values, "RescaleSlope"), _number(values, "RescaleIntercept")
    return Slice(
        path=path,
        label=label,
        frame=frame,
        series=str(values.get("SeriesInstanceUID") or path),
        uid=str(values.get("SOPInstanceUID") or path),
        instance=None if instance is None else int(instance),
        rows=int(values["Rows"]),
        columns=int(values["Columns"]),
        bits=int(_number(values, "BitsAllocated") or 16),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        geometry=_geometry(values),
        volume_keys=tuple(sys.intern(str(values.get(keyword))) for keyword in VOLUME_TAGS),
        acquired_at=acquisition_time(values),
        subject=None,
        stamp=stamp,
    )


def _geometry(values: Mapping[str, Any]) -> Geometry | None:
    position = _numbers(values, "ImagePositionPatient", 3)
    cosines = _numbers(values, "ImageOrientationPatient", 6)
    spacing = _numbers(values, "PixelSpacing", 2)
    if position is None or cosines is None or spacing is None:
        return None
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    straight = abs(float(row @ column)) < 0.01
    unit = all(abs(float(np.linalg.norm(side)) - 1) < 0.01 for side in (row, column))
    if not (straight and unit and min(spacing) > 0):
        return None
    sizes = (_number(values, name) for name in ("SpacingBetweenSlices", "SliceThickness"))
    thickness = next((abs(size) for size in sizes if size), 1.0)
    return Geometry(position, cosines[:3], cosines[3:], spacing, thickness)
