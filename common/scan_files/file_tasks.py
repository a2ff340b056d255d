"""Tasks that read one volume from files, and tasks for files that cannot be read."""

from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from common.domain.affine import Affine
from common.domain.scan import check_affine
from common.domain.types import DType, hash_voxels
from common.domain.validation_errors import explain
from common.errors import SourceError
from common.formats.dicom.stack import Stack
from common.formats.reader import Prefetched, Reader
from common.formats.reading.questions import Image
from common.scan_files.accounts import Origin
from common.scan_files.file_names import FileNames
from common.scan_files.image_headers import header_of
from common.scan_files.origins import origins_of_slices
from common.scan_files.tasks import LoadedScan
from common.settings.identity_keys import IdentityKeys


@dataclass(frozen=True, slots=True, eq=False)
class FailedTask:
    """A file, series or folder whose header could not be read."""

    label: str
    error: SourceError
    origins: tuple[Origin, ...] = ()
    """Where it is: the volume that cannot be made, and each file; see ``HasOrigins``."""

    def load(self) -> LoadedScan:
        """Fail.

        Raises:
            SourceError: always, with the reason.
        """
        raise SourceError(str(self.error)) from self.error


@dataclass(frozen=True, slots=True, eq=False)
class FileTask:
    """A volume to read. The same image gives the same scan under the same id, always."""

    image: Image
    reader: Reader
    pacs: str
    max_bytes: int
    keys: IdentityKeys
    origin: Origin | None = None
    """Where it is, for the people of this Fr-PACS."""
    names: FileNames = field(default_factory=FileNames)
    """Made the labels of its files."""
    _ahead: list[Prefetched] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The file, relative to the path that the user gave, and the volume or series in it."""
        return self.image.label

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where it is, and each further file of it."""
        if self.origin is None or not isinstance(self.image, Stack):
            return () if self.origin is None else (self.origin,)
        image = self.image
        return origins_of_slices(
            image.slices, image.file, image.label, self.names, self.origin.folder
        )

    def prefetch(self) -> None:
        """Have the voxels read ahead of ``load``. Idempotent."""
        if not self._ahead and self.image.declared_bytes <= self.max_bytes:
            self._ahead.append(self.reader.prefetch(self.image))

    def load(self) -> LoadedScan:
        """Read the voxels and hash them.

        Raises:
            SourceError: the volume is too large, empty, damaged, or of a type that Fr cannot use.
        """
        if self.image.declared_bytes > self.max_bytes:
            raise SourceError(
                f"too large: its header declares {_readable(self.image.declared_bytes)}, "
                f"the limit is {_readable(self.max_bytes)}; send a smaller image"
            )
        try:
            return self._load()
        except MemoryError as error:
            needed = _readable(self.image.declared_bytes)
            raise SourceError(f"not enough memory: it takes {needed}") from error
        except ValidationError as error:
            raise SourceError(f"cannot become a scan: {explain(error)}") from error

    def _load(self) -> LoadedScan:
        ahead = self._ahead.pop() if self._ahead else None
        array, affine = self.reader.read(self.image, ahead)
        if not array.size:
            raise SourceError("an empty volume: it has no voxels; export it again")
        if array.dtype.name not in get_args(DType):
            raise SourceError(f"voxels of type {array.dtype.name}: convert them to float32")
        if not _any_finite(array):
            raise SourceError("an empty volume: no voxel has a finite value; export it again")
        _check_affine(affine)
        # A view, not a copy: formats return voxels in Fortran order.
        voxels = array.ravel(order="F").view(np.uint8).data.toreadonly()
        scan = header_of(
            self.image,
            self.pacs,
            self.keys,
            shape=array.shape,
            dtype=array.dtype.name,
            voxels_bytes=len(voxels),
            voxels_hash=hash_voxels(voxels),
            affine=affine,
        )
        return LoadedScan(scan, voxels, origin=self.origin)


def _check_affine(affine: Affine | None) -> None:
    if affine is None:
        return
    try:
        check_affine(np.array(affine))
    except ValueError as error:
        raise SourceError(f"{error}; correct its header, or convert the image again") from error


def _any_finite(array: npt.NDArray[Any]) -> bool:
    if array.dtype.kind != "f":
        return True
    # Slice by slice, or lead by lead: the first one nearly always answers.
    return any(bool(np.isfinite(array[..., k]).any()) for k in range(array.shape[-1]))


def _readable(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
