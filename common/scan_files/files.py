"""Files and folders as a source of scans: NIfTI volumes and DICOM series.

Headers are read when the source is made, so that the number of scans is known; voxels are read
when a scan is loaded, both in reader processes. A file that cannot become a scan is a task that
fails with the reason.
"""

import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from common.domain.file_outcomes import FileOutcome
from common.domain.volume_roles import VOLUME_ROLES
from common.errors import SourceError
from common.formats.dicom.series import group_series
from common.formats.dicom.slices import Slice
from common.formats.reader import DEFAULT_MAX_BYTES, Reader
from common.formats.recognition import FORMATS
from common.scan_files.accounts import Account
from common.scan_files.file_discovery import KnownByName, check_regular, walk_files
from common.scan_files.file_names import FileNames, uncut
from common.scan_files.file_tasks import FailedTask, FileTask
from common.scan_files.image_files import (
    Found,
    ImageFiles,
    ReadOptions,
    Unread,
    UnreadFiles,
    read_ahead,
)
from common.scan_files.own_files import OwnFiles
from common.scan_files.skipped_files import SkippedFiles, in_words
from common.scan_files.tasks import ScanTask
from common.settings.identity_keys import IdentityKeys

_SEND = f"Fr reads {FORMATS}"


class Stopped(SourceError):
    """The headers of some files were not read, because the run is to end."""


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
        own: what Fr-PACS writes itself; it is no input.
        stopping: whether to leave off while the headers are read.
        may_be_empty: it is no error that nothing can be sent, as of files that were uploaded.

    Raises:
        Stopped: it left off.
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
        own: OwnFiles | None = None,
        may_be_empty: bool = False,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stopping = stopping
        self._root = Path(path)
        self._names = names or FileNames()
        self._follow_links = follow_links
        self._own = own
        self._asked: deque[tuple[Path, str]] = deque()
        reader = Reader(max_bytes) if reader is None else reader
        reader.start()
        keys = keys or IdentityKeys(secrets.token_bytes(32), secrets.token_bytes(32))
        options = ReadOptions(pacs, keys, frozenset(volumes), max_bytes)
        self._files = ImageFiles(self._root, options, self._names, reader)
        self._tasks = deque(self._discover())
        self._total = len(self._tasks)
        if not self._total and not may_be_empty:
            found = in_words(self.skipped.counts)
            unwanted = any(kind in VOLUME_ROLES for kind in self.skipped.counts)
            raise SourceError(
                f"nothing to send in {self._names.source(self._root)}"
                f"{found and f', only {found}'}: "
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
        return self._files.skipped

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
        for file in self.skipped:
            yield file.account(self._names.reveal)

    def __iter__(self) -> Iterator[ScanTask]:
        """The tasks, once. The next ones are read ahead."""
        while self._tasks:
            task = self._tasks.popleft()
            read_ahead(self._tasks)
            yield task

    def _discover(self) -> Iterator[ScanTask]:
        found = list(self._headers())
        unread = UnreadFiles(self._files)
        first = {id(one) for one in found if isinstance(one, Unread) and unread.add(one)}
        groups = group_series([one for one in found if isinstance(one, Slice)])
        # A series takes the place of its first file, and so do files of a kind that is not read.
        group_of = {(one.path, one.frame): n for n, group in enumerate(groups) for one in group}
        self._files.expect(groups)
        done: set[int] = set()
        for one in found:
            if isinstance(one, Slice):
                number = group_of[one.path, one.frame]
                if number not in done:
                    done.add(number)
                    stacked = self._files.stacked(groups[number])
                    yield from (task for _, task in stacked if task is not None)
            elif isinstance(one, Unread):
                if id(one) in first:
                    yield unread.task(one)
            else:
                yield one

    def _headers(self) -> Iterator[FileTask | FailedTask | Slice | Unread]:
        """What each file holds, in the order of their names."""
        others: deque[tuple[int, FailedTask]] = deque()  # and how many files come before each
        files = self._files
        for number, inside in enumerate(self._until_stopped(files.read(self._images(others)))):
            while others and others[0][0] <= number:
                yield others.popleft()[1]
            yield from files.usable(*self._asked.popleft(), inside)
        yield from (task for _, task in others)
        members = files.take_members()
        read = self._until_stopped(files.read(members))
        for (path, label), inside in zip(members, read, strict=True):
            yield from files.usable(path, label, inside)

    def _until_stopped(self, found: Iterator[Found]) -> Iterator[Found]:
        for one in found:
            if self._stopping():
                raise Stopped("stopped before all files were read")
            yield one

    def _images(self, others: deque[tuple[int, FailedTask]]) -> Iterator[tuple[Path, str]]:
        """The files to read; what fails without being read goes to ``others``."""
        count = 0
        found = walk_files(self._root, self._names, follow_links=self._follow_links, own=self._own)
        for path in found:
            if isinstance(path, FailedTask):
                others.append((count, self._files.failed(path.label, path.error)))
                continue
            if isinstance(path, KnownByName):
                self._files.skip(path.path, path.kind, self._files.label(path.path))
                continue
            label = self._files.label(path)
            try:
                check_regular(path)
            except SourceError as error:
                others.append((count, self._files.failed(label, error)))
                continue
            self._asked.append((path, label))
            count += 1
            yield path, label
