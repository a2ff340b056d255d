"""Frozen settings: the only reader of the environment.

Each setting comes from, in this order: an option on the command line, the environment, ``.env``
in the working folder, a file of its name in ``/run/secrets``; its name is the field's in capitals.
"""

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from common.errors import SettingsError
from common.models import Identifier

ENDLESS_RATE = 2.0
_SECRETS = Path("/run/secrets")

Port = Annotated[int, Field(ge=1, le=65535)]
Address = tuple[str, int]
Shape = tuple[Annotated[int, Field(ge=1, le=4096)], ...]


def split_address(text: str) -> Address:
    """``host:port`` (``[v6]:port`` too) as a pair.

    Raises:
        ValueError: it is not of that form.
    """
    host, _, port = text.strip().rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} should be host:port, such as 127.0.0.1:7302")
    return host, int(port)


class Settings(BaseSettings):
    """What every unit needs."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        env_file=".env",
        env_ignore_empty=True,
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,
        cli_avoid_json=True,
        cli_hide_none_type=True,
        cli_kebab_case=True,
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe log line shown"
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="log lines for people, or a JSON object each"
    )
    lifeline_fd: int | None = Field(
        default=None,
        ge=3,
        description="set by the launcher, not by people: a file descriptor; its end stops the unit",
    )


class StoreSettings(Settings):
    """What every unit with a store needs."""

    mongodb_uri: SecretStr | None = Field(
        default=None,
        description="any MongoDB, such as mongodb://user:password@host:27017/; "
        "none: an embedded one on this machine",
    )
    mongodb_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,38}$")] = Field(
        default="fr", description="name of the database"
    )
    mongodb_timeout_s: float = Field(
        default=10.0, ge=1, le=120, description="longest a database call may take, seconds"
    )
    data_dir: Path = Field(
        default=Path(".data"), description="folder of the embedded MongoDB and its logs"
    )
    fr_mongod: Path | None = Field(
        default=None,
        description="mongod of the embedded MongoDB; none: the one on the PATH, else the packed",
    )


class WireSettings(Settings):
    """Limits of a connection, the same at both ends."""

    frame_limit_kib: int = Field(
        default=1024, ge=512, le=48 * 1024, description="largest message taken, KiB"
    )
    idle_timeout_s: float = Field(
        default=60.0,
        ge=1,
        description="a connection on which nothing arrived for so long is closed, seconds; "
        "a peer with nothing to say pings three times as often",
    )


class HubSettings(StoreSettings, WireSettings):
    """Fr-HUB: receives scans, persists them, acknowledges; sends reports back."""

    hub_host: str = Field(default="127.0.0.1", description="address on which scans are received")
    hub_port: Port = Field(default=7301, description="port on which scans are received")
    hub_pacs: Annotated[dict[Identifier, Address], NoDecode] = Field(
        default={"pacs-1": ("127.0.0.1", 7302)},
        description="the Fr-PACS known, as name=host:port,…: only these may send scans, and "
        "reports go only to these addresses",
    )
    hub_connections: int = Field(
        default=128, ge=1, le=10_000, description="connections from Fr-PACS at once, at most"
    )
    hub_window: int = Field(
        default=1024, ge=1, le=100_000, description="scans in flight on one connection, at most"
    )
    hub_memory_mib: int = Field(
        default=512, ge=16, description="voxels held in memory, all connections together, MiB"
    )
    hub_batch: int = Field(
        default=1000, ge=1, le=10_000, description="scans or reports in one database call, at most"
    )
    scan_limit_mib: int = Field(default=2048, ge=1, description="largest scan taken, MiB")
    hub_poll_s: float = Field(
        default=2.0, gt=0, le=60, description="how often to look for reports without a wake-up, s"
    )
    hub_drain_s: float = Field(
        default=8.0, ge=0, description="how long to finish work in hand when stopped, seconds"
    )

    @field_validator("hub_pacs", mode="before")
    @classmethod
    def _split_pacs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        known: dict[str, Address] = {}
        for item in filter(None, (part.strip() for part in value.split(","))):
            name, equals, address = item.partition("=")
            if not equals:
                raise ValueError(f"{item!r} should be name=host:port")
            if name.strip() in known:
                raise ValueError(f"{name.strip()!r} is named twice")
            known[name.strip()] = split_address(address)
        return known


class BrainSettings(StoreSettings):
    """Fr-BRAIN: claims scans, analyses them, writes reports."""

    brain_processes: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=1024,
        description="processors at once; by default one per core",
    )
    brain_lease_s: float = Field(
        default=30.0, ge=1, description="a claim not renewed for so long is anyone's, seconds"
    )
    brain_attempts: int = Field(
        default=5, ge=1, description="claims of a scan before it is set aside as 'Error'"
    )
    brain_batch: int = Field(
        default=500, ge=1, le=10_000, description="scans claimed at once, at most"
    )
    brain_poll_s: float = Field(
        default=2.0, gt=0, le=60, description="how often to look for scans without a wake-up, s"
    )
    brain_drain_s: float = Field(
        default=10.0, ge=0, description="how long a processor may finish its scan when stopped, s"
    )
    brain_pictures: bool = Field(
        default=False,
        description="1: make a picture for each report, which goes to Fr-PACS with it",
    )


class PacsSettings(WireSettings):
    """Fr-PACS: streams scans to Fr-HUB, receives their reports."""

    pacs_name: Identifier = Field(
        default="pacs-1", description="this unit's name, known to Fr-HUB's HUB_PACS"
    )
    pacs_host: str = Field(default="127.0.0.1", description="address on which reports are received")
    pacs_port: Port = Field(default=7302, description="port on which reports are received")
    hub_host: str = Field(default="127.0.0.1", description="where Fr-HUB is")
    hub_port: Port = Field(default=7301, description="where Fr-HUB is")
    source: Path | None = Field(
        default=None, description="file or folder of NIfTI or DICOM; none: synthetic scans"
    )
    kind: Literal["phantom", "grid"] = Field(
        default="phantom", description="synthetic scans: 3-D heads, or 10x10 grids"
    )
    shape: Annotated[Shape | None, NoDecode] = Field(
        default=None, description="of a synthetic scan, such as 128 or 181x217x181; none: 96 or 10"
    )
    contrast: Literal["flair", "t1"] = Field(
        default="flair", description="of synthetic heads; their lesions are bright on flair"
    )
    background: Literal["noise", "empty"] = Field(
        default="noise",
        description="of synthetic heads: noise everywhere, or zeros outside of the head",
    )
    scans: int | None = Field(
        default=None, ge=1, description="how many to send; none: all of SOURCE, else endless"
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        description="scans a second; none: as fast as Fr-HUB takes them, "
        "or 2 in an endless stream, which would fill the disk",
    )
    threads: int = Field(default=2, ge=1, le=256, description="connections to Fr-HUB")
    seed: int = Field(default=1, ge=0, description="of synthetic scans: same seed, same voxels")
    buffer_mib: int = Field(
        default=256, ge=1, description="voxels held until they are acknowledged, MiB"
    )
    patience_s: float = Field(
        default=5.0,
        ge=0,
        description="how long a synthetic scan waits for room before it counts as failed, s",
    )
    report_patience_s: float = Field(
        default=120.0,
        gt=0,
        description="with SCANS or SOURCE: how long to wait for the next report of the rest, s",
    )
    pacs_drain_s: float = Field(
        default=5.0, ge=0, description="how long to wait for acknowledgements when stopped, seconds"
    )
    reports: Path | None = Field(
        default=None, description="folder that gets each report as JSON and text, and its picture"
    )
    ledger: Path | None = Field(default=None, description="file that gets each event as JSON line")
    summary: Path | None = Field(default=None, description="file that gets the totals as JSON")
    progress_fd: int | None = Field(
        default=None, ge=3, description="set by the launcher, not by people: where totals go"
    )

    @field_validator("shape", mode="before")
    @classmethod
    def _split_shape(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = value.lower().split("x")
        if not all(part.strip().isdecimal() for part in parts):
            raise ValueError(f"{value!r} should be one number or numbers with x, such as 96x96x96")
        return tuple(int(part) for part in parts)

    @model_validator(mode="after")
    def _fit(self) -> Self:
        dimensions = 2 if self.kind == "grid" else 3
        if self.shape is not None and len(self.shape) not in (1, dimensions):
            raise ValueError(f"SHAPE of a {self.kind} has 1 or {dimensions} numbers")
        return self

    @property
    def finite(self) -> bool:
        """Whether the run ends by itself."""
        return self.scans is not None or self.source is not None

    @property
    def pace(self) -> float | None:
        """Scans a second; None: as fast as Fr-HUB takes them."""
        return self.rate if self.rate or self.finite else ENDLESS_RATE

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Cells of a synthetic grid along its axes."""
        shape = self.shape or (10,)
        return (shape[0], shape[-1])

    @property
    def phantom_shape(self) -> tuple[int, int, int]:
        """Voxels of a synthetic head along its axes."""
        shape = self.shape or (96,)
        return (shape[0], shape[len(shape) // 2], shape[-1])


class VerifySettings(StoreSettings):
    """The ledger: counts of the whole store, and each gap by id."""

    ledger: Path | None = Field(
        default=None, description="file of a Fr-PACS' events: each acknowledged scan must be there"
    )
    json_output: bool = Field(
        default=False, validation_alias="json", description="print JSON instead of a table"
    )


class _Chosen(StoreSettings):
    ids: Annotated[tuple[Identifier, ...], NoDecode] = Field(
        default=(),
        validation_alias="id",
        description="the scans that a command is for, several with commas between them",
    )

    @field_validator("ids", mode="before")
    @classmethod
    def _split_ids(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (part.strip() for part in value.split(","))))


class ReportSettings(_Chosen):
    """Writes the reports of some scans as files: JSON, text and a picture, made anew."""

    out: Path = Field(default=Path("reports"), description="folder that gets the files")


class ReanalyzeSettings(_Chosen):
    """Has scans that are 'Done' analysed again, where another analyzer is installed by now."""

    analyzer: str | None = Field(
        default=None, description="only scans that this analyzer reads now; none: of all"
    )


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
                settings_cls, cli_parse_args=True if arguments is None else arguments
            )
            return (cli, *super().settings_customise_sources(settings_cls, **sources))

    try:
        read = Reader()
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(line) for line in error.errors())) from None
    # The plain class again: what is handed on can be pickled to a processor.
    values = {name: getattr(read, name) for name in kind.model_fields}
    return kind.model_construct(read.model_fields_set, **values)


def _sentence(error: Any) -> str:
    # Of a setting of several parts, the setting: it is what a person can set.
    name = str(error["loc"][0]).upper() if error["loc"] else "settings"
    message = str(error["msg"]).removeprefix("Value error, ")
    secret = "URI" in name or "PASSWORD" in name
    given = "" if secret or not error["loc"] else f"={error['input']!r}"
    return f"{name}{given}: {message}"
