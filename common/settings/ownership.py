"""Files that decide what a unit runs or trusts must not be another user's to change."""

import os
import stat
from pathlib import Path

from common.domain.foreign_text import PATH, quote
from common.errors import SettingsError


def check_own(path: Path, name: str) -> None:
    """Check that no other user can change a file: it and a link to it belong to this user or to
    root, and only its owner may write it.

    Args:
        path: the file; one that does not exist passes.
        name: what the user calls it.

    Raises:
        SettingsError: another user could change it; the message says what to do.
    """
    try:
        found = [path.lstat(), path.stat()]
    except OSError:
        return  # whoever opens it reports that
    if any(info.st_uid not in (0, os.geteuid()) for info in found):
        raise SettingsError(
            f"{name}: {quote(path, PATH)} belongs to another user, who could change what this "
            "unit runs: make a copy of your own, or start the unit elsewhere"
        )
    if found[1].st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsError(
            f"{name}: other users may write {quote(path, PATH)}: run chmod go-w on it"
        )
