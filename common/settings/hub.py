"""The settings of Fr-HUB."""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    NoDecode,
)

from common.domain.types import Identifier
from common.settings.base import Address, KeepSettings, Port, WireSettings, split_address


class HubSettings(KeepSettings, WireSettings):
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
    hub_connections_each: int = Field(
        default=64, ge=1, le=10_000, description="connections of one Fr-PACS at once, at most"
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
    hub_backlog: int = Field(
        default=100_000, ge=1, description="scans 'To Do' past which no more are taken for now"
    )
    hub_disk_free_mib: int = Field(
        default=1024,
        ge=0,
        description="free disk of MongoDB below which no scans are taken for now, MiB; 0: any",
    )
    scan_limit_mib: int = Field(default=2048, ge=1, description="largest scan taken, MiB")
    scan_timeout_s: float = Field(
        default=1800.0, ge=1, description="longest wait for the rest of a large scan, seconds"
    )
    hub_poll_s: float = Field(
        default=2.0, gt=0, le=60, description="how often to look for reports without a wake-up, s"
    )
    hub_drain_s: float = Field(
        default=8.0, ge=0, description="how long to finish work in hand when stopped, seconds"
    )
    retention_timer: bool = Field(
        default=False, description="Fr-HUB applies retention by itself, each hour"
    )

    @model_validator(mode="after")
    def _keep(self) -> Self:
        if self.retention_timer and self.retention_days is None:
            raise ValueError("RETENTION_TIMER=1 needs RETENTION_DAYS, such as 90")
        return self

    def hosts(self) -> Iterator[tuple[str, str]]:
        """Where scans are received, and where reports go."""
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
                raise ValueError(f"{item!r} should be name=host:port")
            if name.strip() in known:
                raise ValueError(f"{name.strip()!r} is named twice")
            known[name.strip()] = split_address(address)
        return known
