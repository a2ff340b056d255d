"""Files and folders as a source of scans: NIfTI volumes and DICOM series.

Headers are read when the source is made, so that the number of scans is known; voxels are read
when a scan is loaded. A file that cannot become a scan is a task that fails with the reason.
"""

import os
import secrets
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, cast, get_args
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from common.domain.scan import BrainScan
from common.domain.types import Affine, DType, hash_voxels
from common.errors import SettingsError, SourceError
from common.formats.dicom.headers import DicomDirectory, NotDicom, read_slices
from common.formats.dicom.series import stack_series
from common.formats.dicom.slices import Slice
from common.formats.nifti.volumes import nifti_volumes
from fr_pacs.sources.base import LoadedScan, ScanTask

DEFAULT_MAX_BYTES = 2 << 30
"""Of one volume in memory, 2 GiB: several times the largest clinical ones."""

SIDECAR_SUFFIXES = {
    *(".json", ".tsv", ".csv", ".bval", ".bvec", ".mat", ".xml", ".yml", ".yaml", ".log"),
    *(".txt", ".md", ".rst", ".htm", ".html", ".pdf"),
}
SIDECAR_NAMES = {"README", "LICENSE", "LICENCE", "COPYING", "CHANGES", "CHANGELOG", "AUTHORS"}
"""What lies beside images in a BIDS folder or an export and is no failure there."""

NOT_AN_IMAGE = "not an image that Fr reads (NIfTI .nii/.nii.gz or DICOM)"


class Image(Protocol):
    """What a format's module makes of headers; ``read`` does the work."""

    @property
    def label(self) -> str:
        """The file, and the volume or series in it."""

    @property
    def path(self) -> Path:
        """The file, or the first of them."""

    @property
    def acquired_at(self) -> datetime | None:
        """When it was acquired, UTC; none if the file does not say."""

    @property
    def subject(self) -> str | None:
        """Pseudonym of the person; none if the file does not say."""

    @property
    def declared_bytes(self) -> int:
        """Memory that it takes, as its header declares it."""

    def read(self) -> tuple[npt.NDArray[Any], Affine | None]:
        """Voxels (x, y, z), Fortran order, little-endian; affine in mm, RAS+.

        Raises:
            SourceError: it cannot be read.
        """


