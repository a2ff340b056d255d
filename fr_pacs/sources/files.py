"""Files and folders as a source of scans: NIfTI volumes and DICOM series.

Headers are read when the source is made, so that the number of scans is known; voxels are read
when a scan is loaded, both in reader processes. A file that cannot become a scan is a task that
fails with the reason.
"""

import secrets
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import SourceError
from common.formats.dicom.file_kinds import DicomDirectory, NotDicom
from common.formats.dicom.series import stack_series
from common.formats.dicom.slices import Slice
from common.formats.dicom.stack import Stack
from common.formats.nifti.volumes import NiftiVolume
from common.formats.reader import DEFAULT_MAX_BYTES, Reader, is_nifti
from common.settings.identity_keys import IdentityKeys
from fr_pacs.sources.base import ScanTask
from fr_pacs.sources.file_discovery import (
    NOT_AN_IMAGE,
    check_regular,
    is_sidecar,
    walk_files,
)
from fr_pacs.sources.file_names import FileNames, uncut
from fr_pacs.sources.file_tasks import FailedTask, FileTask
from fr_pacs.sources.origins import origin_of

_AHEAD_SCANS = 16
_AHEAD_BYTES = 32 << 20
"""How far the reader reads ahead of the threads that send."""


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
        keys: those of ids and pseudonyms. The same keys give the same image the same id, and a
            patient the same pseudonym; nobody without the key can try ids and find a patient's. The
            default is random keys for this source alone.
        names: makes the labels of the files.
        follow_links: follow links that lead out of the folder.
        max_bytes: a volume whose header declares more bytes of memory fails before it is read.
        reader: reads the files; the default is one for this source alone.

    Raises:
        SourceError: the path does not exist, or holds no image.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        pacs: str,
        keys: IdentityKeys | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
        names: FileNames | None = None,
        follow_links: bool = False,
        reader: Reader | None = None,
    ) -> None:
        self._root = Path(path)
        self._pacs = pacs
        self._keys = keys or IdentityKeys(secrets.token_bytes(32), secrets.token_bytes(32))
        self._max_bytes = max_bytes
        self._names = names or FileNames()
        self._follow_links = follow_links
        self._skipped = 0
        self._labels: deque[str] = deque()
        self._single_file = not self._root.is_dir()
        folder = self._root.parent if self._single_file else self._root
        self._folder = uncut(str(folder.absolute()))
        self._reader = Reader(max_bytes) if reader is None else reader
        self._reader.start()
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
        """The tasks, once. The next ones are read ahead."""
        while self._tasks:
            task = self._tasks.popleft()
            self._read_ahead()
            yield task

    def _read_ahead(self) -> None:
        size = 0
        for task, _ in zip(self._tasks, range(_AHEAD_SCANS), strict=False):
            if isinstance(task, FileTask):
                size += task.image.declared_bytes
                if size > _AHEAD_BYTES:
                    return
                task.prefetch()

    def _discover(self) -> Iterator[ScanTask]:
        series: dict[str, list[Slice]] = {}
        order: list[ScanTask | str] = []  # a series takes the place of its first file
        for found in self._headers():
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

    def _headers(self) -> Iterator[ScanTask | Slice]:
        """What each file holds, in the order of their names."""
        others: deque[tuple[int, FailedTask]] = deque()  # and how many files come before each
        discovered = self._reader.discover(
            self._images(others), self._keys.pseudonyms, self._keys.scan_ids
        )
        found = enumerate(discovered)
        for number, inside in found:
            while others and others[0][0] <= number:
                yield others.popleft()[1]
            yield from self._usable(self._labels.popleft(), inside)
        yield from (task for _, task in others)

    def _images(self, others: deque[tuple[int, FailedTask]]) -> Iterator[tuple[Path, str]]:
        """The files to read; what fails without being read goes to ``others``."""
        count = 0
        for path in walk_files(self._root, self._names, follow_links=self._follow_links):
            if isinstance(path, FailedTask):
                others.append((count, path))
                continue
            label = self._label(path)
            try:
                check_regular(path)
            except SourceError as error:
                others.append((count, FailedTask(label, error)))
                continue
            if not self._single_file and not is_nifti(path) and is_sidecar(path):
                self._skipped += 1
                continue
            self._labels.append(label)
            count += 1
            yield path, label

    def _usable(
        self, label: str, found: Sequence[NiftiVolume | Slice] | SourceError
    ) -> Iterator[ScanTask | Slice]:
        """The volumes (NIfTI) or slices (DICOM) in one file, or a task that fails."""
        match found:
            case DicomDirectory():
                if self._single_file:
                    yield FailedTask(label, found)
            case NotDicom():
                yield FailedTask(label, SourceError(NOT_AN_IMAGE))
            case SourceError():
                yield FailedTask(label, found)
            case _:
                for one in found:
                    yield self._task(one) if isinstance(one, NiftiVolume) else one

    def _stacked(self, slices: Sequence[Slice]) -> Iterator[ScanTask]:
        for label, stack in stack_series(slices, single_file=self._single_file):
            if isinstance(stack, SourceError):
                yield FailedTask(label, stack)
            else:
                yield self._task(stack)

    def _task(self, image: NiftiVolume | Stack) -> FileTask:
        origin = origin_of(image, self._names, self._folder)
        return FileTask(image, self._reader, self._pacs, self._max_bytes, self._keys, origin)

    def _label(self, path: Path) -> str:
        name = path.name if self._single_file else path.relative_to(self._root).as_posix()
        return self._names.label(name)
