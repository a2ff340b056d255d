"""Which files to read: the walk through a folder, and what in it is skipped."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import SourceError
from common.formats.known_names import kind_by_name
from common.formats.recognition import NOT_AN_IMAGE
from fr_pacs.sources.file_names import FileNames
from fr_pacs.sources.file_tasks import FailedTask

LEADS_OUT = "a link that leads out of SOURCE: set FOLLOW_LINKS=1 to send what it points to"


@dataclass(frozen=True, slots=True)
class KnownByName:
    """A file or folder that is no scan, as its name says."""

    path: Path
    kind: str
    """Of ``common.domain.skipped_kinds``."""


def walk_files(
    root: Path, names: FileNames | None = None, *, follow_links: bool = False
) -> Iterator[Path | KnownByName | FailedTask]:
    """Find the files under ``root``, in order of their names; a file is its own only result.

    What is no scan by its name, such as a sidecar or a hidden file, is ``KnownByName``; hidden
    folders are, too, and are not visited. No folder is visited twice. A folder that cannot be
    listed gives a ``FailedTask``, and so does a link that leads out of ``root``.

    Args:
        root: a folder or a file. A link here is followed: the user has named it.
        names: makes the labels of failed tasks.
        follow_links: follow links that lead out of ``root``, too.

    Raises:
        SourceError: ``root`` does not exist or cannot be read.
    """
    names = names or FileNames()
    try:
        if not stat.S_ISDIR(root.stat().st_mode):
            yield root
            return
    except OSError as error:
        raise SourceError(f"{names.source(root)} cannot be read: {error.strerror}") from error
    failed: list[FailedTask] = []
    inside = root.resolve()

    def fail(path: str | Path, reason: str) -> FailedTask:
        return FailedTask(names.label(os.path.relpath(path, root)), SourceError(reason))

    def note(error: OSError) -> None:
        failed.append(
            fail(error.filename or root, f"the folder cannot be listed: {error.strerror}")
        )

    def leads_out(path: Path) -> bool:
        return (
            not follow_links
            and path.is_symlink()
            and not Path(os.path.realpath(path)).is_relative_to(inside)
        )

    visited: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, onerror=note, followlinks=True):
        yield from failed
        failed.clear()
        info = Path(folder).stat()
        if (info.st_dev, info.st_ino) in visited:  # reached again through a link
            folders.clear()
            continue
        visited.add((info.st_dev, info.st_ino))
        hidden = {name: kind for name in folders if (kind := _hidden_folder(name))}
        yield from (KnownByName(Path(folder, name), hidden[name]) for name in sorted(hidden))
        shown = sorted(name for name in folders if name not in hidden)
        folders[:] = [name for name in shown if not leads_out(Path(folder, name))]
        for name in (*(name for name in shown if name not in folders), *sorted(files)):
            path = Path(folder, name)
            if kind := kind_by_name(name):
                yield KnownByName(path, kind)
            else:
                yield fail(path, LEADS_OUT) if leads_out(path) else path
    yield from failed


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
