"""Where the files of an upload lie on the disk, by the names that the client gave them.

A name is kept as far as a file system takes it, as it says what a file is: its suffix, its BIDS
entities, the folder that holds both files of a pair. It stays in the upload's folder, which goes
when its scans are stored, and in this process.
"""

import unicodedata
from pathlib import PurePosixPath

NAME_MAX = 1024
"""Most characters of a name, with its folders."""

_PART_BYTES = 200
_DEPTH = 16


class UploadedNames:
    """The relative paths of the files of one upload, no two alike."""

    def __init__(self) -> None:
        self._files: set[PurePosixPath] = set()
        self._folders: set[PurePosixPath] = set()

    def add(self, name: str) -> PurePosixPath:
        """The path of a further file; two files of one name get different ones."""
        path = plain_path(name)
        number = 1
        while self._is_taken(path):
            number += 1
            path = PurePosixPath(f"again-{number}") / plain_path(name)
        self._files.add(path)
        self._folders.update(path.parents)
        return path

    def _is_taken(self, path: PurePosixPath) -> bool:
        return (
            path in self._files
            or path in self._folders
            or any(above in self._files for above in path.parents)
        )


def plain_path(name: str) -> PurePosixPath:
    """A relative path that leads out of no folder, whatever a client calls its file."""
    parts = [_plain(part) for part in name.replace("\\", "/").split("/")]
    kept = [part for part in parts if part not in ("", ".", "..")]
    return PurePosixPath(*(kept[-_DEPTH:] or ["file"]))


def _plain(part: str) -> str:
    """One part of a path: without control characters, and short enough, its end kept."""
    shown = "".join("_" if unicodedata.category(one)[0] == "C" else one for one in part).strip()
    return shown.encode()[-_PART_BYTES:].decode(errors="ignore")
