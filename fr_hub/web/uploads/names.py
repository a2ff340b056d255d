"""Where the files of an upload lie on the disk, by the names that the client gave them.

A name is kept as far as a file system takes it, as it says what a file is: its suffix, its BIDS
entities, the folder that holds both files of a pair. It stays in the upload's folder, which goes
when its scans are stored, and in this process.
"""

import re
import unicodedata
from pathlib import PurePosixPath

NAME_MAX = 1024
"""Most characters of a name, with its folders."""

_PART_BYTES = 200
_DEPTH = 16
_AGAIN = re.compile(r"again-[0-9]+")


class UploadedNames:
    """The relative paths of the files of one upload, no two alike.

    A further file of the same name lies under ``again-2``, the next one under ``again-3``, so that
    pairs of files stay together. Each path keeps its next number: however many files have one name,
    each takes the same time.
    """

    def __init__(self) -> None:
        self._next: dict[PurePosixPath, int] = {}
        self._folders = {PurePosixPath()}
        self._files = 0

    @property
    def entries(self) -> int:
        """How many files and folders they are on the disk."""
        return self._files + len(self._folders) - 1

    def add(self, name: str) -> PurePosixPath:
        """The path of a further file; two files of one name get different ones."""
        path = plain_path(name)
        if _AGAIN.fullmatch(path.parts[0]):  # a client's own folder is none of these
            path = PurePosixPath(f"_{path}")
        # Past each number at which this path, or one above it, is a file.
        number = max(self._next.get(one, 1) for one in (path, *path.parents))
        while _numbered(path, number) in self._folders:
            number += 1
        self._next[path] = number + 1
        found = _numbered(path, number)
        self._folders.update(found.parents)
        self._files += 1
        return found


def _numbered(path: PurePosixPath, number: int) -> PurePosixPath:
    return path if number == 1 else PurePosixPath(f"again-{number}") / path


def plain_path(name: str) -> PurePosixPath:
    """A relative path that leads out of no folder, whatever a client calls its file."""
    parts = [_plain(part) for part in name.replace("\\", "/").split("/")]
    kept = [part for part in parts if part not in ("", ".", "..")]
    return PurePosixPath(*(kept[-_DEPTH:] or ["file"]))


def _plain(part: str) -> str:
    """One part of a path: without control characters, and short enough, its end kept."""
    shown = "".join("_" if unicodedata.category(one)[0] == "C" else one for one in part).strip()
    return shown.encode()[-_PART_BYTES:].decode(errors="ignore")
