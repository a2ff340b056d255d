"""The settings of the commands."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    NoDecode,
)

from common.domain.states import ERASED, PURGED, ReportGenerated
from common.domain.tenant import PacsName
from common.domain.types import HUB_NAME, Identifier, ScanName
from common.errors import SettingsError
from common.settings.base import (
    KeepSettings,
    MachineSettings,
    SecretSettings,
    Settings,
    StoreSettings,
)
from common.settings.pacs import PacsSettings

_SUBJECT = "pseudonym of a subject, as make list and index.csv show it, not the PatientID"
_STATES = (*map(str, ReportGenerated), PURGED, ERASED)


class RetentionSettings(KeepSettings):
    """Lists scans older than RETENTION_DAYS or RETENTION_FAILED_DAYS, or deletes their data."""

    apply: bool = Field(
        default=False,
        description="1: delete the data; otherwise, only list what would be deleted",
    )
    json_output: bool = Field(
        default=False, validation_alias="json", description="1: print JSON instead of a table"
    )


class VerifySettings(StoreSettings):
    """Checks the store for gaps and duplicates, and reports each by scan id."""

    ledger: Path | None = Field(
        default=None,
        description="ledger file of a Fr-PACS: check that every scan acknowledged in it is stored",
    )
    deep: bool = Field(
        default=False,
        description="1: read all voxels and compare their hashes; otherwise, only count the chunks "
        "of large scans",
    )
    json_output: bool = Field(
        default=False, validation_alias="json", description="1: print JSON instead of a table"
    )


class AuditSettings(StoreSettings):
    """Verifies the audit trail against the store. SCAN or SINCE prints events."""

    scan: ScanName | None = Field(
        default=None, description="scan id: print who did what with this scan, and when"
    )
    since: datetime | None = Field(
        default=None,
        description="print the events since this time, such as 2026-01-31T08:00 (UTC)",
    )
    keep: Path | None = Field(
        default=None,
        description="file to write the heads of the audit trail to, the newest entry of each "
        "chain; store it elsewhere",
    )
    ledger: Path | None = Field(
        default=None,
        description="ledger file of a Fr-PACS: check that the receipt of every scan acknowledged "
        "in it is recorded",
    )
    archives: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        validation_alias="archive",
        description="files written by audit-export, separated by commas: check the events in them "
        "too",
    )
    heads: Path | None = Field(
        default=None,
        description="file written with KEEP: check that the audit trail still contains these "
        "heads",
    )
    json_output: bool = Field(
        default=False, validation_alias="json", description="1: print JSON instead of a table"
    )

    @field_validator("archives", mode="before")
    @classmethod
    def _split_archives(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (part.strip() for part in value.split(","))))


class _ArchiveSettings(StoreSettings):
    file: Path | None = Field(default=None, description="file to write the archive to")
    audit_key_file: Path = Field(
        default=Path(".secrets/audit.key"),
        description="file with the key that signs archives of the audit trail; audit-export "
        "creates it if it is missing",
    )

    @property
    def archive(self) -> Path:
        """The archive.

        Raises:
            SettingsError: it is not set.
        """
        if self.file is None:
            raise SettingsError("FILE: name the file of the audit trail's archive")
        return self.file


class AuditExportSettings(_ArchiveSettings):
    """Writes old chains of the audit trail to a signed file; it changes nothing in the store."""

    days: float = Field(
        default=365,
        ge=0,
        description="archive the chains that ended more than this many days ago",
    )


class AuditPruneSettings(_ArchiveSettings):
    """Removes the entries of an archive from the audit trail, or lists what it would remove;
    MONGODB_URI, if set, must be that of fr-migrate or of another administrator."""

    file: Path | None = Field(default=None, description="archive written by audit-export")
    apply: bool = Field(
        default=False,
        description="1: remove the entries; otherwise, only list what would be removed",
    )


class ErrorsSettings(StoreSettings):
    """Lists the failed scans (state 'Error'), each with its cause."""

    json_output: bool = Field(
        default=False, validation_alias="json", description="1: print JSON instead of a table"
    )


class _Chosen(StoreSettings):
    ids: Annotated[tuple[ScanName, ...], NoDecode] = Field(
        default=(),
        validation_alias="id",
        description="scan ids, separated by commas; if several Fr-PACS used an id, write id@pacs",
    )

    @field_validator("ids", mode="before")
    @classmethod
    def _split_ids(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (part.strip() for part in value.split(","))))


class ListSettings(_Chosen):
    """Lists the stored scans, the newest first: state, age, cause, priority, Fr-PACS, analyzer,
    verdict, and the file name, if REPORTS or LEDGER is set."""

    states: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias="state",
        description="only scans in these states, separated by commas: To Do, In Progress, Done, "
        "Error, Purged, Erased",
    )
    pacs: Identifier | None = Field(default=None, description="only scans of this Fr-PACS")
    subject: str | None = Field(
        default=None,
        description=f"{_SUBJECT}: list only scans of this subject",
    )
    since: datetime | None = Field(
        default=None,
        description="only scans that arrived since this time, such as 2026-01-31T08:00 (UTC)",
    )
    limit: int = Field(default=100, ge=1, description="list at most this many scans")
    reports: Path | None = Field(
        default=None,
        description="folder with the reports of a Fr-PACS: take file names from its index.csv",
    )
    ledger: Path | None = Field(
        default=None, description="ledger file of a Fr-PACS: take file names from it"
    )
    json_output: bool = Field(
        default=False, validation_alias="json", description="1: print JSON instead of a table"
    )
    csv_output: bool = Field(
        default=False, validation_alias="csv", description="1: print CSV instead of a table"
    )

    @field_validator("states", mode="before")
    @classmethod
    def _split_states(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        known = {_plain(state): state for state in _STATES}
        given = [part.strip() for part in value.split(",") if part.strip()]
        if unknown := [part for part in given if _plain(part) not in known]:
            raise ValueError(f"{unknown[0]!r} is not a state: use {', '.join(_STATES)}")
        return tuple(known[_plain(part)] for part in given)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.json_output and self.csv_output:
            raise ValueError("set JSON or CSV, not both")
        return self

    @property
    def since_utc(self) -> datetime | None:
        """SINCE, which is UTC if it names no zone."""
        if self.since is None or self.since.tzinfo is not None:
            return self.since
        return self.since.replace(tzinfo=UTC)


def _plain(state: str) -> str:
    return "".join(c for c in state.lower() if c.isalpha())


class RequeueSettings(_Chosen):
    """Requeues failed scans for analysis."""

    everything: bool = Field(
        default=False, validation_alias="all", description="1: requeue every failed scan"
    )


class EraseSettings(_Chosen):
    """Erases scans on request, with all that is stored about them."""

    subject: str | None = Field(
        default=None,
        description=f"{_SUBJECT}: erase all scans of this subject",
    )
    apply: bool = Field(
        default=False, description="1: erase the scans; otherwise, only list what would be erased"
    )


class UndeliveredSettings(StoreSettings):
    """Lists the reports that could not be delivered, each with its cause."""

    json_output: bool = Field(
        default=False, validation_alias="json", description="1: print JSON instead of a table"
    )


class RedeliverSettings(_Chosen):
    """Sends reports again that could not be delivered."""

    everything: bool = Field(
        default=False,
        validation_alias="all",
        description="1: send every undelivered report again",
    )


class ReportSettings(_Chosen):
    """Writes the reports of scans to files: JSON, text and a newly drawn picture."""

    out: Path = Field(default=Path("reports"), description="folder to write the reports to")


class ReanalyzeSettings(_Chosen):
    """Analyses scans again: those whose report is by another analyzer or version, or those in
    ID."""

    analyzer: str | None = Field(
        default=None,
        description="name of an installed analyzer: only the scans that it now reads; "
        "if unset, those of all analyzers",
    )


class CertSettings(Settings):
    """Creates a private certificate authority and certificates for the units."""

    names: Annotated[tuple[Identifier, ...], NoDecode] = Field(
        default=(HUB_NAME, "pacs-1"),
        description="units that need a certificate, separated by commas: fr-hub, and the "
        "PACS_NAME of each Fr-PACS",
    )
    certs: Path = Field(
        default=Path(".certs"), description="folder for the authority and the certificates"
    )
    days: int = Field(default=825, ge=1, le=3650, description="validity of new certificates, days")

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
            raise ValueError("the name 'ca' is reserved for the authority: choose another name")
        return value


class MigrateSettings(StoreSettings):
    """Lists what a migration of the database to this release would change, or applies it;
    MONGODB_URI, if set, must be that of fr-migrate or of another administrator."""

    apply: bool = Field(
        default=False,
        description="1: migrate the database; otherwise, only list what would change",
    )
    json_output: bool = Field(
        default=False, validation_alias="json", description="1: print JSON instead of a table"
    )


class PacsKeySettings(SecretSettings):
    """Prints the key of a Fr-PACS, derived from Fr-HUB's secret."""

    pacs_name: PacsName = Field(
        default="pacs-1", description="name of the Fr-PACS; it must be listed in Fr-HUB's HUB_PACS"
    )


class PseudonymSettings(MachineSettings):
    """Prints the pseudonyms of patients' identifiers, which it reads from standard input, one on
    each line."""

    pacs_name: Identifier = Field(
        default="pacs-1", description="name of the Fr-PACS whose key to use; web for uploads"
    )
    pseudonym_key_file: Path | None = Field(
        default=None, description=PacsSettings.model_fields["pseudonym_key_file"].description
    )


class RoleSettings(StoreSettings):
    """Creates a MongoDB user with least privilege for each unit; MONGODB_URI must belong to a
    user administrator."""

    secrets: Path = Field(
        default=Path(".secrets"),
        description="folder to write each unit's MONGODB_URI to, including its password",
    )
