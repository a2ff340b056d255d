"""Files and folders as a source of scans: NIfTI volumes and DICOM series.

Headers are read when the source is made, so that the number of scans is known; voxels are read
when a scan is loaded, both in reader processes. A file that cannot become a scan is a task that
fails with the reason.
"""

import secrets
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from common.domain.file_outcomes import FileOutcome
from common.domain.volume_roles import VOLUME_ROLES
from common.errors import SourceError
from common.formats.archives import member_path
from common.formats.dicom.left_out import LeftOut, SlicesRefused
from common.formats.dicom.series import group_series, stack_series
from common.formats.dicom.slices import Slice
from common.formats.dicom.stack import Stack
from common.formats.known_names import kind_by_name
from common.formats.nifti.volumes import NiftiVolume
from common.formats.not_a_scan import NotAScan, UnreadKind
from common.formats.reader import DEFAULT_MAX_BYTES, ArchiveFound, Reader
from common.settings.identity_keys import IdentityKeys
from fr_pacs.sources.base import Account, Origin, ScanTask
from fr_pacs.sources.file_discovery import KnownByName, check_regular, walk_files
from fr_pacs.sources.file_names import FileNames, uncut
from fr_pacs.sources.file_tasks import FailedTask, FileTask
from fr_pacs.sources.origins import origin_of, origin_of_file, origins_of_slices
from fr_pacs.sources.skipped_files import SkippedFiles, in_words

_SEND = "send NIfTI (.nii, .nii.gz) or DICOM"
_UNWANTED = "VOLUMES does not name this kind (VOLUMES=all sends every volume)"
_AHEAD_SCANS = 16
_AHEAD_BYTES = 32 << 20
"""How far the reader reads ahead of the threads that send."""


