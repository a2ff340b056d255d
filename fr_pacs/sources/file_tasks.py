"""Tasks that read one volume from files, and tasks for files that cannot be read."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from common.domain.scan import BrainScan
from common.domain.types import DType, hash_voxels
from common.domain.validation_errors import explain
from common.errors import SourceError
from common.formats.archives import on_disk
from common.formats.dicom.stack import Stack
from common.formats.nifti.volumes import NiftiVolume
from common.formats.reader import Prefetched, Reader
from fr_pacs.sources.base import LoadedScan


@dataclass(frozen=True, slots=True, eq=False)
class FailedTask:
    """A file, series or folder whose header could not be read."""

    label: str
    error: SourceError

    def load(self) -> LoadedScan:
        """Fail.

        Raises:
            SourceError: always, with the reason.
        """
        raise SourceError(str(self.error)) from self.error


@dataclass(frozen=True, slots=True, eq=False)
class FileTask:
    """A volume to read. Loading it again gives the same scan under the same id."""

    image: NiftiVolume | Stack
    reader: Reader
    pacs: str
    max_bytes: int
    scan_id: str = field(default_factory=lambda: uuid4().hex)
    _ahead: list[Prefetched] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The file, relative to the path that the user gave, and the volume or series in it."""
        return self.image.label

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
                f"the limit is {_readable(self.max_bytes)}"
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
            raise SourceError("an empty volume: it has no voxels")
        if array.dtype.name not in get_args(DType):
            raise SourceError(f"voxels of type {array.dtype.name}: convert them to float32")
        if not _any_finite(array):
            raise SourceError("an empty volume: no voxel has a finite value")
        # A view, not a copy: formats return voxels in Fortran order.
        voxels = array.ravel(order="F").view(np.uint8).data.toreadonly()
        scan = BrainScan(
            scan_id=self.scan_id,
            pacs=self.pacs,
            subject=self.image.subject,
            scan_type="volume",
            acquired_at=self.image.acquired_at or _modified_at(self.image.path),
            shape=array.shape,
            dtype=cast(DType, array.dtype.name),
            voxels_bytes=len(voxels),
            voxels_hash=hash_voxels(voxels),
            affine=affine,
        )
        return LoadedScan(scan, voxels)


def _modified_at(path: Path) -> datetime:
    """When the file was last written, UTC, to the millisecond that BSON keeps."""
    try:
        return datetime.fromtimestamp(on_disk(path).stat().st_mtime_ns // 1_000_000 / 1000, UTC)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from error


def _any_finite(array: npt.NDArray[Any]) -> bool:
    if array.dtype.kind != "f":
        return True
    # Slice by slice: the first one nearly always answers.
    return any(bool(np.isfinite(array[:, :, k]).any()) for k in range(array.shape[2]))


def _readable(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
