"""Settings that several units share; ``common.settings.loading`` exports all settings."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

DOT_ENV = Path(".env")
_SECRETS = Path("/run/secrets")

Port = Annotated[int, Field(ge=1, le=65535)]
Address = tuple[str, int]
Shape = tuple[Annotated[int, Field(ge=1, le=4096)], ...]


def split_address(text: str) -> Address:
    """Split ``host:port`` or ``[IPv6]:port`` into host and port.

    Raises:
        ValueError: the text has another form.
    """
    host, _, port = text.strip().rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not an address: write host:port, such as 127.0.0.1:7302")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether traffic to this address stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _from_file(values: Any, name: str) -> Any:
    """Read a secret from the file named by ``<name>_file``, unless the secret is set."""
    path = values.get(f"{name}_file") if isinstance(values, dict) else None
    if not path or values.get(name):
        return values
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "the file is not UTF-8 text"
        raise ValueError(f"{name.upper()}_FILE={str(path)!r}: {reason}") from None
    if not text:
        raise ValueError(f"{name.upper()}_FILE={str(path)!r}: the file is empty")
    return {**values, name: text}


class Settings(BaseSettings):
    """Settings of every unit."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        env_file=DOT_ENV,
        env_ignore_empty=True,
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,
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


class StoreSettings(Settings):
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
    data_dir: Path = Field(
        default=Path(".data"), description="folder for the embedded MongoDB's data and logs"
    )
    fr_mongod: Path | None = Field(
        default=None,
        description="mongod binary for the embedded MongoDB; if unset, the one on the PATH, or "
        "else the one in the installed package",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_uri(cls, values: Any) -> Any:
        return _from_file(values, "mongodb_uri")


IN_PLAIN = "yes-patient-data-may-be-read"


class WireSettings(Settings):
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
    shared_secret: Annotated[SecretStr, Field(min_length=32)] | None = Field(
        default=None,
        description="without TLS: a secret that Fr-HUB and its Fr-PACS share, at least 32 "
        "characters (openssl rand -hex 32); each side proves that it knows it and "
        "never sends it",
    )
    shared_secret_file: Path | None = Field(
        default=None, description="file to read SHARED_SECRET from, if SHARED_SECRET is unset"
    )
    insecure_plaintext_network: Literal["yes-patient-data-may-be-read"] | None = Field(
        default=None,
        description=f"set to {IN_PLAIN} to allow addresses outside this machine without TLS",
    )

    frame_limit_kib: int = Field(
        default=1024,
        ge=512,
        le=48 * 1024,
        description="largest message accepted, KiB; a longer one closes the connection",
    )
    idle_timeout_s: float = Field(
        default=60.0,
        ge=1,
        description="a connection closes when it receives nothing for this long, seconds; an idle "
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
        description="a peer that sends a message or a scan more slowly than this, averaged over "
        "15 s, is disconnected, KiB/s",
    )
    max_unauthenticated: int = Field(
        default=256,
        ge=1,
        le=10_000,
        # STRANGERS is the old name; it is still accepted.
        validation_alias=AliasChoices("max_unauthenticated", "strangers"),
        description="most connections that may be in their handshake at once; when full, a new "
        "one replaces the oldest",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secret(cls, values: Any) -> Any:
        return _from_file(values, "shared_secret")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        given = (self.tls_cert, self.tls_key, self.tls_ca)
        if any(given) and not all(given):
            raise ValueError("TLS needs TLS_CERT, TLS_KEY and TLS_CA: set all three, or none")
        if all(given) or self.insecure_plaintext_network:
            return self
        for name, host in self.hosts():
            if not is_loopback(host):
                raise ValueError(
                    f"{name}={host!r} is not a loopback address, and without TLS anyone on the "
                    "network can read and change the traffic: set TLS_CERT, TLS_KEY and TLS_CA "
                    "(make certs), or accept the risk with "
                    f"INSECURE_PLAINTEXT_NETWORK={IN_PLAIN}"
                )
        return self

    def hosts(self) -> Iterator[tuple[str, str]]:
        """The hosts that this unit listens on or connects to, each as (setting, host)."""
        yield from ()


class KeepSettings(StoreSettings):
    """What to delete of scans whose report was delivered, and when."""

    retention_days: float | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="days to keep a scan after its report was delivered; if unset, scans are kept "
        "forever",
    )
    retention_what: Literal["voxels", "all"] = Field(
        default="voxels",
        description="what retention deletes: only the voxels, or all of the scan and its report",
    )
