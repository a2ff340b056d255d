"""Frozen settings: the only reader of the environment.

A setting is read from the first of these that has it: a command-line option, the environment,
``.env`` in the working folder, a file of its name in ``/run/secrets``. The name of a setting is
that of its field in capitals.
"""

import argparse
import inspect
import os
import re
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from common.domain.foreign_text import PATH, quote
from common.domain.validation_errors import remedy
from common.errors import SettingsError, SettingsWarning
from common.settings.base import DOT_ENV, INTERNAL, Settings, StoreSettings
from common.settings.defaults import default_text
from common.settings.misspelt import refusal_of, warnings_of
from common.settings.names import RENAMED, an_own_name, name_of, names_of
from common.settings.ownership import check_own

S = TypeVar("S", bound=Settings)


def load_settings(kind: type[S], program: str, arguments: list[str] | None = None) -> S:
    """Read settings from the command line, the environment, ``.env`` and ``/run/secrets``.

    Args:
        program: name of the program in its usage text.
        arguments: the command line; None: that of this process.

    Raises:
        SettingsError: a value is invalid, and the message names the setting and what it accepts;
            or a name on the command line is misspelt; or another user could change ``.env`` or
            FR_MONGOD.
        SystemExit: ``--help`` was given (status 0), or the command line is invalid (status 2).
    """

    given = sys.argv[1:] if arguments is None else arguments
    example = an_own_name(kind)

    class Reader(kind):  # type: ignore[valid-type, misc]
        __doc__ = (
            f"{inspect.getdoc(kind)}\n\nEach option is also a variable: {example} for "
            f"{_option(example)}."
        )
        model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(cli_prog_name=program)

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            cli: CliSettingsSource[Any] = CliSettingsSource(
                settings_cls, add_argument_method=_Options(kind).add
            )
            parser: argparse.ArgumentParser = cli.root_parser
            setattr(parser, "error", partial(_error, parser))  # noqa: B010 - for this one alone
            cli(args=_without_secrets(parser, given))
            return (cli, *super().settings_customise_sources(settings_cls, **sources))

    check_own(DOT_ENV, ".env")
    launched = "LIFELINE_FD" in os.environ  # then the launcher has checked the names
    if not launched and (refusal := refusal_of(names_of(kind), given)):
        raise SettingsError(refusal) from None
    try:
        read = Reader()
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(line) for line in error.errors())) from None
    if (mongod := getattr(read, "fr_mongod", None)) is not None:
        check_own(mongod, "FR_MONGOD")
    if not launched:
        for warning in warnings_of(DOT_ENV, program, names_of(kind)):
            warnings.warn(warning, SettingsWarning, stacklevel=2)
    # Return the plain class, because a local class cannot be pickled to a processor.
    values = {name: getattr(read, name) for name in kind.model_fields}
    return kind.model_construct(read.model_fields_set, **values)


SECRETS = frozenset({"--mongodb-uri", "--shared-secret", "--pacs-key"})


def _without_secrets(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """Refuse secrets, however they are written, without printing them."""
    for argument in arguments:
        name = argument.partition("=")[0].lower().replace("_", "-")
        option = "--" + name.lstrip("-")
        if option in SECRETS:
            name = option[2:].upper().replace("-", "_")
            parser.error(
                f"{option}: a secret cannot be an option, because every user of this machine can "
                f"read the command line: set {name} in the environment or in .env, put it into "
                f"/run/secrets/{name.lower()}, or set {name}_FILE to a file that contains it"
            )
    return list(arguments)


def _error(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """Print what is wrong with the command line, without the values in it: one may be a secret."""
    what, colon, words = message.partition(": ")
    if what == "unrecognized arguments":
        names = [word.partition("=")[0] if word.startswith("-") else "…" for word in words.split()]
        message = f"{what}{colon}{' '.join(names)}"
    argparse.ArgumentParser.error(parser, message)


_METAVARS = {
    "Path": "PATH",
    "bool": "{0,1}",
    "datetime": "TIME",
    "float": "NUMBER",
    "int": "NUMBER",
    "str": "TEXT",
}
_DEFAULT = re.compile(r" \(default(?: factory)?: (?:(?! \(default).)*\)$")


def _option(setting: str) -> str:
    return "--" + setting.lower().replace("_", "-")


def _metavar(annotation: str) -> str:
    """What the help shows for a value, instead of its Python type."""
    if annotation.startswith("{"):  # the values of an enum are accepted in lower case
        return annotation.lower()
    return "VALUE" if "[" in annotation else _METAVARS.get(annotation, annotation)


class _Options:
    """Adds the options to the parser: a program's own first, then those of all programs."""

    def __init__(self, kind: type[Settings]) -> None:
        self._defaults = {
            name_of(name, field).lower(): default_text(name, field)
            for name, field in kind.model_fields.items()
        }
        self._of_all: Any = None

    def add(self, parser: Any, *options: str, **keywords: Any) -> Any:
        name = keywords.get("dest")
        if not SECRETS.isdisjoint(options) or name in INTERNAL:
            return parser.add_argument(*options, dest=name, help=argparse.SUPPRESS)
        if "metavar" in keywords:
            keywords["metavar"] = _metavar(keywords["metavar"])
        if name in self._defaults:
            default = self._defaults[name]
            text = _DEFAULT.sub("", keywords["help"])
            keywords["help"] = f"{text} (default: {default})" if default else text
        old = [one for one in options if one.lstrip("-").replace("-", "_").upper() in RENAMED]
        if old:
            parser.add_argument(*old, **{**keywords, "help": argparse.SUPPRESS})
        shown = [one for one in options if one not in old]
        return self._group(parser, name).add_argument(*shown, **keywords)

    def _group(self, parser: Any, name: Any) -> Any:
        if name not in StoreSettings.model_fields:
            return parser
        if self._of_all is None:
            self._of_all = parser.add_argument_group("options of all programs")
        return self._of_all


def _sentence(error: Any) -> str:
    if not error["loc"]:  # several settings together: the message names them
        return remedy(error)
    # For a value with several parts, name the setting that a person can change.
    name = str(error["loc"][0]).upper()
    if name == "SHARED_SECRET" and error["type"] == "too_short":
        length, needed = error["ctx"]["actual_length"], error["ctx"]["min_length"]
        return (
            f"{name} is {length} characters long; it needs {needed} or more (openssl rand -hex 32)"
        )
    secret = any(word in name for word in ("URI", "PASSWORD", "SECRET", "KEY"))
    given = "" if secret else f"={quote(error['input'], PATH)}"
    message = "must be set" if error["type"] == "missing" else remedy(error)
    return f"{name}{given}: {message}"
