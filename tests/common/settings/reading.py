"""Reads settings as a unit does."""

from pathlib import Path

import pytest

from common.errors import SettingsError
from common.settings.base import Settings
from common.settings.loading import load_settings


def error_for(kind: type[Settings], *arguments: str) -> str:
    """The error message for invalid settings."""
    with pytest.raises(SettingsError) as raised:
        load_settings(kind, "fr", list(arguments))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    return str(raised.value)


def secret_file(path: Path | str, content: bytes) -> Path:
    """A file that only this user may read."""
    made = Path(path)
    made.touch(0o600)
    made.write_bytes(content)
    return made
