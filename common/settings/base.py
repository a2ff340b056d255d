"""What the settings of several units have in common; ``common.settings.loading`` has them all."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

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


def is_loopback(host: str) -> bool:
    """Whether what is said to this address stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _from_file(values: Any, name: str) -> Any:
    """Take a secret from the file that ``<name>_file`` names, if it is not set itself."""
    path = values.get(f"{name}_file") if isinstance(values, dict) else None
    if not path or values.get(name):
        return values
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ValueError(f"{name.upper()}_FILE={str(path)!r}: {why}") from None
    if not text:
        raise ValueError(f"{name.upper()}_FILE={str(path)!r}: the file is empty")
    return {**values, name: text}


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
    mongodb_uri_file: Path | None = Field(
        default=None, description="file that holds MONGODB_URI, where that is not set itself"
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

    @model_validator(mode="before")
    @classmethod
    def _read_uri(cls, values: Any) -> Any:
        return _from_file(values, "mongodb_uri")


IN_PLAIN = "yes-patient-data-may-be-read"


class WireSettings(Settings):
    """Safety and limits of a connection, the same at both ends."""

    tls_cert: Path | None = Field(
        default=None,
        description="this unit's certificate (PEM), whose DNS name is the unit's name; with "
        "TLS_KEY and TLS_CA: TLS at both ends (make certs)",
    )
    tls_key: Path | None = Field(default=None, description="the key of TLS_CERT (PEM, unencrypted)")
    tls_ca: Path | None = Field(
        default=None, description="the authority (PEM) that issues the peers' certificates"
    )
    shared_secret: Annotated[SecretStr, Field(min_length=32)] | None = Field(
        default=None,
        description="without TLS: what Fr-HUB and its Fr-PACS know, 32 characters or more "
        "(openssl rand -hex 32); each proves it, none sends it",
    )
    shared_secret_file: Path | None = Field(
        default=None, description="file that holds SHARED_SECRET, where that is not set itself"
    )
    insecure_plaintext_network: Literal["yes-patient-data-may-be-read"] | None = Field(
        default=None,
        description=f"{IN_PLAIN}: allow addresses other than loopback without TLS",
    )

    frame_limit_kib: int = Field(
        default=1024, ge=512, le=48 * 1024, description="largest message taken, KiB"
    )
    idle_timeout_s: float = Field(
        default=60.0,
        ge=1,
        description="a connection on which nothing arrived for so long is closed, seconds; "
        "a peer with nothing to say pings three times as often",
    )
    greeting_timeout_s: float = Field(
        default=10.0,
        ge=0.1,
        description="a peer that has not greeted, TLS and proof included, within this time is "
        "let go, seconds",
    )
    frame_timeout_s: float = Field(
        default=60.0, ge=1, description="longest wait for the rest of a message, seconds"
    )
    rate_min_kib_s: float = Field(
        default=8.0,
        ge=0,
        description="a peer in the middle of a message or a scan that sends less, over 15 s, is "
        "let go, KiB/s",
    )
    max_unauthenticated: int = Field(
        default=256,
        ge=1,
        le=10_000,
        # It was STRANGERS once: environments and files that say so keep working.
        validation_alias=AliasChoices("max_unauthenticated", "strangers"),
        description="most connections that have not finished their handshake; beyond it a new "
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
            raise ValueError("TLS_CERT, TLS_KEY and TLS_CA belong together: set all three, or none")
        if all(given) or self.insecure_plaintext_network:
            return self
        for name, host in self.hosts():
            if not is_loopback(host):
                raise ValueError(
                    f"{name}={host!r} is another machine or its network, and without TLS all that "
                    "is said can be read and changed there: set TLS_CERT, TLS_KEY and TLS_CA "
                    f"(make certs); or, knowing that, INSECURE_PLAINTEXT_NETWORK={IN_PLAIN}"
                )
        return self

    def hosts(self) -> Iterator[tuple[str, str]]:
        """Where this unit listens and whom it dials: the setting, the host."""
        yield from ()


class KeepSettings(StoreSettings):
    """What goes, and when, of scans that are done and whose report was delivered."""

    retention_days: float | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="days after its report was delivered that a scan stays; none: for ever",
    )
    retention_what: Literal["voxels", "all"] = Field(
        default="voxels", description="what goes then: the voxels, or scan and report"
    )
