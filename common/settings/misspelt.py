"""Misspelt settings: names in ``.env`` or on the command line that nothing reads, but that look
like a setting. ``SCAN=20`` for ``SCANS=20`` would start a run without an end. On the command line
they are refused, as is ``SOURCE=``: each would send synthetic scans into the store of real ones.
"""

import difflib
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dotenv import dotenv_values

from common.settings.names import every_name, unit_names

_ALIKE = 0.8
"""From 0 to 1, as difflib measures it: one letter of five, or two of ten."""
_TWIN = 0.85
"""The least for a name that is a setting itself: SCAN is one, HEADS is none of THREADS."""

_WORD = re.compile(r"(?:\\.|[^\s\\])+")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:[:?+!]|::)?=")


class _Given(NamedTuple):
    name: str
    value: str


def refusal_of(read_here: Collection[str], arguments: Sequence[str] = ()) -> str | None:
    """What is wrong with the names on the command line; None if nothing is.

    Args:
        read_here: the settings that this program reads, in capitals.
        arguments: its options, whose names are checked elsewhere.
    """
    wrong = []
    empty = [_Given("SOURCE", "")] if _is_empty("--source", arguments) else []
    for name, value in dict.fromkeys((*_of_make(), *_of_fr(), *empty)):
        if name == "SOURCE" and "SOURCE" in read_here and not value.strip():
            wrong.append(NO_SOURCE)
        elif name not in read_here and (meant := _nearest(name, read_here)):
            wrong.append(f"no setting {name} (did you mean {meant}?)")
    return "; ".join(wrong) or None


NO_SOURCE = "SOURCE is empty: name a file or folder, or leave SOURCE out to send synthetic scans"


def _is_empty(option: str, arguments: Sequence[str]) -> bool:
    pairs = zip(arguments, [*arguments[1:], ""], strict=False)
    return any(one == f"{option}=" or (one == option and not value) for one, value in pairs)


def warnings_of(dot_env: Path, program: str, read_here: Collection[str]) -> Iterator[str]:
    """A sentence for each misspelt name in ``.env``, which is for all programs.

    Args:
        dot_env: the file, which need not exist.
        program: as the user knows it, such as ``fr all``.
        read_here: the settings that this program reads. A setting of a command alone, such as the
            audit's SCAN, is a misspelt one of them if its value is a number, not an id or a file.
    """
    given = list(_of_file(dot_env))
    settings, of_units = (every_name(), unit_names()) if given else (set(), set())
    for name, value in given:
        if name not in settings:
            if meant := _nearest(name, settings):
                yield f"{dot_env.name}: no setting {name} (did you mean {meant}?)"
        elif (
            value.isdecimal()
            and name not in (*of_units, *read_here)
            and (meant := _nearest(name, read_here, _TWIN))
        ):
            yield f"{dot_env.name}: {program} has no setting {name} (did you mean {meant}?)"


def _nearest(name: str, known: Collection[str], alike: float = _ALIKE) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=alike)), None)


def _of_make() -> Iterator[_Given]:
    """The variables on the command line of the make that started this process (GNU make, "Options
    and Recursion": they follow `` -- `` in MAKEFLAGS, with a backslash before each space)."""
    _, _, variables = f" {os.environ.get('MAKEFLAGS', '')}".partition(" -- ")
    for word in _WORD.findall(variables):
        if given := _ASSIGNMENT.match(word):
            # As make expanded it: MAKEFLAGS has its references to other variables as they are.
            yield _Given(given[1].upper(), os.environ.get(given[1], word[given.end() :]))


def _of_fr() -> Iterator[_Given]:
    """The settings on the command line of ``fr`` (``common.commands.cli``)."""
    for name in os.environ.get("FR_GIVEN", "").split():
        yield _Given(name.upper(), os.environ.get(name, ""))


def _of_file(dot_env: Path) -> Iterator[_Given]:
    if dot_env.is_file():
        for name, value in dotenv_values(dot_env, interpolate=False).items():
            yield _Given(name.upper(), value or "")
