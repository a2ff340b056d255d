"""A slice as its header describes it, and where it lies in space.

Geometry is that of the Image Plane module (DICOM PS3.3 C.7.6.2): positions of slices are compared
along the normal of their plane, in mm.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

Vector = tuple[float, ...]

SPLITS = (
    *("EchoNumbers", "EchoTime", "TemporalPositionIdentifier", "StackID"),
    *("DiffusionBValue", "ImageType", "SegmentNumber", "AcquisitionNumber"),
)
"""What can tell the volumes of one series apart, the most telling first."""


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
    uid: str
    """SOPInstanceUID: the same in each copy of a file, and for each frame of one."""
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
