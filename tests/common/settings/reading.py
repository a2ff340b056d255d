"""Reads settings as a unit does."""

import pytest

from common.errors import SettingsError
from common.settings.loading import Settings, load_settings


def error_for(kind: type[Settings], *arguments: str) -> str:
    """The error message for invalid settings."""
    with pytest.raises(SettingsError) as raised:
        load_settings(kind, "fr", list(arguments))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    return str(raised.value)
