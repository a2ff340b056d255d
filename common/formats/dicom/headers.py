"""DICOM headers: one small ``Slice`` per image, or per frame of an enhanced multi-frame file.

What comes after: ``dicom_stack`` groups slices into volumes, ``dicom_geometry`` checks these, and
``dicom_pixels`` decodes them. A classic series (a file per slice) and an enhanced multi-frame file
(DICOM PS3.3 C.7.6.16) end up as the same thing.
"""

import logging
import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from blake3 import blake3
from pydicom.datadict import keyword_for_tag
from pydicom.tag import Tag
from pydicom.uid import MediaStorageDirectoryStorage

from common.errors import SourceError
from common.formats.dicom.decompression_limits import check_inflated
from common.formats.dicom.slices import SPLITS, Geometry, Slice, Vector

# Values are judged here where they matter; a warning for each odd one of the rest helps nobody.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
# pydicom warns of what it can cope with (padding, a wrong VR). The filter is set once, for its
# modules alone, because ``warnings.catch_warnings`` around each read is not safe in threads.
warnings.filterwarnings("ignore", module=r"pydicom\.")
# It logs the same, quoting values, and a value can be a patient's.
logging.getLogger("pydicom").propagate = False

_ALIASES = {
    "EffectiveEchoTime": "EchoTime",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
    "FrameType": "ImageType",
    "ReferencedSegmentNumber": "SegmentNumber",
}
"""Names in an enhanced file's functional groups for what a classic file has at its top."""

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
        *SPLITS,
    )
}


class NotDicom(SourceError):
    """What does not begin as a DICOM file does is none."""


class Index(SourceError):
    """A DICOMDIR: an index of other files, not an image."""


def read_slices(path: Path, label: str, pseudonym_key: bytes, *, force: bool) -> list[Slice]:
    """The slices in a file, from its header alone; pixel data is not read.

    Args:
        path: the file.
        label: names the file to its user.
        pseudonym_key: 32 bytes that key the hash of the patient's id.
        force: take it for DICOM though it does not begin as DICOM files do.

    Raises:
        Index: it is a DICOMDIR.
        NotDicom: it was taken for DICOM by force, and is not.
        SourceError: its header is damaged, or it holds no image that could be part of a scan.
    """
    with header_reasons():
        header = _header(path, force)
        if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
            raise Index("a DICOMDIR is an index: send the folder that it is in")
        common = _values(header)
        if force and not str(common.get("SOPClassUID")).startswith("1.2.840.10008."):
            raise NotDicom("no DICOM header in it")
        _check_image(common)
        return [
            _slice({**common, **functional}, path, label, frame, pseudonym_key)
            for frame, functional in _frames(common)
        ]


@contextmanager
def header_reasons() -> Iterator[None]:
    """Whatever goes wrong with a header becomes a SourceError that does not quote it."""
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or type(error).__name__}") from error
    except Exception as error:
        # Whatever a damaged header makes pydicom raise; its text may quote a value of the patient.
        raise SourceError(f"its DICOM header is damaged ({type(error).__name__})") from error


def _header(path: Path, force: bool) -> pydicom.FileDataset:
    check_inflated(path)
    try:
        return pydicom.dcmread(
            path, stop_before_pixels=True, force=force, specific_tags=list(_HEADER_TAGS)
        )
    except Exception as error:
        if force and not isinstance(error, OSError):
            raise NotDicom("no DICOM header in it") from error
        raise


def _values(data: pydicom.Dataset) -> dict[str, Any]:
    """The values by keyword, of public attributes; one that cannot be parsed is as good as none."""
    values: dict[str, Any] = {}
    for tag in data.keys():  # noqa: SIM118 - iterating the dataset itself parses all at once
        if keyword := _HEADER_TAGS.get(tag) or keyword_for_tag(tag):
            with suppress(Exception):
                values[_ALIASES.get(keyword, keyword)] = data[tag].value
    return values


def _check_image(values: Mapping[str, Any]) -> None:
    if not (values.get("Rows") and values.get("Columns")):
        raise SourceError(f"holds no image ({values.get('Modality') or 'no modality given'})")
    meaning = str(values.get("PhotometricInterpretation") or "")
    if not meaning.startswith("MONOCHROME") or values.get("SamplesPerPixel") not in (None, 1):
        raise SourceError(f"pixels are {meaning or 'of unknown meaning'}, not MONOCHROME")
    if "MOSAIC" in str(values.get("ImageType")):
        raise SourceError("a Siemens mosaic, a volume laid out as one picture: make it NIfTI first")
    if values.get("ModalityLUTSequence"):
        raise SourceError("values go through a Modality LUT, which Fr does not apply")


def _frames(common: Mapping[str, Any]) -> list[tuple[int | None, dict[str, Any]]]:
    """What the functional groups of an enhanced file say of each frame; nothing of a classic one.

    Raises:
        SourceError: several frames and no group for each.
    """
    frames = common.get("PerFrameFunctionalGroupsSequence") or ()
    count = int(_number(common, "NumberOfFrames") or 1)
    if not frames and count == 1:
        return [(None, {})]
    if len(frames) != count:
        raise SourceError(f"{count} frames in a file, which gives positions for {len(frames)}")
    shared = _functional(common.get("SharedFunctionalGroupsSequence") or ())
    return [(index, {**shared, **_functional([frame])}) for index, frame in enumerate(frames)]


def _functional(groups: Iterable[pydicom.Dataset]) -> dict[str, Any]:
    """The attributes of functional groups, which are one sequence deep, as if at the top."""
    found: dict[str, Any] = {}
    for group in groups:
        # Private sequences have no keyword, so they stay out: they repeat names with other content.
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
    values: Mapping[str, Any], path: Path, label: str, frame: int | None, key: bytes
) -> Slice:
    instance = _number(values, "InstanceNumber")
    slope, intercept = _number(values, "RescaleSlope"), _number(values, "RescaleIntercept")
    patient = values.get("PatientID")
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
        splits=tuple(sys.intern(str(values.get(keyword))) for keyword in SPLITS),
        acquired_at=_acquired_at(values),
        subject=blake3(str(patient).encode(), key=key).hexdigest()[:16] if patient else None,
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


def _acquired_at(values: Mapping[str, Any]) -> datetime | None:
    """The first date and time that the header has, UTC unless it gives the offset."""
    pairs = [str(values.get("AcquisitionDateTime") or "")]
    for name in ("Acquisition", "Series", "Content"):
        date, time = values.get(f"{name}Date"), values.get(f"{name}Time")
        pairs.append(f"{date}{time}" if date and time else "")
    offset = str(values.get("TimezoneOffsetFromUTC") or "")
    return next((at for text in pairs if text and (at := _utc(text, offset))), None)


def _utc(text: str, offset: str) -> datetime | None:
    """A DICOM DT value (PS3.5 6.2), ``YYYYMMDDHHMMSS.FFFFFF&ZZXX``, down to the minute or more."""
    text = text.strip()
    for sign in "+-":
        local, found, zone = text.partition(sign)
        if found:
            text, offset = local, sign + zone
    digits, _, fraction = text.partition(".")
    try:
        at = datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        if zone := offset.strip().lstrip("+-"):
            ahead = timedelta(hours=int(zone[:2]), minutes=int(zone[2:4] or 0))
            at = at + ahead if offset.strip().startswith("-") else at - ahead
        # BSON keeps milliseconds: a finer time would come back changed.
        return at.replace(microsecond=int(fraction[:3].ljust(3, "0")) * 1000 if fraction else 0)
    except (ValueError, OverflowError):
        return None
