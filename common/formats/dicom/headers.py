"""DICOM headers: one small ``Slice`` per image, or per frame of an enhanced multi-frame file.

``series`` then groups slices into volumes, ``geometry`` checks them, and ``pixel_data`` decodes
them. A classic series (one file per slice) and an enhanced multi-frame file (functional groups,
PS3.3 C.7.6.16) give the same slices.
"""

import io
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import SourceError
from common.formats.dicom.attributes import Attributes, attributes_of
from common.formats.dicom.damage import damage_of
from common.formats.dicom.date_time import acquisition_time
from common.formats.dicom.file_kinds import NotDicom
from common.formats.dicom.frames import frames_of
from common.formats.dicom.header_scan import scan_header
from common.formats.dicom.header_tags import HEADER_TAGS
from common.formats.dicom.header_values import header_of
from common.formats.dicom.modality_lut import modality_lut_of
from common.formats.dicom.multiframe import check_nuclear, holds_volume
from common.formats.dicom.rescaling import rescaling_of
from common.formats.dicom.roles import role_of
from common.formats.dicom.slices import Geometry, Slice, Stamp
from common.formats.dicom.sop_classes import PICTURES, kind_of
from common.formats.dicom.traits import (
    claims,
    dimension_pointers,
    owner,
    protocol,
    volume_keys,
)
from common.formats.dicom.values import number, numbers
from common.formats.not_a_scan import NotAScan, UnreadKind
from common.formats.opening import open_file

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
    attributes: Attributes


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
    with as_source_error(), open_file(path) as opened:
        opened.inflate()
        stamp = opened.stamp
        scanned = scan_header(opened.file, opened.packed_size)
        on_frames(scanned.frames)
        header = header_of(scanned, HEADER_TAGS, force=force)
        common = header.values
        sop_class = str(common.get("SOPClassUID") or header.media_class)
        if force and not sop_class.startswith(("1.2.840.10008.", *_PRIVATE_ROOTS)):
            raise NotDicom("no DICOM header")
        _check_kind(common, sop_class, pictures=pictures)
        check_nuclear(common, sop_class)
        _check_image(common)
        modality_lut_of(common, little=header.little)
        frames = frames_of(common, scanned.frames)
        common["DimensionIndexPointers"] = dimension_pointers(common)
        stream = io.BytesIO(scanned.data) if scanned.inflated else opened.file
        damage = damage_of(stream, scanned.pixels, header.syntax, common)
        of_file = _OfFile(path, label, stamp, owner(common), protocol(common), damage)
        slices = [_slice({**common, **functional}, frame, of_file) for frame, functional in frames]
        patient = common.get("PatientID")
        attributes = attributes_of({**common, **frames[0][1]})
        return DicomFile(slices, str(patient) if patient else None, attributes)


@contextmanager
def as_source_error() -> Iterator[None]:
    """Turn whatever reading a header raises into a ``SourceError`` that quotes no value of it."""
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or type(error).__name__}") from error
    except (EOFError, zlib.error) as error:
        raise SourceError("the compressed data is truncated or damaged: copy it again") from error
    except Exception as error:
        # Whatever a damaged header makes pydicom raise; its text may quote patient data.
        raise SourceError(
            f"the DICOM header is damaged ({type(error).__name__}): export the file again"
        ) from error


def _check_kind(values: Mapping[str, Any], sop_class: str, *, pictures: bool) -> None:
    modality = str(values.get("Modality") or "")
    has_rows = bool(values.get("Rows") and values.get("Columns"))
    kind = kind_of(sop_class, modality, has_rows=has_rows)
    colours = number(values, "SamplesPerPixel") or 1
    palette = values.get("PhotometricInterpretation") == "PALETTE COLOR"
    if kind is None and has_rows and (colours > 1 or palette):
        kind = "colour_image"
    if kind == "secondary_capture" and colours == 1 and has_rows and holds_volume(values):
        return
    if kind and not (pictures and kind in PICTURES and colours == 1 and has_rows):
        raise NotAScan(kind)


def _check_image(values: Mapping[str, Any]) -> None:
    if not (values.get("Rows") and values.get("Columns")):
        modality = _defined(values, "Modality", _WITHOUT_IMAGE)
        raise UnreadKind(
            f"contains no image{f' ({modality})' if modality else ''}: the file was cut off, "
            "or its pixels were removed; copy it again, or export it again with pixels"
        )
    meaning = str(values.get("PhotometricInterpretation") or "")
    color = _defined(values, "PhotometricInterpretation", _COLORS)
    if not meaning.startswith("MONOCHROME") or values.get("SamplesPerPixel") not in (None, 1):
        raise UnreadKind(
            f"pixels are {f'{color}, ' if color else ''}not MONOCHROME: send greyscale images"
        )


def _defined(values: Mapping[str, Any], keyword: str, terms: frozenset[str]) -> str | None:
    """A value if it is one of these terms; any other could be somebody's name."""
    value = str(values.get(keyword))
    return value if value in terms else None


@dataclass(frozen=True, slots=True)
class _OfFile:
    """What all slices of a file share."""

    path: Path
    label: str
    stamp: Stamp
    owner: str
    protocol: str
    damage: str


def _slice(values: Mapping[str, Any], frame: int | None, of_file: _OfFile) -> Slice:
    instance = number(values, "InstanceNumber")
    scaling = rescaling_of(values)
    assumed = ("frames_assumed",) if values.get("FramesAssumed") else ()
    return Slice(
        path=of_file.path,
        label=of_file.label,
        frame=frame,
        series=str(values.get("SeriesInstanceUID") or ""),
        owner=of_file.owner,
        protocol=of_file.protocol,
        uid=str(values.get("SOPInstanceUID") or of_file.path),
        instance=None if instance is None else int(instance),
        rows=int(values["Rows"]),
        columns=int(values["Columns"]),
        bits=(
            16 if values.get("ModalityLUTSequence") else int(number(values, "BitsAllocated") or 16)
        ),
        slope=scaling.slope,
        intercept=scaling.intercept,
        geometry=_geometry(values),
        tiles=int(values.get("MosaicTiles") or 1),
        claims=claims(values),
        volume_keys=volume_keys(values),
        role=role_of(values),
        damage=of_file.damage,
        problems=(*assumed, *scaling.problems),
        acquired_at=acquisition_time(values),
        subject=None,
        stamp=of_file.stamp,
    )


def _geometry(values: Mapping[str, Any]) -> Geometry | None:
    position = numbers(values, "ImagePositionPatient", 3)
    cosines = numbers(values, "ImageOrientationPatient", 6)
    spacing = numbers(values, "PixelSpacing", 2)
    if position is None or cosines is None or spacing is None:
        return None
    row, column = cosines[:3], cosines[3:]
    straight = abs(sum(a * b for a, b in zip(row, column, strict=True))) < 0.01
    unit = all(abs(math.hypot(*side) - 1) < 0.01 for side in (row, column))
    if not (straight and unit and min(spacing) > 0):
        return None
    sizes = (number(values, name) for name in ("SpacingBetweenSlices", "SliceThickness"))
    thickness = next((abs(size) for size in sizes if size), 1.0)
    return Geometry(position, row, column, spacing, thickness)
