"""DICOM series: headers first, then slices stacked into volumes.

Headers become one small ``Slice`` per image or frame; ``stacks`` groups these by series, checks the
geometry and splits what holds several volumes; ``Stack.read`` decodes the pixels. A classic series
(a file per slice) and an enhanced multi-frame file (DICOM PS3.3 C.7.6.16) end up as the same thing.

Geometry is that of the Image Plane module (DICOM PS3.3 C.7.6.2): positions of slices are compared
along the normal of their plane, in mm.
"""

import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from blake3 import blake3
from pydicom.datadict import keyword_for_tag
from pydicom.pixels.utils import get_expected_length, iter_pixels
from pydicom.tag import Tag
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MediaStorageDirectoryStorage,
)

from common.errors import SourceError
from common.models import Affine

# Values are judged here where they matter; a warning for each odd one of the rest helps nobody.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
# pydicom warns of what it can cope with (padding, a wrong VR). The filter is set once, for its
# modules alone, because ``warnings.catch_warnings`` around each read is not safe in threads.
warnings.filterwarnings("ignore", module=r"pydicom\.")
# It logs the same, quoting values, and a value can be a patient's.
logging.getLogger("pydicom").propagate = False

_SPLITS = (
    *("EchoNumbers", "EchoTime", "TemporalPositionIdentifier", "StackID"),
    *("DiffusionBValue", "ImageType", "SegmentNumber", "AcquisitionNumber"),
)
"""What can tell the volumes of one series apart, the most telling first."""

_ALIASES = {
    "EffectiveEchoTime": "EchoTime",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
    "FrameType": "ImageType",
    "ReferencedSegmentNumber": "SegmentNumber",
}
"""Names in an enhanced file's functional groups for what a classic file has at its top."""

_LAYOUT = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated",),
)
_PIXELS = ("FloatPixelData", "DoubleFloatPixelData", "PixelData")
_HEADER_TAGS = {
    Tag(keyword): keyword
    for keyword in (
        *("SOPClassUID", "SeriesInstanceUID", "Modality", "PatientID", "InstanceNumber"),
        *_LAYOUT,
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
        *("SliceThickness", "SpacingBetweenSlices"),
        *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
        *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
        *("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"),
        *("SeriesDate", "SeriesTime", "ContentDate", "ContentTime", "TimezoneOffsetFromUTC"),
        *_SPLITS,
    )
}
_PIXEL_TAGS = [
    Tag(keyword)
    for keyword in (
        *_LAYOUT,
        *("PlanarConfiguration", "BitsStored", "HighBit", "PixelRepresentation"),
        *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
        *_PIXELS,
    )
]

_NATIVE = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
"""Transfer syntax of a file that does not name it, by (implicit VR, little-endian)."""

_PLUGINS: dict[str, str] = {
    JPEGBaseline8Bit: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
}
"""What decodes instead of GDCM, pydicom's first choice: a damaged JPEG-LS stream makes that end
the whole process. GDCM remains for what it alone decodes, lossless and 12-bit JPEG."""

