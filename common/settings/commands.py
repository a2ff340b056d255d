"""The settings of the commands that people give."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import (
    NoDecode,
)

from common.domain.types import HUB_NAME, Identifier
from common.settings.base import KeepSettings, Settings, StoreSettings


class RetentionSettings(KeepSettings):
    """Retention by hand: says what would go of what was delivered long ago, or has it go."""

    apply: bool = Field(default=False, description="do it; else retention only says what would go")
    json_output: bool = Field(
        default=False, validation_alias="json", description="print JSON instead of a table"
    )


class VerifySettings(StoreSettings):
    """The ledger: counts of the whole store, and each gap by id."""

    ledger: Path | None = Field(
        default=None, description="file of a Fr-PACS' events: each acknowledged scan must be there"
    )
    json_output: bool = Field(
        default=False, validation_alias="json", description="print JSON instead of a table"
    )


class AuditSettings(StoreSettings):
    """The audit trail: verified, held against the store, and printed."""

    scan: Identifier | None = Field(
        default=None, description="id of a scan: print who did what with it, and when"
    )
    since: datetime | None = Field(
        default=None, description="print what happened since, such as 2026-01-31T08:00 (UTC)"
    )
    keep: Path | None = Field(
        default=None, description="file that gets the trail's heads, to be kept elsewhere"
    )
    heads: Path | None = Field(
        default=None, description="file made with KEEP: what was there then must still be"
    )
    json_output: bool = Field(
        default=False, validation_alias="json", description="print JSON instead of a table"
    )


class ErrorsSettings(StoreSettings):
    """The scans set aside as 'Error', each with its cause."""

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


class RequeueSettings(_Chosen):
    """Puts scans that were set aside back to be analysed again."""

    everything: bool = Field(
        default=False, validation_alias="all", description="put back all that are set aside"
    )


class ReportSettings(_Chosen):
    """Writes the reports of some scans as files: JSON, text and a picture, made anew."""

    out: Path = Field(default=Path("reports"), description="folder that gets the files")


class ReanalyzeSettings(_Chosen):
    """Has scans that are 'Done' analysed again, where another analyzer is installed by now."""

    analyzer: str | None = Field(
        default=None, description="only scans that this analyzer reads now; none: of all"
    )


class CertSettings(Settings):
    """A private authority, and certificates of units."""

    names: Annotated[tuple[Identifier, ...], NoDecode] = Field(
        default=(HUB_NAME, "pacs-1"),
        description="units that get a certificate, as name,…: fr-hub, and each Fr-PACS by its "
        "PACS_NAME",
    )
    certs: Path = Field(
        default=Path(".certs"), description="folder of the authority and the certificates"
    )
    days: int = Field(
        default=825, ge=1, le=3650, description="how long a new certificate is valid, days"
    )

    @field_validator("names", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (name.strip() for name in value.split(","))))

    @field_validator("names")
    @classmethod
    def _no_authority(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "ca" in map(str.lower, value):
            raise ValueError("'ca' is the authority's own name: call the unit otherwise")
        return value


class RoleSettings(StoreSettings):
    """MongoDB users of the units, each with the least that it needs; MONGODB_URI is a user
    administrator's."""

    secrets: Path = Field(
        default=Path(".secrets"),
        description="folder that gets each unit's MONGODB_URI, password included",
    )