class FileSource:
    """Scans of type ``'volume'`` from a file or a folder.

    A folder is walked in order of names; no folder is visited twice, and a link that leads out of
    it is a task that fails, unless ``follow_links``. What a file is, its content says
    (``common.formats.recognition``). In a folder, what is no scan is skipped (``skipped`` has it).
    What cannot be read, and may be a scan, is a task that fails; files of a kind that Fr does not
    read are one task for each folder and kind. DICOM files are grouped by series over the
    whole folder; each volume of a series is a separate scan. Copies, slices that strayed into a
    series, and volumes that ``volumes`` omits are skipped, too.

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
        volumes: roles of the DICOM volumes that are sent (``common.domain.volume_roles``); others
            are skipped.
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
        volumes: Collection[str] = VOLUME_ROLES,
        reader: Reader | None = None,
    ) -> None:
        self._root = Path(path)
        self._pacs = pacs
        self._keys = keys or IdentityKeys(secrets.token_bytes(32), secrets.token_bytes(32))
        self._max_bytes = max_bytes
        self._names = names or FileNames()
        self._follow_links = follow_links
        self._volumes = frozenset(volumes)
        self._skipped = SkippedFiles()
        self._members: list[tuple[Path, str]] = []
        self._asked: deque[tuple[Path, str]] = deque()
        self._unread: dict[tuple[Path, str], list[str]] = {}
        self._single_file = not self._root.is_dir()
        folder = self._root.parent if self._single_file else self._root
        self._folder = uncut(str(folder.absolute()))
        self._reader = Reader(max_bytes) if reader is None else reader
        self._reader.start()
        self._tasks = deque(self._discover())
        self._total = len(self._tasks)
        if not self._total:
            found = in_words(self._skipped.counts)
            unwanted = any(kind in VOLUME_ROLES for kind in self._skipped.counts)
            raise SourceError(
                f"no scan in {self._names.source(self._root)}{found and f', only {found}'}: "
                + ("VOLUMES=all sends every volume" if unwanted else _SEND)
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
    def skipped(self) -> SkippedFiles:
        """What is no scan, and was skipped."""
        return self._skipped

    @property
    def path(self) -> str:
        """The absolute path of SOURCE."""
        return uncut(str(self._root.absolute()))

    def accounts(self) -> Iterator[Account]:
        """What is known of each file before the first scan is sent."""
        for task in self._tasks:
            if isinstance(task, FailedTask):
                reason = self._names.reveal(str(task.error))
                yield Account(FileOutcome.REFUSED, reason, task.origins)
            elif isinstance(task, FileTask) and task.origin is not None:
                yield Account(FileOutcome.WAITING, "not sent yet", (task.origin,))
        for file in self._skipped:
            yield file.account(self._names.reveal)

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
        found = list(self._headers())
        groups = group_series([one for one in found if isinstance(one, Slice)])
        # A series takes the place of its first file, and so do files of a kind that is not read.
        group_of = {(one.path, one.frame): n for n, group in enumerate(groups) for one in group}
        done: set[int] = set()
        for one in found:
            if isinstance(one, Slice):
                number = group_of[one.path, one.frame]
                if number not in done:
                    done.add(number)
                    yield from self._stacked(groups[number])
            elif isinstance(one, tuple):
                first, *others = self._unread.pop(one)
                label = f"{first} and {len(others)} more" if others else first
                origins = (self._origin(first), *map(self._origin, others))
                yield FailedTask(label, SourceError(one[1]), origins)
            else:
                yield one

    def _headers(self) -> Iterator[ScanTask | Slice | tuple[Path, str]]:
        """What each file holds, in the order of their names."""
        others: deque[tuple[int, FailedTask]] = deque()  # and how many files come before each
        found = self._read_headers(self._images(others))
        for number, inside in enumerate(found):
            while others and others[0][0] <= number:
                yield others.popleft()[1]
            yield from self._usable(*self._asked.popleft(), inside)
        yield from (task for _, task in others)
        members = list(self._members)
        self._asked.extend(members)
        for inside in self._read_headers(members):
            yield from self._usable(*self._asked.popleft(), inside)

    def _read_headers(
        self, files: Iterable[tuple[Path, str]]
    ) -> Iterator[Sequence[NiftiVolume | Slice] | ArchiveFound | SourceError]:
        keys = self._keys
        return self._reader.discover(files, keys.pseudonyms, keys.scan_ids, alone=self._single_file)

    def _images(self, others: deque[tuple[int, FailedTask]]) -> Iterator[tuple[Path, str]]:
        """The files to read; what fails without being read goes to ``others``."""
        count = 0
        for path in walk_files(self._root, self._names, follow_links=self._follow_links):
            if isinstance(path, FailedTask):
                others.append((count, self._failed(path.label, path.error)))
                continue
            if isinstance(path, KnownByName):
                self._skip(path.path, path.kind, self._label(path.path))
                continue
            label = self._label(path)
            try:
                check_regular(path)
            except SourceError as error:
                others.append((count, self._failed(label, error)))
                continue
            self._asked.append((path, label))
            count += 1
            yield path, label

    def _usable(
        self,
        path: Path,
        label: str,
        found: Sequence[NiftiVolume | Slice] | ArchiveFound | SourceError,
    ) -> Iterator[ScanTask | Slice | tuple[Path, str]]:
        """The volumes (NIfTI) or slices (DICOM) in one file, or a task that fails; for the first
        file of an unread kind in a folder, its key in ``_unread``."""
        match found:
            case ArchiveFound():
                self._unpack(path, label, found)
            case NotAScan() if not (self._single_file and path == self._root):
                self._skip(path, found.kind, label)
            case UnreadKind():
                key = (path.parent, str(found))
                if key not in self._unread:
                    yield key
                self._unread.setdefault(key, []).append(label)
            case SourceError():
                yield self._failed(label, found)
            case _:
                for one in found:
                    yield self._task(one) if isinstance(one, NiftiVolume) else one

    def _stacked(self, slices: Sequence[Slice]) -> Iterator[ScanTask]:
        alone = self._single_file and slices[0].path == self._root
        outcomes = stack_series(slices, single_file=alone, digests=self._reader.digests)
        for label, stack in outcomes:
            if isinstance(stack, LeftOut):
                # Not what to do about the damage: nothing is lost.
                damage = stack.damage.partition(";")[0]
                detail = f"{stack.original}, but {damage}" if damage else stack.original
                self._skip(stack.path, stack.kind, label, detail=detail)
            elif isinstance(stack, SlicesRefused):
                origins = self._origins_of(stack.slices, stack.file, label)
                yield FailedTask(label, stack, origins)
            elif isinstance(stack, SourceError):
                yield self._failed(label, stack)
            elif (kind := stack.role.partition(",")[0]) not in self._volumes:
                origins = self._origins_of(stack.slices, stack.file, label)
                self._skip(stack.path, kind, label, origins, _UNWANTED)
            else:
                yield self._task(stack)

    def _task(self, image: NiftiVolume | Stack) -> FileTask:
        origin = origin_of(image, self._names, self._folder)
        return FileTask(
            image, self._reader, self._pacs, self._max_bytes, self._keys, origin, self._names
        )

    def _failed(self, label: str, error: SourceError) -> FailedTask:
        """A file that cannot be sent."""
        return FailedTask(label, error, (self._origin(label),))

    def _origin(self, label: str) -> Origin:
        return origin_of_file(label, self._names, self._folder)

    def _origins_of(self, slices: Sequence[Slice], file: str, label: str) -> tuple[Origin, ...]:
        return origins_of_slices(slices, file, label, self._names, self._folder)

    def _unpack(self, path: Path, label: str, archive: ArchiveFound) -> None:
        """Note the members of an archive, to be read as those of a folder."""
        for number, (name, _) in enumerate(archive.members):
            member = member_path(path, number)
            named = self._names.label(f"{self._names.reveal(label)}/{name}")
            if kind := kind_by_name(name.rpartition("/")[2]):
                self._skip(member, kind, named)
            else:
                self._members.append((member, named))

    def _skip(
        self,
        path: Path,
        kind: str,
        label: str,
        origins: tuple[Origin, ...] = (),
        detail: str = "",
    ) -> None:
        """Note a file, or the volume ``label`` of which it is the first file."""
        folder = "." if path == self._root else path.parent.relative_to(self._root).as_posix()
        origins = origins or (self._origin(label),)
        self._skipped.add(label, self._names.label(folder), kind, origins, detail)

    def _label(self, path: Path) -> str:
        name = path.name if self._single_file else path.relative_to(self._root).as_posix()
        return self._names.label(name)
