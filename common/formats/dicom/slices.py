"""One DICOM slice as its header describes it, and where it lies in space.

Its geometry is that of the Image Plane module (PS3.3 C.7.6.2). Positions of slices are compared
along the normal of their plane, in mm.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.formats.dicom.attributes import NOTHING_SAID, Attributes

Vector = tuple[float, ...]

Stamp = tuple[int, int]
"""Size of a file, bytes, and when it was last written, ns since the epoch."""

CONTRAST_TAGS = (
    *("StackID", "SegmentNumber", "EchoNumbers", "EchoTime", "InversionTime"),
    *("DiffusionBValue", "DiffusionGradientOrientation", "ImageType", "ContrastSettings"),
    "TemporalPositionIdentifier",
)
"""Slices that differ in one of these are never in one volume. ``ContrastSettings`` are those of the
scanner on which the contrast depends: sequence, flip angle, contrast agent, kVp, kernel, tilt, …"""
TIME_TAGS = (
    *("AcquisitionNumber", "TriggerTime", "NominalPercentageOfCardiacPhase"),
    *("NominalCardiacTriggerDelayTime", "RepetitionTime", "AcquisitionTime", "ContentTime"),
    *(f"DimensionIndexValues{n}" for n in range(1, 6)),
)
"""These may differ from slice to slice of one volume. They tell volumes apart if slices have one
position."""
VOLUME_TAGS = CONTRAST_TAGS + TIME_TAGS
"""What can distinguish the volumes of one series, the most specific first."""

TILES_ACROSS_MAX = 32
"""Tiles side by side in a mosaic, which has as many rows of them."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a slice lies: the Image Plane module (PS3.3 C.7.6.2)."""

    position: Vector
    """ImagePositionPatient: centre of the first pixel, mm, LPS+ (x to the patient's left, y to the
    back, z to the head)."""
    row: Vector
    """Unit vector along a row, in which the column index grows (ImageOrientationPatient)."""
    column: Vector
    """Unit vector along a column, in which the row index grows (ImageOrientationPatient)."""
    spacing: Vector
    """PixelSpacing: mm between rows, mm between columns."""
    thickness: float
    """mm to the next slice (SpacingBetweenSlices, else SliceThickness): used for a single slice."""

    @property
    def normal(self) -> Vector:
        """Unit vector along which the slices of a stack are sorted."""
        (a, b, c), (d, e, f) = self.row, self.column
        return b * f - c * e, c * d - a * f, a * e - b * d

    @property
    def distance(self) -> float:
        """Position of the slice along the normal, mm."""
        return math.fsum(a * b for a, b in zip(self.position, self.normal, strict=True))

    @property
    def cosines(self) -> Vector:
        """The six direction cosines of ImageOrientationPatient."""
        return (*self.row, *self.column)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a header says of the volume or series that its slice is part of; None if nothing."""

    images: int | None
    """Images of the acquisition or series (ImagesInAcquisition, NumberOfSeriesRelatedInstances)."""
    slices: int | None
    """Slices of the volume (NumberOfSlices, and private elements of GE and Philips)."""
    spacing: float | None
    """SpacingBetweenSlices, mm."""
    thickness: float | None
    """SliceThickness, mm."""
    location: float | None
    """SliceLocation, mm."""
    concatenation: str = ""
    """A digest of ConcatenationUID: of the files that one enhanced image was split into."""
    parts: int | None = None
    """How many files those are (InConcatenationTotalNumber)."""


NO_CLAIMS = Claims(None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: a classic image, one frame of a multi-frame image, or one tile of a mosaic."""

    path: Path
    label: str
    frame: int | None
    """From 0 in a file of several frames, and of the tiles of a mosaic; else None."""
    series: str
    """SeriesInstanceUID; empty if there is none."""
    owner: str
    """Digests of patient and study, and of the frame of reference (``traits.owner``)."""
    protocol: str
    """A digest of the patient, and of number and description of the series (``traits.protocol``):
    equal where UIDs are missing or differ from slice to slice."""
    uid: str
    """SOPInstanceUID: the same in each copy of a file, and in each frame of one."""
    instance: int | None
    """InstanceNumber."""
    rows: int
    columns: int
    bits: int
    """BitsAllocated."""
    slope: float
    intercept: float
    geometry: Geometry | None
    claims: Claims
    volume_keys: tuple[str, ...]
    """Values of VOLUME_TAGS; empty where there is none."""
    role: str
    """What the image is, as its own header says (``roles``)."""
    damage: str
    """Why its pixels cannot be read, as far as the header shows it; else empty."""
    problems: tuple[str, ...]
    """Codes of ``common.domain.input_problems``."""
    acquired_at: datetime | None
    """UTC."""
    subject: str | None
    """Pseudonym of the patient."""
    stamp: Stamp
    """Of the file, when its header was read."""
    tiles: int = 1
    """How many tiles are side by side in the mosaic that the slice is a tile of; 1: in none."""
    patient: str | None = None
    """Stands for the patient whom the file names, by a key that never changes."""
    attributes: Attributes = NOTHING_SAID
    """Of the file."""

    @property
    def name(self) -> str:
        """Its name within its series: by frame or instance number if it has one, else by file."""
        if self.frame is not None:
            return f"{'frame' if self.tiles == 1 else 'tile'} {self.frame + 1}"
        return self.label if self.instance is None else f"instance {self.instance}"
