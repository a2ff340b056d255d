"""Files and folders as a source of scans: NIfTI volumes and DICOM series.

Headers are read when the source is made, so that the number of scans is known; voxels are read
when a scan is loaded. A file that cannot become a scan is a task that fails with the reason.
"""

import secrets
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import SettingsError, SourceError
from common.formats.dicom.headers import DicomDirectory, NotDicom, read_slices
from common.formats.dicom.series import stack_series
from common.formats.dicom.slices import Slice
from common.formats.image_volume import ImageVolume
from common.formats.nifti.volumes import nifti_volumes
from fr_pacs.sources.base import ScanTask
from fr_pacs.sources.file_discovery import (
    NOT_AN_IMAGE,
    check_regular,
    is_nifti,
    is_sidecar,
    lacks_preamble,
    walk_files,
)
from fr_pacs.sources.file_names import FileNames
from fr_pacs.sources.file_tasks import FailedTask, FileTask

DEFAULT_MAX_BYTES = 2 << 30
"""Of one volume in memory, 2 GiB: several times the largest clinical ones."""


class FileSource:
    """Scans of type ``'volume'`` from a file or a folder.

    A folder is walked in order of names, without hidden files; no folder is visited twice, and a
    link that leads out of it is a task that fails, unless ``follow_links``. NIfTI is recognised by
    its name; DICOM by its preamble, or by reading it where the name ends in ``.dcm`` or ``.ima`` or
    has no suffix. In a folder, DICOMDIR files and the sidecars of images are skipped (``skipped``
    counts the sidecars). Every other file is a task that fails. DICOM files are grouped by series
    over the whole folder; each copy of a series is a separate scan.

    Constant volumes, and volumes with some values that are not finite, are sent: judging them is
    the analyzer's task. A volume without voxels, or without any finite value, fails.

    Args:
        path: a file, or a folder of files.
        pacs: name of this Fr-PACS.
        pseudonym_key: 32 bytes that key the hash of a patient's id, so that nobody without the key
            can try ids and find a patient's. The same key gives a patient the same pseudonym; the
            default is a random key for this source alone.
        names: makes the labels of the files.
        follow_links: follow links that lead out of the folder.
        max_bytes: a volume whose header declares more bytes of memory fails before it is read.

    Raises:
        SourceError: the path does not exist, or holds no image.
        SettingsError: the key is not 32 bytes long.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        pacs: str,
        pseudonym_key: bytes | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
        names: FileNames | None = None,
        follow_links: bool = False,
    ) -> None:
        key = secrets.token_bytes(32) if pseudonym_key is None else pseudonym_key
        if len(key) != 32:
            raise SettingsError(f"pseudonym_key is {len(key)} bytes long; it needs 32")
        self._root = Path(path)
        self._pacs = pacs
        self._key = key
        self._max_bytes = max_bytes
        self._names = names or FileNames()
        self._follow_links = follow_links
        self._skipped = 0
        self._single_file = not self._root.is_dir()
        self._tasks = deque(self._discover())
        self._total = len(self._tasks)
        if not self._total:
            raise SourceError(
                f"no image in {self._names.source(self._root)}: send NIfTI (.nii, .nii.gz) or DICOM"
            )

    @property
    def total(self) -> int:
        """How many scans there are, including those that will fail."""
        return self._total

    @property
    def waits(self) -> bool:
        """True: files can be sent later."""
        return True

    @property
    def skipped(self) -> int:
        """How many sidecars were skipped."""
        return self._skipped

    def __iter__(self) -> Iterator[ScanTask]:
        """The tasks, once. A task that was taken is dropped, with the file that it keeps open."""
        while self._tasks:
            yield self._tasks.popleft()

    def _discover(self) -> Iterator[ScanTask]:
        series: dict[str, list[Slice]] = {}
        order: list[ScanTask | str] = []  # a series takes the place of its first file
        for path in walk_files(self._root, self._names, follow_links=self._follow_links):
            if isinstance(path, FailedTask):
                order.append(path)
                continue
            for found in self._read_headers(path):
                if not isinstance(found, Slice):
                    order.append(found)
                    continue
                if found.series not in series:
                    order.append(found.series)
                series.setdefault(found.series, []).append(found)
        for entry in order:
            if isinstance(entry, str):
                yield from self._stacked(series.pop(entry))
            else:
                yield entry

    def _stacked(self, slices: Sequence[Slice]) -> Iterator[ScanTask]:
        for label, stack in stack_series(slices, single_file=self._single_file):
            if isinstance(stack, SourceError):
                yield FailedTask(label, stack)
            else:
                yield self._task(stack)

    def _read_headers(self, path: Path) -> Sequence[ScanTask | Slice]:
        """The volumes (NIfTI) or slices (DICOM) in one file, or a task that fails."""
        label = self._label(path)
        try:
            check_regular(path)
            if is_nifti(path):
                return [self._task(volume) for volume in nifti_volumes(path, label)]
            if not self._single_file and is_sidecar(path):
                self._skipped += 1
                return []
            return read_slices(path, label, self._key, force=lacks_preamble(path))
        except DicomDirectory as error:
            return [FailedTask(label, error)] if self._single_file else []
        except NotDicom:
            return [FailedTask(label, SourceError(NOT_AN_IMAGE))]
        except SourceError as error:
            return [FailedTask(label, error)]

    def _task(self, image: ImageVolume) -> FileTask:
        return FileTask(image, self._pacs, self._max_bytes)

    def _label(self, path: Path) -> str:
        name = path.name if self._single_file else path.relative_to(self._root).as_posix()
        return self._names.label(name)
