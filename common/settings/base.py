"""Settings that several units share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

from common.domain.pacs_key import HubSecret, PacsKeys
from common.settings.hosts import is_loopback
from common.settings.mongodb_uri import is_plain_network
from common.settings.private_files import MOUNTED, read_private

DOT_ENV = Path(".env")

Port = Annotated[int, Field(ge=1, le=65535)]
Shape = tuple[Annotated[int, Field(ge=1, lt=2**31)], ...]


def from_file(values: Any, name: str) -> Any:
    """Read a secret from the file named by ``<name>_file``, unless the secret is set."""
    path = values.get(f"{name}_file") if isinstance(values, dict) else None
    if not path or values.get(name):
        return values
    return {**values, name: read_private(Path(path), f"{name.upper()}_FILE")}


INTERNAL = frozenset({"lifeline_fd", "progress_fd", "reported_fd", "hold_fd"})
"""Settings that only the launcher sets, for the programs that it starts."""


class Settings(BaseSettings):
    """Settings of every unit."""

    model_config = SettingsConfigDict(
        frozen=True,
        defer_build=True,  # a unit builds only what it uses: 0.1 s less to start
        extra="ignore",
        allow_inf_nan=False,
        env_file=DOT_ENV,
        env_ignore_empty=True,
        secrets_dir=MOUNTED if MOUNTED.is_dir() else None,
        cli_avoid_json=True,
        cli_hide_none_type=True,
        cli_kebab_case=True,
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe level to log"
    )
    log_format: Literal["console", "json"] = Field(
        default="console",
        description="log format: text for people (console) or one JSON object per line (json)",
    )
    lifeline_fd: int | None = Field(
        default=None,
        ge=3,
        description="internal, set by the launcher: a file descriptor; the unit stops when it "
        "closes",
    )


IN_PLAIN = "yes-patient-data-may-be-read"


class MachineSettings(Settings):
    """This machine: where it keeps what, and whether plain traffic may leave it."""

    data_dir: Path = Field(
        default=Path(".data"),
        description="folder for the embedded MongoDB's data and logs, and for the secret that "
        "units share if they have no TLS and no SHARED_SECRET or PACS_KEY",
    )
    insecure_plaintext_network: Literal["yes-patient-data-may-be-read"] | None = Field(
        default=None,
        description=f"set to {IN_PLAIN} to allow addresses outside this machine, and MongoDB on "
        "another host, without TLS; connections between units then need SHARED_SECRET or PACS_KEY",
    )


class StoreSettings(MachineSettings):
    """Settings of every unit that uses the store."""

    mongodb_uri: SecretStr | None = Field(
        default=None,
        description="MongoDB to use, such as mongodb://user:password@host:27017/; if unset, Fr "
        "starts an embedded MongoDB on this machine",
    )
    mongodb_uri_file: Path | None = Field(
        default=None, description="file to read MONGODB_URI from, if MONGODB_URI is unset"
    )
    mongodb_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,38}$")] = Field(
        default="fr", description="name of the MongoDB database"
    )
    mongodb_timeout_s: float = Field(
        default=10.0, ge=1, le=120, description="timeout of a database call, seconds"
    )
    fr_mongod: Path | None = Field(
        default=None,
        description="mongod binary for the embedded MongoDB; if unset, the one on the PATH, or "
        "else the one in the installed package",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_uri(cls, values: Any) -> Any:
        return from_file(values, "mongodb_uri")

    @model_validator(mode="after")
    def _safe_uri(self) -> Self:
        uri = self.mongodb_uri
        if uri is None or self.insecure_plaintext_network:
            return self
        if is_plain_network(uri.get_secret_value()):
            raise ValueError(
                "MONGODB_URI names another host without TLS, so anyone on the network can read "
                "and change the traffic: add tls=true to it, or accept the risk with "
                f"INSECURE_PLAINTEXT_NETWORK={IN_PLAIN}"
            )
        return self


class SecretSettings(MachineSettings):
    """The secret from which the key of each Fr-PACS is derived."""

    shared_secret: Annotated[SecretStr, Field(min_length=32)] | None = Field(
        default=None,
        description="Fr-HUB's secret, at least 32 characters (openssl rand -hex 32), from which "
        "it derives the key of each Fr-PACS; if unset, units without TLS use the secret in "
        "DATA_DIR. Give a Fr-PACS its PACS_KEY instead: whoever has this secret can pose as any "
        "unit",
    )
    shared_secret_file: Path | None = Field(
        default=None, description="file to read SHARED_SECRET from, if SHARED_SECRET is unset"
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secret(cls, values: Any) -> Any:
        return from_file(values, "shared_secret")

    def given_keys(self) -> PacsKeys | None:
        """The keys that the settings give; None if there is only the secret in DATA_DIR."""
        secret = self.shared_secret
        return None if secret is None else HubSecret(secret.get_secret_value().encode())


class WireSettings(SecretSettings):
    """Security and limits of connections; the same at both ends."""

    tls_cert: Path | None = Field(
        default=None,
        description="this unit's certificate (PEM); its DNS name must be the unit's name. Setting "
        "TLS_CERT, TLS_KEY and TLS_CA turns on mutual TLS (see make certs)",
    )
    tls_key: Path | None = Field(
        default=None, description="private key of TLS_CERT (PEM, unencrypted)"
    )
    tls_ca: Path | None = Field(
        default=None,
        description="certificate of the authority that issued the peers' certificates (PEM)",
    )
    frame_limit_kib: int = Field(
        default=1024,
        ge=512,
        le=48 * 1024,
        description="largest message to accept, KiB; a longer message closes the connection",
    )
    idle_timeout_s: float = Field(
        default=60.0,
        ge=1,
        description="time after which a connection that receives nothing closes, seconds; an idle "
        "peer pings three times in this period",
    )
    greeting_timeout_s: float = Field(
        default=10.0,
        ge=0.1,
        description="time limit for the handshake of a new connection, including TLS and "
        "authentication, seconds",
    )
    frame_timeout_s: float = Field(
        default=60.0, ge=1, description="time limit for receiving the rest of a message, seconds"
    )
    rate_min_kib_s: float = Field(
        default=8.0,
        ge=0,
        description="minimum speed at which a peer must send a message or a scan, averaged over "
        "15 s, KiB/s; a slower peer is disconnected",
    )
    max_unauthenticated: int = Field(
        default=256,
        ge=1,
        le=10_000,
        # STRANGERS is the old name; it is still accepted.
        validation_alias=AliasChoices("max_unauthenticated", "strangers"),
        description="maximum number of connections in their handshake at once; when it is "
        "reached, a new connection replaces the oldest one",
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        given = (self.tls_cert, self.tls_key, self.tls_ca)
        if any(given) and not all(given):
            raise ValueError("TLS needs TLS_CERT, TLS_KEY and TLS_CA: set all three, or none")
        if all(given):
            return self
        for name, host in self.hosts():
            if not is_loopback(host):
                self._check_network(f"{name}={host!r} is not a loopback address")
        return self

    def _check_network(self, why: str) -> None:
        if not self.insecure_plaintext_network:
            raise ValueError(
                f"{why}, and without TLS anyone on the network can read the traffic: set "
                "TLS_CERT, TLS_KEY and TLS_CA (make certs), or accept the risk with "
                f"INSECURE_PLAINTEXT_NETWORK={IN_PLAIN}"
            )
        if self.given_keys() is None:
            raise ValueError(
                f"{why}, and the secret in DATA_DIR is for this machine alone: set SHARED_SECRET "
                "at Fr-HUB, and at each Fr-PACS the PACS_KEY that make pacs-key prints"
            )

    def hosts(self) -> Iterator[tuple[str, str]]:
        """The hosts that this unit listens on or connects to, each as (setting, host)."""
        yield from ()


class KeepSettings(StoreSettings):
    """What to delete of scans whose report was delivered or that failed, and when."""

    retention_days: float | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="days to keep a scan after its report was delivered; if unset, scans are kept "
        "forever",
    )
    retention_failed_days: float | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="days to keep a scan after it failed for good (state 'Error'); if unset, "
        "failed scans are kept forever",
    )
    retention_what: Literal["voxels", "all"] = Field(
        default="voxels",
        description="what retention deletes: only voxels (voxels), or scans and reports (all)",
    )


class IntakeSettings(StoreSettings):
    """Which scans are taken, from a Fr-PACS or by an upload, and when none is."""

    hub_backlog: int = Field(
        default=100_000,
        ge=1,
        description="number of scans waiting for analysis at which Fr-HUB and the API answer "
        "'busy' with a retry time",
    )
    hub_disk_free_mib: int = Field(
        default=1024,
        ge=0,
        description="free disk space that MongoDB must keep, MiB; if less is free, Fr-HUB and the "
        "API answer 'busy' with a retry time. 0: no check",
    )
    scan_limit_mib: int = Field(default=2048, ge=1, description="largest scan to accept, MiB")
