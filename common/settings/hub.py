"""The settings of Fr-HUB."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    NoDecode,
)

from common.domain.tenant import PacsName
from common.settings.base import IntakeSettings, KeepSettings, Port, WireSettings
from common.settings.hosts import Address, Host, split_address, split_name

_SYSLOG_PORT = 6514
"""Of syslog over TLS (RFC 5425)."""


class HubSettings(IntakeSettings, KeepSettings, WireSettings):
    """Fr-HUB: receives scans, stores and acknowledges them, and sends the reports back."""

    hub_host: Host = Field(
        default="127.0.0.1",
        description="address of Fr-HUB: it listens here, and Fr-PACS connects here",
    )
    hub_port: Port = Field(
        default=7301, description="port of Fr-HUB: it listens here, and Fr-PACS connects here"
    )
    hub_pacs: Annotated[dict[PacsName, tuple[Host, int]], NoDecode] = Field(
        default={"pacs-1": ("127.0.0.1", 7302)},
        description="known Fr-PACS units as name=host:port,…; only these may send scans, and "
        "reports go only to these addresses",
    )
    hub_connections: int = Field(
        default=128,
        ge=1,
        le=10_000,
        description="maximum number of connections from all Fr-PACS units together",
    )
    hub_connections_each: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="maximum number of connections from one Fr-PACS unit",
    )
    hub_window: int = Field(
        default=1024,
        ge=1,
        le=100_000,
        description="maximum number of unacknowledged scans per connection",
    )
    hub_memory_mib: int = Field(
        default=512,
        ge=16,
        description="memory for voxels being received and reports being sent, on all connections "
        "together, MiB; when full, Fr-HUB pauses reading",
    )
    hub_batch: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="maximum number of scans or reports in one database call",
    )
    scan_timeout_s: float = Field(
        default=1800.0,
        ge=1,
        description="time limit for receiving the rest of a large scan, seconds",
    )
    hub_poll_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="interval at which to look for reports if no notification arrives, seconds",
    )
    audit_syslog: Annotated[tuple[str, int] | None, NoDecode] = Field(
        default=None,
        description="syslog server to send each event of the audit trail to, over TLS, as host or "
        "host:port (default port: 6514); if unset, Fr-HUB sends none",
    )
    audit_syslog_ca: Path | None = Field(
        default=None,
        description="certificate of the authority that issued the certificate of AUDIT_SYSLOG "
        "(PEM); if unset, the authorities that this machine trusts",
    )
    audit_syslog_cert: Path | None = Field(
        default=None,
        description="certificate that Fr-HUB presents to AUDIT_SYSLOG (PEM), if that server asks "
        "for one",
    )
    audit_syslog_key: Path | None = Field(
        default=None, description="private key of AUDIT_SYSLOG_CERT (PEM, unencrypted)"
    )
    hub_drain_s: float = Field(
        default=8.0, ge=0, description="time to finish current work at shutdown, seconds"
    )
    retention_timer: bool = Field(
        default=False,
        description="1: Fr-HUB applies retention every hour (needs RETENTION_DAYS or "
        "RETENTION_FAILED_DAYS)",
    )

    @field_validator("audit_syslog", mode="before")
    @classmethod
    def _split_syslog(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = value.strip()
        # An IPv6 address has its port after a bracket.
        named = "]:" in text if text.startswith("[") else text.count(":") == 1
        return split_name(text if named else f"{text}:{_SYSLOG_PORT}") if text else None

    @model_validator(mode="after")
    def _identify(self) -> Self:
        if (self.audit_syslog_cert is None) != (self.audit_syslog_key is None):
            raise ValueError(
                "AUDIT_SYSLOG_CERT and AUDIT_SYSLOG_KEY belong together: set both, or none"
            )
        return self

    @model_validator(mode="after")
    def _keep(self) -> Self:
        days = (self.retention_days, self.retention_failed_days)
        if self.retention_timer and all(one is None for one in days):
            raise ValueError(
                "RETENTION_TIMER=1 needs RETENTION_DAYS or RETENTION_FAILED_DAYS: set one, for "
                "example RETENTION_DAYS=90"
            )
        return self

    def hosts(self) -> Iterator[tuple[str, str]]:
        """The address for receiving scans, and those that reports are sent to."""
        yield "HUB_HOST", self.hub_host
        for host, _ in self.hub_pacs.values():
            yield "HUB_PACS", host
        yield from super().hosts()

    @field_validator("hub_pacs", mode="before")
    @classmethod
    def _split_pacs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        known: dict[str, Address] = {}
        for item in filter(None, (part.strip() for part in value.split(","))):
            name, equals, address = item.partition("=")
            if not equals:
                raise ValueError(f"{item!r} has no name: write name=host:port")
            if name.strip() in known:
                raise ValueError(f"{name.strip()!r} is listed twice")
            known[name.strip()] = split_address(address)
        return known
