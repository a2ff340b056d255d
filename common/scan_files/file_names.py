"""Names of files: for people at this Fr-PACS, and, with LABELS=hash, not for its log."""

import contextlib
import os
import re
import secrets
import threading
from pathlib import Path

from blake3 import blake3

from common.domain.foreign_text import PATH, escape

_LONGEST = 16 * 4096
"""Characters of an escaped name: more than any path has that is not all escapes."""
_DIGEST = 12

_TOKEN = re.compile(r"file-[0-9a-f]{12}")


def printable(name: str) -> str:
    """A name that is safe to show: escaped, and of a long path only its end, after a digest of all
    of it. No two names are shown alike."""
    return _cut(name, PATH)


def without_detours(path: Path) -> Path:
    """A path without ``..``, so that a file has one row in the index of reports however a run
    spells its folder. Links stay: they are names that people chose."""
    if ".." not in path.parts:
        return path
    short = Path(os.path.normpath(path.absolute()))
    with contextlib.suppress(OSError):
        if short.samefile(path):
            return short
    return path.resolve()  # ".." behind a link leads elsewhere


def uncut(name: str) -> str:
    """A whole name or path, escaped. No two are escaped alike: a backslash is doubled, or a name
    with a line feed would be one with a backslash and an n."""
    return _cut(name, _LONGEST)


def _cut(name: str, longest: int) -> str:
    escaped = _escaped(name[-longest:])
    if len(name) <= longest and len(escaped) <= longest:
        return escaped
    digest = f"…{blake3(name.encode(errors='surrogatepass')).hexdigest()[:_DIGEST]}…"
    return digest + escaped[len(digest) - longest :]


def _escaped(name: str) -> str:
    return escape(name.replace("\\", "\\\\"), 10 * len(name))


class FileNames:
    """Makes the labels of files: their names, or hashes of them.

    A hash is keyed anew in each run, so that nobody can try names and find a patient's. The ledger
    and the summary, which belong to this Fr-PACS, hold the names.

    Args:
        hashed: whether labels are hashes.
        kept: how many names are remembered, the latest; None: all.
    """

    def __init__(self, *, hashed: bool = False, kept: int | None = None) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32) if hashed else None
        self._names: dict[str, str] = {}
        self._whole: dict[str, str] = {}  # by label, where that is not the whole name

    def label(self, name: str) -> str:
        """The label of a file or folder, for logs."""
        label = self._hashed(name, printable(name))
        whole = uncut(name)
        if whole != label:
            self._remember(self._whole, label, whole)
        return label

    def conceal(self, label: str) -> str:
        """The label for logs of an image whose label is that of the ledger, which holds names."""
        return self._hashed(label, label)

    def _hashed(self, name: str, shown: str) -> str:
        if self._key is None:
            return shown
        encoded = name.encode(errors="surrogatepass")
        label = f"file-{blake3(encoded, key=self._key).hexdigest()[:_DIGEST]}"
        self._remember(self._names, label, shown)
        return label

    def _remember(self, names: dict[str, str], label: str, name: str) -> None:
        with self._lock:
            names.pop(label, None)
            names[label] = name
            if self._kept is not None and len(names) > self._kept:
                del names[next(iter(names))]

    def whole(self, label: str) -> str:
        """The whole name of the file or folder of this label, escaped."""
        return self._whole.get(label, label)

    def source(self, path: Path) -> str:
        """What to call SOURCE itself in an error."""
        return printable(str(path)) if self._key is None else "SOURCE"

    def reveal(self, text: str) -> str:
        """A text in which each hash made here is the name again."""
        return _TOKEN.sub(lambda found: self._names.get(found[0], found[0]), text)
