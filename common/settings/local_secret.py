"""The secret that the units of one user on one machine share when nobody gave them one.

It is a file in DATA_DIR, made by the first unit that looks for it.
"""

import os
import re
import secrets
import stat
from pathlib import Path

from common.errors import SettingsError
from common.settings.private_files import make_private

FILE = "hub.secret"

_SECRET = re.compile(r"[0-9a-f]{64}\n")


def local_secret(data_dir: Path) -> str:
    """The secret in this folder; made if there is none, by one of all that start at once.

    Raises:
        SettingsError: the file cannot be made or read, or is not this user's alone.
    """
    path = data_dir.expanduser() / FILE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_folder(path.parent)
        if not path.exists():
            make_private(path, secrets.token_hex(32) + "\n")
        return _read(path)
    except OSError as error:
        raise _refusal(path, f"{error.strerror}, and units without TLS need a secret") from error


def existing_secret(data_dir: Path) -> str:
    """The secret in this folder, which a unit has made.

    Raises:
        SettingsError: there is none, or as ``local_secret``.
    """
    path = data_dir.expanduser() / FILE
    try:
        exists = path.exists()
    except OSError as error:
        raise _refusal(path, f"{error.strerror}") from error
    if not exists:
        raise SettingsError(
            f"DATA_DIR={str(data_dir)!r}: there is no secret; name the folder that the units use, "
            "start Fr-HUB there once, or set SHARED_SECRET"
        )
    return local_secret(data_dir)


def _check_folder(folder: Path) -> None:
    about = folder.stat()
    if about.st_uid not in (os.geteuid(), 0) or about.st_mode & 0o022:
        reason = f"other users could replace the secret in it: run chmod 700 {folder}"
        raise _refusal(folder, reason)


def _read(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        about = os.fstat(file.fileno())
        mine = about.st_uid == os.geteuid() and not about.st_mode & 0o077
        if not mine or not stat.S_ISREG(about.st_mode):
            raise _refusal(path, f"it must be a file of this user alone: run chmod 600 {path}")
        text = file.read(100)
    if not _SECRET.fullmatch(text):
        raise _refusal(path, "it holds no secret: remove it, and start all units again")
    return text.strip()


def _refusal(path: Path, reason: str) -> SettingsError:
    return SettingsError(f"DATA_DIR: {str(path)!r}: {reason}; or set SHARED_SECRET or PACS_KEY")
