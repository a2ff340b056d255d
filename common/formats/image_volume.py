"""What every format module makes of headers: a volume that can be read."""

from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from common.domain.types import Affine


class ImageVolume(Protocol):
    """A volume in one or several files. Its header was read; ``read`` reads the voxels."""

    @property
    def label(self) -> str:
        """Names the file, and the volume or series in it, to the user."""

    @property
    def path(self) -> Path:
        """The file, or the first of them."""

    @property
    def acquired_at(self) -> datetime | None:
        """When it was acquired, UTC; None if the file does not say."""

    @property
    def subject(self) -> str | None:
        """Pseudonym of the patient; None if the file does not say."""

    @property
    def declared_bytes(self) -> int:
        """Bytes of memory that it takes, as its header declares it."""

    def read(self) -> tuple[npt.NDArray[Any], Affine | None]:
        """Read the voxels.

        Returns:
            Voxels (i, j, k) in Fortran order, little-endian; and the affine that maps their
            indices to mm, RAS+, or None.

        Raises:
            SourceError: they cannot be read.
        """
