"""Misspelt settings: names in ``.env`` or on the command line that nothing reads, but that look
like a setting. ``SCAN=20`` for ``SCANS=20`` would start a run without an end.
"""

import difflib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from dotenv import dotenv_values

_ALIKE = 0.8
"""From 0 to 1, as difflib measures it: one letter of five, or two of ten."""

_WORD = re.compile(r"(?:\\.|[^\s\\])+")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:[:?+!]|::)?=")


def warnings_of(
    program: str, read_here: Collection[str], settings: Collection[str], dot_env: Path
) -> Iterator[str]:
    """A sentence for each misspelt name.

    Args:
        program: as the user knows it, such as ``fr all``.
        read_here: the settings that this program reads, in capitals.
        settings: those that any program reads: ``.env`` is for all of them.
        dot_env: the file, which need not exist.
    """
    for name in dict.fromkeys((*_of_make(), *_of_fr())):
        if name not in read_here and (meant := _nearest(name, read_here)):
            yield f"{program} has no setting {name}: did you mean {meant}?"
    for name in _of_file(dot_env):
        if name not in settings and (meant := _nearest(name, settings)):
            yield f"{dot_env.name}: there is no setting {name}: did you mean {meant}?"


def _nearest(name: str, known: Collection[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)), None)


def _of_make() -> Iterator[str]:
    """The variables on the command line of the make that started this process (GNU make, "Options
    and Recursion": they follow `` -- `` in MAKEFLAGS, with a backslash before each space)."""
    _, _, variables = f" {os.environ.get('MAKEFLAGS', '')}".partition(" -- ")
    for word in _WORD.findall(variables):
        if given := _ASSIGNMENT.match(word):
            yield given[1].upper()


def _of_fr() -> list[str]:
    """The names of the settings on the command line of ``fr`` (``common.commands.cli``)."""
    return os.environ.get("FR_GIVEN", "").upper().split()


def _of_file(dot_env: Path) -> Iterator[str]:
    if dot_env.is_file():
        yield from (name.upper() for name in dotenv_values(dot_env, interpolate=False))