class FileSource:
    """Scans of type ``'volume'`` out of a file or a folder.

    A folder is walked in order of names, without hidden files; links are followed, no folder
    twice. NIfTI is known by its name, DICOM by its preamble, or by reading it where the name ends
    in ``.dcm``, ``.ima`` or has no suffix. DICOMDIR files are passed over; so are, in a folder,
    the sidecars that images come with (``skipped`` counts them). Each other file is a task that
    fails. DICOM files are grouped by series over the whole folder; each copy of a series is a scan
    of its own.

    Constant volumes and volumes with some values that are not finite are sent: to judge them is
    the analyzer's work. A volume without any finite value, or without voxels, is not.

    Args:
        path: a file, or a folder with files.
        pacs: name of this Fr-PACS.
        pseudonym_key: 32 secret bytes. ``subject`` is the first 16 hexadecimal digits of BLAKE3
            of DICOM's PatientID, keyed with these: without a key, anyone could hash all likely
            ids and find a patient's. The same key gives a patient the same pseudonym; the
            default is a key of this source alone.
        max_bytes: a volume whose header declares more is refused before its voxels are read.

    Raises:
        SourceError: the path does not exist, or there is no image in it.
        SettingsError: the key is not 32 bytes long.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        pacs: str,
        pseudonym_key: bytes | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        key = secrets.token_bytes(32) if pseudonym_key is None else pseudonym_key
        if len(key) != 32:
            raise SettingsError(f"pseudonym_key: 32 bytes are needed, not {len(key)}")
        self._root = Path(path)
        self._pacs = pacs
        self._key = key
        self._max_bytes = max_bytes
        self._skipped = 0
        self._alone = not self._root.is_dir()
        self._tasks = deque(self._discover())
        self._total = len(self._tasks)
        if not self._total:
            raise SourceError(f"no image in {printable(str(path))} (NIfTI .nii/.nii.gz or DICOM)")

    @property
    def total(self) -> int:
        """How many scans there are, those that will fail included."""
        return self._total

    @property
    def waits(self) -> bool:
        """True: files are there tomorrow as well."""
        return True

    @property
    def skipped(self) -> int:
        """How many sidecars were passed over."""
        return self._skipped

    def __iter__(self) -> Iterator[ScanTask]:
        """The tasks, once: what was taken is forgotten, and with it what its file holds open."""
        while self._tasks:
            yield self._tasks.popleft()

    def _discover(self) -> Iterator[ScanTask]:
        series: dict[str, list[Slice]] = {}
        order: list[ScanTask | str] = []  # a series stands where its first file was found
        for path in _walk(self._root):
            if isinstance(path, FailedTask):
                order.append(path)
                continue
            for found in self._look(path):
                if not isinstance(found, Slice):
                    order.append(found)
                    continue
                if found.series not in series:
                    order.append(found.series)
                series.setdefault(found.series, []).append(found)
        for entry in order:
            if isinstance(entry, str):
                for label, stack in stack_series(series.pop(entry), single_file=self._alone):
                    if isinstance(stack, SourceError):
                        yield FailedTask(label, stack)
                    else:
                        yield self._task(stack)
            else:
                yield entry

    def _look(self, path: Path) -> Sequence[ScanTask | Slice]:
        """What is in one file."""
        label = self._label(path)
        try:
            _check_regular(path)
            if path.name.lower().endswith((".nii", ".nii.gz")):
                return [self._task(volume) for volume in nifti_volumes(path, label)]
            if not self._alone and _is_sidecar(path):
                self._skipped += 1
                return []
            return read_slices(path, label, self._key, force=_force_dicom(path))
        except DicomDirectory as error:
            return [FailedTask(label, error)] if self._alone else []
        except NotDicom:
            return [FailedTask(label, SourceError(NOT_AN_IMAGE))]
        except SourceError as error:
            return [FailedTask(label, error)]

    def _task(self, image: Image) -> "FileTask":
        return FileTask(image, self._pacs, self._max_bytes)

    def _label(self, path: Path) -> str:
        return printable(path.name if self._alone else path.relative_to(self._root).as_posix())


@dataclass(frozen=True, slots=True, eq=False)
class FailedTask:
    """What could not be read when it was found."""

    label: str
    error: SourceError

    def load(self) -> LoadedScan:
        """Raises:
        SourceError: always, with the reason."""
        raise SourceError(str(self.error)) from self.error


@dataclass(frozen=True, slots=True, eq=False)
class FileTask:
    """A volume to be read. Loading it again gives the same scan under the same id."""

    image: Image
    pacs: str
    max_bytes: int
    scan_id: str = field(default_factory=lambda: uuid4().hex)

    @property
    def label(self) -> str:
        """The file relative to what the user gave, and the volume or series in it."""
        return self.image.label

    def load(self) -> LoadedScan:
        """Read the voxels and hash them.

        Raises:
            SourceError: the volume is too large, empty, damaged, or of a kind that Fr lacks.
        """
        if self.image.declared_bytes > self.max_bytes:
            raise SourceError(
                f"its header declares {_readable(self.image.declared_bytes)}, "
                f"the limit is {_readable(self.max_bytes)}"
            )
        try:
            return self._load()
        except MemoryError as error:
            needed = _readable(self.image.declared_bytes)
            raise SourceError(f"not enough memory: it takes {needed}") from error
        except ValidationError as error:
            told = "; ".join(detail["msg"] for detail in error.errors())
            raise SourceError(f"cannot be a scan: {told}") from error

    def _load(self) -> LoadedScan:
        array, affine = self.image.read()
        if not array.size:
            raise SourceError("an empty volume: it has no voxels")
        if array.dtype.name not in get_args(DType):
            raise SourceError(f"voxels of type {array.dtype.name}: no scan can have these")
        if not _any_finite(array):
            raise SourceError("an empty volume: no voxel has a finite value")
        # A view: the format's module has them in this order already.
        voxels = array.ravel(order="F").view(np.uint8).data.toreadonly()
        scan = BrainScan(
            scan_id=self.scan_id,
            pacs=self.pacs,
            subject=self.image.subject,
            scan_type="volume",
            acquired_at=self.image.acquired_at or _file_time(self.image.path),
            shape=array.shape,
            dtype=cast(DType, array.dtype.name),
            voxels_bytes=len(voxels),
            voxels_hash=hash_voxels(voxels),
            affine=affine,
        )
        return LoadedScan(scan, voxels)


def printable(text: str) -> str:
    """A name for logs and terminals: what is not printable, or not Unicode, is escaped."""
    text = os.fsencode(text).decode(errors="backslashreplace")
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _walk(root: Path) -> Iterator["Path | FailedTask"]:
    """The files, in order; and the folders that cannot be listed."""
    try:
        if not stat.S_ISDIR(root.stat().st_mode):
            yield root
            return
    except OSError as error:
        name = printable(str(root))
        raise SourceError(f"{name} cannot be read: {error.strerror}") from error
    failed: list[FailedTask] = []

    def note(error: OSError) -> None:
        name = os.path.relpath(error.filename or root, root)
        reason = SourceError(f"the folder cannot be listed: {error.strerror}")
        failed.append(FailedTask(printable(name), reason))

    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, onerror=note, followlinks=True):
        yield from failed
        failed.clear()
        info = Path(folder).stat()
        if (info.st_dev, info.st_ino) in seen:  # a link that leads back, or twice to one place
            folders.clear()
            continue
        seen.add((info.st_dev, info.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))
    yield from failed


def _check_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            raise SourceError("a link to a file that is not there: fetch it first") from error
        raise SourceError(f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):  # to open a pipe would wait for ever
        raise SourceError(NOT_AN_IMAGE)


def _is_sidecar(path: Path) -> bool:
    return path.suffix.lower() in SIDECAR_SUFFIXES or path.name.upper() in SIDECAR_NAMES


def _force_dicom(path: Path) -> bool:
    """Whether to try a file as DICOM that does not begin as such.

    Raises:
        SourceError: there is no reason to take it for DICOM.
    """
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from error
    if start[128:] == b"DICM":
        return False
    if not start:
        raise SourceError("the file is empty")
    if path.suffix.lower() not in (".dcm", ".ima", ""):
        raise SourceError(NOT_AN_IMAGE)
    return True


def _file_time(path: Path) -> datetime:
    """When the file was last written, UTC, to the millisecond that BSON keeps."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime_ns // 1_000_000 / 1000, UTC)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from error


def _any_finite(array: npt.NDArray[Any]) -> bool:
    if array.dtype.kind != "f":
        return True
    # Slice by slice: the first one nearly always answers.
    return any(bool(np.isfinite(array[:, :, k]).any()) for k in range(array.shape[2]))


def _readable(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
