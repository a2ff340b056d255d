"""Frozen settings: the only reader of the environment.

Each setting comes from, in this order: an option on the command line, the environment, ``.env``
in the working folder, a file of its name in ``/run/secrets``; its name is the field's in capitals.
"""

import argparse
from typing import Any, ClassVar, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from common.errors import SettingsError
from common.settings.base import (
    IN_PLAIN,
    Address,
    KeepSettings,
    Port,
    Settings,
    Shape,
    StoreSettings,
    WireSettings,
    is_loopback,
    split_address,
)
from common.settings.brain import BrainSettings
from common.settings.commands import (
    AuditSettings,
    CertSettings,
    ErrorsSettings,
    ReanalyzeSettings,
    ReportSettings,
    RequeueSettings,
    RetentionSettings,
    RoleSettings,
    VerifySettings,
)
from common.settings.hub import HubSettings
from common.settings.pacs import ENDLESS_RATE, PacsSettings

__all__ = [
    "ENDLESS_RATE",
    "IN_PLAIN",
    "SECRETS",
    "Address",
    "AuditSettings",
    "BrainSettings",
    "CertSettings",
    "ErrorsSettings",
    "HubSettings",
    "KeepSettings",
    "LaunchSettings",
    "PacsSettings",
    "Port",
    "ReanalyzeSettings",
    "ReportSettings",
    "RequeueSettings",
    "RetentionSettings",
    "RoleSettings",
    "Settings",
    "Shape",
    "StoreSettings",
    "VerifySettings",
    "WireSettings",
    "is_loopback",
    "load_settings",
    "split_address",
]


class LaunchSettings(HubSettings, BrainSettings, PacsSettings):
    """All three units on this machine: the settings of each."""


S = TypeVar("S", bound=Settings)


def load_settings(kind: type[S], program: str, arguments: list[str] | None = None) -> S:
    """The settings of a unit from command line, environment, ``.env`` and secrets.

    Raises:
        SettingsError: one is wrong; the text names it and says what would be right.
        SystemExit: ``--help`` was asked for (status 0), or the command line is wrong (status 2).
    """

    class Reader(kind):  # type: ignore[valid-type, misc]
        __doc__ = f"{kind.__doc__}\n\nEach option is also a variable: HUB_PORT for --hub-port."
        model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(cli_prog_name=program)

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            cli: CliSettingsSource[Any] = CliSettingsSource(
                settings_cls,
                cli_parse_args=True if arguments is None else arguments,
                add_argument_method=_add_argument,
            )
            return (cli, *super().settings_customise_sources(settings_cls, **sources))

    try:
        read = Reader()
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(line) for line in error.errors())) from None
    # The plain class again: what is handed on can be pickled to a processor.
    values = {name: getattr(read, name) for name in kind.model_fields}
    return kind.model_construct(read.model_fields_set, **values)


SECRETS = frozenset({"--mongodb-uri", "--shared-secret"})


class _NotHere(argparse.Action):
    """An option for a secret: refused, without a word of it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        name = self.dest.upper().replace("-", "_")
        parser.error(
            f"{self.option_strings[0]}: secrets are not taken from the command line, which all "
            f"users of this machine can read: set {name} in the environment or in .env, put it "
            f"into /run/secrets/{name.lower()}, or name its file in {name}_FILE"
        )


def _add_argument(group: Any, *options: str, **keywords: Any) -> Any:
    if SECRETS.isdisjoint(options):
        return group.add_argument(*options, **keywords)
    return group.add_argument(
        *options, action=_NotHere, nargs="?", dest=keywords["dest"], help=argparse.SUPPRESS
    )


def _sentence(error: Any) -> str:
    # Of a setting of several parts, the setting: it is what a person can set.
    name = str(error["loc"][0]).upper() if error["loc"] else "settings"
    message = str(error["msg"]).removeprefix("Value error, ")
    if name == "SHARED_SECRET" and error["type"] == "too_short":
        length, needed = error["ctx"]["actual_length"], error["ctx"]["min_length"]
        return (
            f"{name} is {length} characters long; it needs {needed} or more (openssl rand -hex 32)"
        )
    secret = any(word in name for word in ("URI", "PASSWORD", "SECRET"))
    given = "" if secret or not error["loc"] else f"={error['input']!r}"
    return f"{name}{given}: {message}"
