"""What files hold, as tasks: for a folder that is read once, and for one that is watched."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from common.domain.volume_roles import VOLUME_ROLES
from common.errors import SourceError
from common.formats.archives import member_path
from common.formats.dicom.left_out import LeftOut, SlicesRefused
from common.formats.dicom.partial_copies import KnownSeries
from common.formats.dicom.series import group_series, stack_series
from common.formats.dicom.slices import Slice
from common.formats.ecg.recording import EcgFile
from common.formats.known_names import kind_by_name
from common.formats.nifti.volumes import NiftiVolume
from common.formats.not_a_scan import NotAScan, UnreadKind
from common.formats.reader import DEFAULT_MAX_BYTES, ArchiveFound, Reader
from common.formats.reading.questions import Image
from common.scan_files.accounts import Origin
from common.scan_files.file_names import FileNames, uncut
from common.scan_files.file_tasks import FailedTask, FileTask
from common.scan_files.origins import origin_of, origin_of_file, origins_of_slices
from common.scan_files.skipped_files import SkippedFiles
from common.scan_files.tasks import ScanTask
from common.settings.identity_keys import IdentityKeys

_UNWANTED = "excluded by VOLUMES; add {} to it, or set VOLUMES=all"
_KNOWN_SLICES = 50_000
"""Slices of series that are remembered to find partial copies of them, 70 MB: an endless run must
not fill the memory."""
_AHEAD_SCANS = 16
_AHEAD_BYTES = 32 << 20
"""How far the reader reads ahead of the threads that send."""

Found = Sequence[NiftiVolume | Slice | EcgFile] | ArchiveFound | SourceError
"""What ``Reader.discover`` finds in a file."""


class Unread(NamedTuple):
    """A file of a kind that Fr does not read."""

    path: Path
    reason: str
    label: str


class Stacked(NamedTuple):
    """What became of some files of a series."""

    paths: frozenset[Path]
    task: ScanTask | None
    """None: they were skipped."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How files are read, and which of their volumes are sent."""

    pacs: str
    keys: IdentityKeys
    volumes: Collection[str] = VOLUME_ROLES
    max_bytes: int = DEFAULT_MAX_BYTES