_DUPLICATE_MM = 0.01  # slices closer than this are at one place
_ALIKE = 1e-3  # by which direction cosines and pixel spacings (mm) of one series may differ
_DEFLATED_MAX = 1 << 20  # bytes of a deflated file: pydicom inflates it whole, up to 1032 times

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Geometry:
    """The Image Plane module (DICOM PS3.3 C.7.6.2)."""

    position: Vector
    """Centre of the first pixel, mm, LPS+ (x to the left, y to the back, z upwards)."""
    row: Vector
    """Direction of a row, in which column indices grow: a unit vector."""
    column: Vector
    """Direction of a column, in which row indices grow: a unit vector."""
    spacing: Vector
    """mm between rows, mm between columns."""
    thickness: float
    """mm to the next slice, as the header has it; for a slice that is alone."""

    @property
    def normal(self) -> Vector:
        """Unit vector along which the slices of a stack are sorted."""
        (a, b, c), (d, e, f) = self.row, self.column
        return b * f - c * e, c * d - a * f, a * e - b * d

    @property
    def distance(self) -> float:
        """Where the slice lies along the normal, mm."""
        return math.fsum(a * b for a, b in zip(self.position, self.normal, strict=True))

    @property
    def plane(self) -> Vector:
        """The six direction cosines, as ImageOrientationPatient has them."""
        return (*self.row, *self.column)


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice as its header describes it: an image, or a frame of one."""

    path: Path
    label: str
    frame: int | None
    """Counted from 0 in an enhanced file; none in a classic one."""
    series: str
    instance: int | None
    rows: int
    columns: int
    bits: int
    slope: float
    intercept: float
    geometry: Geometry | None
    splits: tuple[str, ...]
    acquired_at: datetime | None
    subject: str | None

    @property
    def name(self) -> str:
        """Names it among its series: by frame or instance number if it has one, else by file."""
        if self.frame is not None:
            return f"frame {self.frame + 1}"
        return self.label if self.instance is None else f"instance {self.instance}"


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices that make one volume, in order of their position."""

    label: str
    slices: tuple[Slice, ...]
    affine: Affine | None

    @property
    def path(self) -> Path:
        """The first file."""
        return self.slices[0].path

    @property
    def acquired_at(self) -> datetime | None:
        """When the first slice was acquired, UTC; none if no header says."""
        return min((at for piece in self.slices if (at := piece.acquired_at)), default=None)

    @property
    def subject(self) -> str | None:
        """Pseudonym of the patient; none if the headers have no id."""
        return self.slices[0].subject

    @property
    def declared_bytes(self) -> int:
        """Memory that the volume takes, as its headers declare it."""
        first = self.slices[0]
        itemsize = max(math.ceil(first.bits / 8), 4 * (not self._identity))
        return first.rows * first.columns * len(self.slices) * itemsize

    @property
    def _identity(self) -> bool:
        return all((piece.slope, piece.intercept) == (1.0, 0.0) for piece in self.slices)

    def read(self) -> tuple[npt.NDArray[Any], Affine | None]:
        """The voxels (column, row, slice) in Fortran order and the affine in mm, RAS+.

        Rescaled (``RescaleSlope``, ``RescaleIntercept``): in the stored type where that changes
        nothing; int16 or uint16 where the values stay whole and fit; else float32.
        MONOCHROME1 says how to show values, not what they are: it changes nothing here.

        Raises:
            SourceError: pixel data is absent, cut short or cannot be decoded.
        """
        stored = self._stored()
        return (stored if self._identity else self._rescaled(stored)), self.affine

    def _stored(self) -> npt.NDArray[Any]:
        places: dict[Path, list[int]] = {}
        for k, piece in enumerate(self.slices):
            places.setdefault(piece.path, []).append(k)
        first = self.slices[0]
        volume: npt.NDArray[Any] = np.empty(0)
        for path, indices in places.items():
            label = self.slices[indices[0]].label
            frames = _decoded(path, label, [self.slices[k].frame or 0 for k in indices])
            for k, pixels in zip(indices, frames, strict=True):
                if pixels.shape != (first.rows, first.columns):
                    raise SourceError(f"{label} decodes to {pixels.shape}, not as its header says")
                if not volume.size:  # the type is known once a slice is decoded
                    shape = (first.columns, first.rows, len(self.slices))
                    volume = np.empty(shape, pixels.dtype.newbyteorder("<"), order="F")
                if pixels.dtype.newbyteorder("<") != volume.dtype:
                    raise SourceError(f"mixed pixel types: {label} differs from {first.label}")
                volume[:, :, k] = pixels.T
        return volume

    def _rescaled(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        target = self._fitting(stored)
        # Where the size of a voxel stays, its memory is used again: CT, nearly always.
        same = stored.itemsize == target.itemsize
        out = stored.view(target) if same else np.empty(stored.shape, target, order="F")
        try:
            with np.errstate(over="raise", invalid="ignore"):
                for k, piece in enumerate(self.slices):
                    # Through a copy: ``out`` may be the same memory.
                    values = stored[:, :, k].astype(np.float64) * piece.slope
                    out[:, :, k] = values + piece.intercept
        except FloatingPointError as error:
            raise SourceError("rescaled values are too large for float32") from error
        return out

    def _fitting(self, stored: npt.NDArray[Any]) -> np.dtype[Any]:
        whole = stored.dtype.kind in "iu" and all(
            piece.slope.is_integer() and piece.intercept.is_integer() for piece in self.slices
        )
        if whole:
            ends = [
                float(end) * piece.slope + piece.intercept
                for k, piece in enumerate(self.slices)
                for end in (stored[:, :, k].min(), stored[:, :, k].max())
            ]
            for name in ("int16", "uint16"):
                limits = np.iinfo(name)
                if limits.min <= min(ends) and max(ends) <= limits.max:
                    return np.dtype(name).newbyteorder("<")
        return np.dtype("<f4")


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
    with _reasons():
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


def stacks(slices: Sequence[Slice], *, alone: bool) -> Iterator[tuple[str, Stack | SourceError]]:
    """The volumes in the slices of one series, each with its label; or why there is none.

    Args:
        slices: of one series, in the order in which their files were found.
        alone: the user gave this one file. Only then may an image without geometry be sent, as
            one that is not in space: in a folder it is most likely a screen shot.
    """
    label, first = slices[0].label, slices[0]
    if len(slices) > 1:
        label += f" (series of {len(slices)} slices)"
    try:
        if first.geometry is None and len(slices) == 1 and alone:
            yield label, Stack(label, (first,), None)
            return
        _check_alike(slices)
        volumes = _volumes(slices)
    except SourceError as error:
        yield label, error
        return
    places = max(len(members) for _, members in volumes)
    for suffix, members in volumes:
        name = label if not suffix else f"{first.label} (series of {len(members)} slices, {suffix})"
        try:
            if len(members) < places:
                raise SourceError(f"incomplete: {len(members)} of {places} slices")  # noqa: TRY301
            ordered, affine = _ordered(members)
            yield name, Stack(name, ordered, affine)
        except SourceError as error:
            yield name, error


@contextmanager
def _reasons() -> Iterator[None]:
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
    if not force and path.stat().st_size > _DEFLATED_MAX:
        syntax = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")
        if syntax == DeflatedExplicitVRLittleEndian:
            raise SourceError("a large deflated file may inflate without bound: store it plain")
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
        instance=None if instance is None else int(instance),
        rows=int(values["Rows"]),
        columns=int(values["Columns"]),
        bits=int(_number(values, "BitsAllocated") or 16),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        geometry=_geometry(values),
        splits=tuple(sys.intern(str(values.get(keyword))) for keyword in _SPLITS),
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


def _check_alike(slices: Sequence[Slice]) -> None:
    lost = [piece for piece in slices if piece.geometry is None]
    if lost:
        raise SourceError(
            "not placed in space: ImagePositionPatient, ImageOrientationPatient or PixelSpacing "
            f"is absent or not valid in {_some([piece.label for piece in lost])}"
        )
    _same(slices, "shapes (columns, rows)", lambda piece: (piece.columns, piece.rows))
    _same(slices, "pixel types (bits)", lambda piece: (piece.bits,))
    _same(slices, "orientations (direction cosines)", lambda piece: _placed(piece).plane)
    _same(slices, "pixel spacings (mm)", lambda piece: _placed(piece).spacing)


def _placed(piece: Slice) -> Geometry:
    if piece.geometry is None:
        raise SourceError(f"{piece.label} is not placed in space")
    return piece.geometry


def _same(slices: Sequence[Slice], what: str, trait: Callable[[Slice], Vector]) -> None:
    groups: dict[Vector, list[Slice]] = {}
    for piece in slices:
        value = trait(piece)
        # Compared with tolerance, not rounded: rounding parts neighbours at each half.
        near = (seen for seen in groups if np.allclose(seen, value, rtol=0, atol=_ALIKE))
        groups.setdefault(value if value in groups else next(near, value), []).append(piece)
    if len(groups) > 1:
        told = "; ".join(
            f"({', '.join(f'{number:g}' for number in value)}) in "
            + _some([piece.label for piece in members])
            for value, members in list(groups.items())[:3]
        )
        raise SourceError(f"mixed {what} in one series: {told}")


def _some(names: Sequence[str]) -> str:
    """Enough of the names to find the rest by."""
    told = ", ".join(dict.fromkeys(names[:3]))
    return f"{told} and {len(names) - 3} more" if len(names) > 3 else told


def _distance(piece: Slice) -> float:
    return _placed(piece).distance


def _duplicates(slices: Sequence[Slice]) -> list[tuple[Slice, Slice]]:
    ordered = sorted(slices, key=_distance)
    return [
        (one, two)
        for one, two in pairwise(ordered)
        if _distance(two) - _distance(one) < _DUPLICATE_MM
    ]


def _volumes(slices: Sequence[Slice]) -> list[tuple[str, list[Slice]]]:
    """The slices as volumes, each with what tells it from the others ('' if it is the only one).

    Raises:
        SourceError: several slices are at one place and no tag tells volumes apart.
    """
    doubled = _duplicates(slices)
    if not doubled:
        return [("", list(slices))]
    for count in (1, 2):
        for chosen in combinations(range(len(_SPLITS)), count):
            if volumes := _split(slices, chosen):
                return volumes
    one, two = doubled[0]
    more = f" and {len(doubled) - 1} more pairs" if len(doubled) > 1 else ""
    raise SourceError(
        f"two slices at one place: {_full(one)} and {_full(two)}{more}; "
        "remove copies, or send each volume from a folder of its own"
    )


def _full(piece: Slice) -> str:
    return piece.label if piece.name == piece.label else f"{piece.label} ({piece.name})"


def _split(
    slices: Sequence[Slice], chosen: tuple[int, ...]
) -> list[tuple[str, list[Slice]]] | None:
    """By the tags ``chosen``; none unless that gives volumes, most of them complete."""
    groups: dict[tuple[str, ...], list[Slice]] = {}
    for piece in slices:
        groups.setdefault(tuple(piece.splits[tag] for tag in chosen), []).append(piece)
    if len(groups) < 2 or any(_duplicates(members) for members in groups.values()):
        return None
    places = len(slices) - len(_duplicates(slices))
    if sum(len(members) == places for members in groups.values()) * 2 <= len(groups):
        return None
    values = [sorted({key[n] for key in groups}, key=_natural) for n in range(len(chosen))]
    return [
        (
            ", ".join(
                f"{_SPLITS[tag]} {values[n].index(key[n]) + 1} of {len(values[n])}"
                for n, tag in enumerate(chosen)
            ),
            groups[key],
        )
        for key in sorted(groups, key=lambda key: [_natural(value) for value in key])
    ]


def _natural(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value


def _ordered(slices: Sequence[Slice]) -> tuple[tuple[Slice, ...], Affine]:
    """The slices by position, and the affine of their volume.

    Raises:
        SourceError: a slice is missing, or they are not evenly spaced along a line.
    """
    ordered = tuple(sorted(slices, key=_distance))
    first = _placed(ordered[0])
    positions = np.array([_placed(piece).position for piece in ordered])
    if len(ordered) == 1:
        step = np.array(first.normal) * first.thickness
    else:
        _check_spacing(ordered, positions)
        # Not along the normal: a tilted CT gantry shears the stack, and the affine says so.
        step = (positions[-1] - positions[0]) / (len(ordered) - 1)
    # DICOM PS3.3 C.7.6.2.1.1; PixelSpacing is (between rows, between columns).
    matrix = np.column_stack(
        [
            np.array(first.row) * first.spacing[1],
            np.array(first.column) * first.spacing[0],
            step,
            positions[0],
        ]
    )
    matrix[:2] *= -1  # LPS+ to RAS+
    matrix += 0.0  # no -0.0
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in matrix)
    return ordered, (x, y, z)


def _check_spacing(ordered: Sequence[Slice], positions: npt.NDArray[np.float64]) -> None:
    distances = [_distance(piece) for piece in ordered]
    steps = np.diff(distances)
    # The lower median: of two steps, 5 mm and 10 mm, the wide one is the gap.
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    gaps = [k for k, step in enumerate(steps) if step > 1.5 * usual]
    if gaps:
        told = "; ".join(
            f"between {ordered[k].name} and {ordered[k + 1].name} ({steps[k]:.2f} mm apart)"
            for k in gaps[:3]
        )
        more = f" and {len(gaps) - 3} more gaps" if len(gaps) > 3 else ""
        raise SourceError(f"slice missing {told}{more}; the others are {usual:.2f} mm apart")
    # Positions are rounded by some scanners to 0.1 mm; a voxel is never off by a quarter.
    tolerance = min(max(0.05 * usual, 0.1), 0.25 * usual)
    line = np.linspace(positions[0], positions[-1], len(ordered))
    off = np.linalg.norm(positions - line, axis=1)
    if (uneven := float(np.ptp(steps))) > 2 * tolerance or off.max() > 2 * tolerance:
        worst = ordered[int(off.argmax())].name
        raise SourceError(
            f"slices are not evenly spaced along a line: steps differ by {uneven:.2f} mm, "
            f"{worst} is off by {off.max():.2f} mm"
        )


def _decoded(path: Path, label: str, frames: list[int]) -> Iterator[npt.NDArray[Any]]:
    """The stored values of each frame (rows, columns)."""
    with _reasons():
        data = pydicom.dcmread(path, force=True, specific_tags=_PIXEL_TAGS)
        if not any(name in data for name in _PIXELS):
            raise SourceError(f"{label} is cut short before its pixel data, or has none")
        syntax = _syntax(data)
    try:
        _check_length(data, label, syntax)
        plugin = _PLUGINS.get(syntax, "")
        yield from iter_pixels(data, indices=frames, raw=True, decoding_plugin=plugin)
    except (SourceError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # Each decoder has exceptions of its own; a panic of one in Rust is not even an Exception.
        # Pixel attributes are all that they can quote.
        reason = (str(error).splitlines() or [""])[0][:200]
        raise SourceError(
            f"pixel data of {label} is cut short or cannot be decoded ({syntax.name}): {reason}"
        ) from error


def _syntax(data: pydicom.FileDataset) -> UID:
    """The transfer syntax; by what the reading found where the file does not name it."""
    named = data.file_meta.get("TransferSyntaxUID")
    implicit, little = data.original_encoding
    syntax = UID(str(named)) if named else _NATIVE[bool(implicit), bool(little)]
    data.file_meta.TransferSyntaxUID = syntax
    return syntax


def _check_length(data: pydicom.Dataset, label: str, syntax: UID) -> None:
    stored = next(len(data[name].value or b"") for name in _PIXELS if name in data)
    declared = stored if syntax.is_compressed else get_expected_length(data)
    if stored < declared:
        raise SourceError(f"{label} is cut short: {stored} of {declared} bytes of pixels")
