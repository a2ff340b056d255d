"""One volume out of DICOM slices, as their headers describe it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.domain.affine import Affine
from common.formats.dicom.attributes import Attributes
from common.formats.dicom.slices import Slice


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices that make one volume, in order of their position."""

    label: str
    slices: tuple[Slice, ...]
    affine: Affine | None
    """Voxel indices (column, row, slice) to mm, RAS+; None if the image has no geometry."""
    role: str = "unclassified"
    """What the volume is for, such as ``'anatomical'``; after commas what tells it from others of
    its series, such as ``'diffusion, b0'`` or ``'anatomical, echo 2'`` (``roles``)."""
    problems: tuple[str, ...] = ()
    """What is wrong with it although it can be read: codes of ``common.domain.input_problems``."""
    file: str = ""
    """The label of the file that it is named after, the first one found of its series."""

    @property
    def path(self) -> Path:
        """The first file."""
        return self.slices[0].path

    @property
    def acquired_at(self) -> datetime | None:
        """When the first slice was acquired, UTC; None if no header says."""
        return min((at for plane in self.slices if (at := plane.acquired_at)), default=None)

    @property
    def subject(self) -> str | None:
        """Pseudonym of the patient; None if the headers have no patient's id."""
        return self.slices[0].subject

    @property
    def patient(self) -> str | None:
        """Stands for the patient whom the files name, by a key that never changes."""
        return self.slices[0].patient

    @property
    def attributes(self) -> Attributes:
        """What the first file says besides voxels and geometry."""
        return self.slices[0].attributes

    @property
    def declared_bytes(self) -> int:
        """Bytes of memory that the volume takes, as its headers declare it."""
        first = self.slices[0]
        itemsize = max(math.ceil(first.bits / 8), 4 * (not is_identity(self.slices)))
        return first.rows * first.columns * len(self.slices) * itemsize

    @property
    def frames(self) -> int:
        """How many frames have to be decoded."""
        return len(self.slices)


def is_identity(slices: Sequence[Slice]) -> bool:
    """Whether rescaling changes no value."""
    return all((plane.slope, plane.intercept) == (1.0, 0.0) for plane in slices)