class ImageFiles:
    """Makes tasks out of what a reader finds in files. Not thread-safe.

    Args:
        root: the file or folder that the user named.
        options: how to read it.
        names: makes the labels of the files.
        reader: reads the files.

    Attributes:
        single_file: whether the user named a file.
        skipped: what is no scan, and was skipped.
    """

    def __init__(self, root: Path, options: ReadOptions, names: FileNames, reader: Reader) -> None:
        self._root = root
        self._options = options
        self._names = names
        self._reader = reader
        self.single_file = not root.is_dir()
        self.skipped = SkippedFiles()
        folder = root.parent if self.single_file else root
        self._folder = uncut(str(folder.absolute()))
        self._members: list[tuple[Path, str]] = []
        self._known = KnownSeries(reader.digests, _KNOWN_SLICES)

    def read(self, files: Iterable[tuple[Path, str]]) -> Iterator[Found]:
        """Read the headers of files, which are given by path and label, in their order."""
        keys = self._options.keys
        return self._reader.discover(files, keys.pseudonyms, keys.scan_ids, alone=self.single_file)

    def usable(
        self, path: Path, label: str, found: Found
    ) -> Iterator[FileTask | FailedTask | Slice | Unread]:
        """The volumes (NIfTI) or slices (DICOM) in one file, or why it has none. The members of an
        archive are noted (``take_members``), and so is what is skipped."""
        match found:
            case ArchiveFound():
                self._unpack(path, found)
            case NotAScan() if not (self.single_file and path == self._root):
                self.skip(path, found.kind, label)
            case UnreadKind():
                yield Unread(path, str(found), label)
            case SourceError():
                yield self.failed(label, found)
            case _:
                for one in found:
                    yield one if isinstance(one, Slice) else self._task(one)

    def take_members(self) -> list[tuple[Path, str]]:
        """The members of archives since the last call, each to be read as a file of a folder."""
        members, self._members = self._members, []
        return members

    def expect(self, groups: Iterable[Sequence[Slice]]) -> None:
        """Note series before ``stacked`` is called for one of them, so that a partial copy is
        recognised even if it comes before the whole series."""
        for slices in groups:
            self._known.add(slices)

    def expect_files(self, paths: Iterable[Path]) -> None:
        """Note the series in files that were read before, such as by an earlier run."""
        slices: list[Slice] = []
        labels = [(path, self.label(path)) for path in paths]
        for (path, _), found in zip(labels, self.read(labels), strict=True):
            if isinstance(found, ArchiveFound):
                members = [(inside, label) for inside, label, _ in self._members_of(path, found)]
                slices += (plane for inside in self.read(members) for plane in slices_in(inside))
            slices += slices_in(found)
        self.expect(group_series(slices))

    def stacked(self, slices: Sequence[Slice]) -> list[Stacked]:
        """Stack the slices of one series. Files that are in no volume, and not left out by name,
        count for each volume that cannot be sent. A series that is part of a fuller one of the same
        patient and study is skipped, if the fuller one was stacked or expected before."""
        if originals := self._known.originals_of(slices):
            for label, plane in {plane.label: plane for plane in slices}.items():
                self.skip(plane.path, "copy", label, detail=originals[id(plane)].label)
            return [Stacked(_paths_of(slices), None)]
        self._known.add(slices)
        alone = self.single_file and slices[0].path == self._root
        found: list[tuple[frozenset[Path] | None, ScanTask | None]] = []
        for label, stack in stack_series(slices, single_file=alone, digests=self._reader.digests):
            if isinstance(stack, LeftOut):
                # Not what to do about the damage: nothing is lost.
                damage = stack.damage.partition(";")[0]
                detail = f"{stack.original}, but {damage}" if damage else stack.original
                is_damaged = bool(damage) and stack.kind == "copy"
                kind = "damaged_copy" if is_damaged else stack.kind
                self.skip(stack.path, kind, label, detail=detail)
                found.append((frozenset({stack.path}), None))
            elif isinstance(stack, SlicesRefused):
                origins = self._origins_of(stack.slices, stack.file, label)
                found.append((_paths_of(stack.slices), FailedTask(label, stack, origins)))
            elif isinstance(stack, SourceError):
                found.append((None, self.failed(label, stack)))
            elif (kind := stack.role.partition(",")[0]) not in self._options.volumes:
                origins = self._origins_of(stack.slices, stack.file, label)
                self.skip(stack.path, kind, label, origins, _UNWANTED.format(kind))
                found.append((_paths_of(stack.slices), None))
            else:
                found.append((_paths_of(stack.slices), self._task(stack)))
        named = frozenset().union(*(paths for paths, _ in found if paths is not None))
        others = frozenset(plane.path for plane in slices) - named
        return [Stacked(others if paths is None else paths, task) for paths, task in found]

    def failed(self, label: str, error: SourceError) -> FailedTask:
        """The task for a file that cannot be sent."""
        return FailedTask(label, error, (self.origin(label),))

    def origin(self, label: str) -> Origin:
        """Where the file of a label is."""
        return origin_of_file(label, self._names, self._folder)

    def skip(
        self,
        path: Path,
        kind: str,
        label: str,
        origins: tuple[Origin, ...] = (),
        detail: str = "",
    ) -> None:
        """Note a file, or the volume ``label`` of which it is the first file."""
        folder = "." if path == self._root else path.parent.relative_to(self._root).as_posix()
        origins = origins or (self.origin(label),)
        self.skipped.add(label, self._names.label(folder), kind, origins, detail, path)

    def label(self, path: Path) -> str:
        """The label of a file."""
        return self._names.label(self._name(path))

    def _name(self, path: Path) -> str:
        return path.name if self.single_file else path.relative_to(self._root).as_posix()

    def _unpack(self, path: Path, archive: ArchiveFound) -> None:
        """Note the members of an archive, to be read as those of a folder."""
        for member, label, kind in self._members_of(path, archive):
            if kind:
                self.skip(member, kind, label)
            else:
                self._members.append((member, label))

    def _members_of(self, path: Path, archive: ArchiveFound) -> Iterator[tuple[Path, str, str]]:
        """The path and the label of each member, and what its name says that it is. Of members of
        one name, which an archive may have, the later ones get a number."""
        taken = {name for name, _ in archive.members}
        seen: Counter[str] = Counter()
        for number, (name, _) in enumerate(archive.members):
            member = member_path(path, number)
            seen[name] += 1
            shown = name
            while seen[name] > 1 and shown in taken:
                shown = f"{name} ({seen[name]})"
                seen[name] += shown in taken
            taken.add(shown)
            named = self._names.label(f"{self._name(path)}/{shown}")
            yield member, named, kind_by_name(name.rpartition("/")[2]) or ""

    def _task(self, image: Image) -> FileTask:
        options = self._options
        origin = origin_of(image, self._names, self._folder)
        return FileTask(
            image,
            self._reader,
            options.pacs,
            options.max_bytes,
            options.keys,
            origin,
            self._names,
        )

    def _origins_of(self, slices: Sequence[Slice], file: str, label: str) -> tuple[Origin, ...]:
        return origins_of_slices(slices, file, label, self._names, self._folder)


def slices_in(found: Found) -> list[Slice]:
    """The slices in a file; none if it holds something else."""
    if isinstance(found, ArchiveFound | SourceError):
        return []
    return [one for one in found if isinstance(one, Slice)]


class UnreadFiles:
    """Files of kinds that Fr does not read, which are one task for each folder and kind.

    Args:
        files: says where they are.
    """

    def __init__(self, files: ImageFiles) -> None:
        self._files = files
        self._alike: dict[tuple[Path, str], list[Unread]] = {}

    def add(self, unread: Unread) -> bool:
        """Note a file; whether it is the first one of its folder and kind."""
        alike = self._alike.setdefault((unread.path.parent, unread.reason), [])
        alike.append(unread)
        return len(alike) == 1

    def tasks(self) -> list[tuple[list[Unread], FailedTask]]:
        """The files of each folder and kind, and the task for them."""
        return [(alike, self._task_of(alike)) for alike in self._alike.values()]

    def task(self, unread: Unread) -> FailedTask:
        """The task for all files of the folder and kind of this one."""
        return self._task_of(self._alike[unread.path.parent, unread.reason])

    def _task_of(self, alike: Sequence[Unread]) -> FailedTask:
        first, *others = alike
        label = f"{first.label} and {len(others)} more" if others else first.label
        origins = tuple(self._files.origin(one.label) for one in alike)
        return FailedTask(label, SourceError(first.reason), origins)


def _paths_of(slices: Sequence[Slice]) -> frozenset[Path]:
    return frozenset(plane.path for plane in slices)


def read_ahead(tasks: Iterable[ScanTask]) -> None:
    """Have the voxels of the first of these tasks read before they are sent."""
    size = 0
    for task, _ in zip(tasks, range(_AHEAD_SCANS), strict=False):
        if isinstance(task, FileTask):
            size += task.image.declared_bytes
            if size > _AHEAD_BYTES:
                return
            task.prefetch()
