"""Settings are read here as if no variable of Fr were set and there were no .env file."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import AliasChoices

from common.settings.base import Settings


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = set(_variables(Settings))
    for name in list(os.environ):
        if name.lower() in ours:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def _variables(kind: type[Settings]) -> Iterator[str]:
    """The variables of these settings and of all that inherit from them, in lower case."""
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            yield from map(str, alias.choices)
        else:
            yield alias if isinstance(alias, str) else name
    for inherits in kind.__subclasses__():
        yield from _variables(inherits)
