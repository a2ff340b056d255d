"""Files that hold a key or a secret: refused if others may read or change them, as ssh does."""

import contextlib
import os
import tempfile
from pathlib import Path

MOUNTED = Path("/run/secrets")
"""Container runtimes mount secrets here, readable by all (0444), for this container alone."""


def check_private(path: Path, setting: str) -> None:
    """Refuse a file of this user that other users may read or change.

    As ssh, this does not judge a file of another user, such as root, who decides who may read it.

    Args:
        setting: the setting that names the file.

    Raises:
        OSError: there is no such file.
        ValueError: its mode is too loose; the text says how to change it.
    """
    about = path.stat()
    mode = about.st_mode & 0o7777
    if about.st_uid == os.geteuid() and mode & 0o077 and not _is_mounted(path):
        raise ValueError(
            f"{setting}={str(path)!r}: other users may read or change this file (mode "
            f"{mode:04o}): run chmod 600 {path}"
        )


def _is_mounted(path: Path) -> bool:
    return path.resolve().is_relative_to(MOUNTED)


def read_private(path: Path, setting: str) -> str:
    """The text of a file that only this user may read, without the whitespace around it.

    Raises:
        ValueError: it cannot be read, is empty, or others may read or change it.
    """
    try:
        check_private(path, setting)
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "the file is not UTF-8 text"
        raise ValueError(f"{setting}={str(path)!r}: {reason}") from None
    if not text:
        raise ValueError(f"{setting}={str(path)!r}: the file is empty")
    return text


def make_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, whole or not at all. An existing file stays: of
    several processes that start at once, the first one makes it for all.

    Raises:
        OSError: it cannot be written.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, fails if the file exists.
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """The name of a new file is data of its folder: a power loss must not take it away."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
