"""What a run is asked to do, from the environment that ``make faults`` hands on."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

KILLS = 17
"""Of each unit: fifty together, and one more."""


class OptionError(Exception):
    """A variable is wrong; the text names it and says what would be right."""


class Options(BaseModel):
    """The variables of ``make faults``."""

    model_config = ConfigDict(frozen=True)

    seed: int = Field(ge=0, description="same seed, same schedule of faults; none: a new one")
    minutes: float | None = Field(
        default=None, gt=0, description="go round again until so long has passed; none: once"
    )
    kills: int = Field(
        default=KILLS,
        ge=0,
        description="of each of Fr-PACS, Fr-HUB and Fr-BRAIN; a tenth as many of a primary",
    )
    load: float = Field(
        default=1.0,
        gt=0,
        description="load, relative to what two cores can handle beside the faults",
    )
    worlds: int = Field(default=2, ge=1, description="at a time, each with its own MongoDB")
    only: tuple[str, ...] = Field(default=(), description="faults, with commas; none: all")
    sample: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of each world's faults that run; the seed draws them",
    )
    long: bool = Field(default=False, description="1: also the faults that take minutes")
    faults_report: Path | None = Field(default=None, description="file that gets all as JSON")
    faults_folder: Path | None = Field(
        default=None,
        description="folder for logs, ledgers and data, which are kept; none: they are deleted",
    )


def options_from(environment: Mapping[str, str] | None = None) -> Options:
    """The options of this run.

    Raises:
        OptionError: one is wrong.
    """
    given = os.environ if environment is None else environment
    names = set(Options.model_fields)
    values: dict[str, object] = {
        name: given[name.upper()] for name in names if given.get(name.upper(), "").strip()
    }
    values.setdefault("seed", secrets.randbelow(1_000_000))
    if "only" in values:
        values["only"] = tuple(filter(None, str(values["only"]).replace(",", " ").split()))
    try:
        return Options.model_validate(values)
    except ValidationError as error:
        line = error.errors(include_url=False)[0]
        name = str(line["loc"][0]).upper()
        raise OptionError(f"{name}={line['input']!r}: {line['msg']}") from None
