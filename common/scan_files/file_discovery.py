"""Which files to read: the walk through a folder, and what in it is skipped."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import SourceError
from common.formats.known_names import kind_by_name
from common.formats.recognition import NOT_AN_IMAGE
from common.scan_files.file_names import FileNames
from common.scan_files.file_tasks import FailedTask
from common.scan_files.own_files import OwnFiles

LEADS_OUT = "a link that leads out of SOURCE: set FOLLOW_LINKS=1 to send what it points to"


UNLISTABLE = "the folder cannot be listed"


@dataclass(frozen=True, slots=True)
class KnownByName:
    """A file or folder that is no scan, as its name says."""

    path: Path
    kind: str
    """Of ``common.domain.skipped_kinds``."""


def walk_files(
    root: Path,
    names: FileNames | None = None,
    *,
    follow_links: bool = False,
    start: Path | None = None,
    own: OwnFiles | None = None,
) -> Iterator[Path | KnownByName | FailedTask]:
    """Find the files under ``root``, in order of their names; a file is its own only result.

    What is no scan by its name, such as a sidecar or a hidden file, is ``KnownByName``; hidden
    folders are, too, and are not visited. No folder is visited twice. A folder that cannot be
    listed gives a ``FailedTask``, and so does a link that leads out of ``root``.

    Args:
        root: a folder or a file. A link here is followed: the user has named it.
        names: makes the labels of failed tasks.
        follow_links: follow links that lead out of ``root``, too.
        start: a file or folder in ``root``: find only what a walk through all of ``root`` would
            find there; the default is ``root``.
        own: what Fr-PACS writes itself; it is not found.

    Raises:
        SourceError: ``root`` does not exist or cannot be read.
    """
    names = names or FileNames()
    try:
        if not stat.S_ISDIR(root.stat().st_mode):
            yield root
            return
        walk = _Walk(root, names, follow_links, own or OwnFiles(root))
        yield from walk.all_in(root) if start is None else walk.at(start)
    except OSError as error:
        raise SourceError(f"{names.source(root)} cannot be read: {error.strerror}") from error


def check_root(root: Path, names: FileNames) -> None:
    """Check that there is a file or folder.

    Raises:
        SourceError: it does not exist, or cannot be read.
    """
    try:
        root.stat()
    except OSError as error:
        raise SourceError(f"{names.source(root)} cannot be read: {error.strerror}") from error


class _Walk:
    """The rules of a walk through one folder."""

    def __init__(self, root: Path, names: FileNames, follow_links: bool, own: OwnFiles) -> None:
        self._own = own
        self._root = root
        self._names = names
        self._follow_links = follow_links
        self._inside = root.resolve()
        self._visited: set[tuple[int, int]] = set()

    def at(self, start: Path) -> Iterator[Path | KnownByName | FailedTask]:
        """What is in this file or folder, unless a folder on the way to it is not visited."""
        if self._own.has(start):
            return
        for folder in (above for above in start.parents if above.is_relative_to(self._root)):
            if folder != self._root and (_hidden_folder(folder.name) or self._leads_out(folder)):
                return
            self._visit(folder)
        if not start.is_dir():
            if os.path.lexists(start):
                yield self._judge(start)
        elif kind := _hidden_folder(start.name):
            yield KnownByName(start, kind)
        elif self._leads_out(start):
            yield self._fail(start, LEADS_OUT)
        else:
            yield from self.all_in(start)

    def all_in(self, top: Path) -> Iterator[Path | KnownByName | FailedTask]:
        """What is in this folder."""
        failed: list[FailedTask] = []

        def note(error: OSError) -> None:
            reason = f"{UNLISTABLE}: {error.strerror}"
            failed.append(self._fail(error.filename or self._root, reason))

        for folder, folders, files in os.walk(top, onerror=note, followlinks=True):
            yield from failed
            failed.clear()
            if not self._visit(Path(folder)):  # reached again through a link
                folders.clear()
                continue
            here = Path(folder)
            folders[:] = [name for name in folders if here / name not in self._own]
            files = [name for name in files if here / name not in self._own]
            hidden = {name: kind for name in folders if (kind := _hidden_folder(name))}
            yield from (KnownByName(Path(folder, name), hidden[name]) for name in sorted(hidden))
            shown = sorted(name for name in folders if name not in hidden)
            folders[:] = [name for name in shown if not self._leads_out(Path(folder, name))]
            for name in (*(name for name in shown if name not in folders), *sorted(files)):
                yield self._judge(Path(folder, name))
        yield from failed

    def _judge(self, path: Path) -> Path | KnownByName | FailedTask:
        if kind := kind_by_name(path.name):
            return KnownByName(path, kind)
        return self._fail(path, LEADS_OUT) if self._leads_out(path) else path

    def _visit(self, folder: Path) -> bool:
        """Note a folder; whether it is visited for the first time."""
        try:
            info = folder.stat()
        except OSError:  # removed meanwhile
            return False
        place = info.st_dev, info.st_ino
        new = place not in self._visited
        self._visited.add(place)
        return new

    def _leads_out(self, path: Path) -> bool:
        return (
            not self._follow_links
            and path.is_symlink()
            and not Path(os.path.realpath(path)).is_relative_to(self._inside)
        )

    def _fail(self, path: str | Path, reason: str) -> FailedTask:
        label = self._names.label(os.path.relpath(path, self._root))
        return FailedTask(label, SourceError(reason))


def _hidden_folder(name: str) -> str | None:
    kind = kind_by_name(name)
    return kind if kind in ("hidden", "system") else None


def check_regular(path: Path) -> None:
    """Check that a path is a regular file: opening a pipe would wait for ever.

    Raises:
        SourceError: it is not, or it cannot be read.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            raise SourceError("a link to a file that does not exist: fetch the file") from error
        raise SourceError(f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise SourceError(NOT_AN_IMAGE)
