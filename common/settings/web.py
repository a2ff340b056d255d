"""The settings of the API and its page."""

import ipaddress
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from common.domain.tenant import PacsName, Tenant, ecgs_source, tenants_of
from common.domain.types import Identifier
from common.settings.base import IntakeSettings, Port, StoreSettings
from common.settings.hosts import Host, is_loopback
from common.settings.private_files import read_private

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[1-9][0-9]{0,4})?")
_HOST_NAME = re.compile(r"(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")

_NAME_MAX = 64
"""Of an ``Identifier``, which the sources of a tenant's uploads are."""


class TenantSettings(StoreSettings):
    """The tenants."""

    web_tenants: Annotated[dict[Identifier, tuple[PacsName, ...]], NoDecode] = Field(
        default={},
        description="tenants and their Fr-PACS as name=pacs-1+pacs-2,…; everything that is in no "
        "tenant belongs to the tenant 'default'",
    )

    @field_validator("web_tenants", mode="before")
    @classmethod
    def _split_tenants(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found: dict[str, tuple[str, ...]] = {}
        for item in filter(None, (part.strip() for part in value.split(","))):
            name, equals, pacs = item.partition("=")
            if not equals:
                raise ValueError(f"{item!r} has no Fr-PACS: write name=pacs-1+pacs-2")
            found[name.strip()] = tuple(one.strip() for one in pacs.split("+"))
        return found

    @model_validator(mode="after")
    def _check_tenants(self) -> Self:
        long = [name for name in self.web_tenants if len(ecgs_source(name)) > _NAME_MAX]
        if long:
            raise ValueError(f"WEB_TENANTS: {long[0]!r} is too long; use 59 characters or fewer")
        named = [pacs for some in self.web_tenants.values() for pacs in some]
        twice = {pacs for pacs in named if named.count(pacs) > 1}
        if twice:
            raise ValueError(f"WEB_TENANTS: {min(twice)!r} is in two tenants; name it once")
        return self

    @property
    def tenants(self) -> dict[str, Tenant]:
        """The tenants by name."""
        return tenants_of(self.web_tenants)


class WebSettings(TenantSettings, IntakeSettings):
    """Runs the API and its page."""

    web_host: Host = Field(
        default="127.0.0.1", description="address that the API and the page listen on"
    )
    web_port: Port = Field(default=7300, description="port of the API and the page")
    web_tls_cert: Path | None = Field(
        default=None,
        description="certificate of the API (PEM); required on any address other than loopback",
    )
    web_tls_key: Path | None = Field(default=None, description="private key of WEB_TLS_CERT (PEM)")
    web_upload_limit_mib: int = Field(
        default=4096,
        ge=1,
        description="largest upload that the API accepts, all of its files together, MiB",
    )
    web_uploads_mib: int = Field(
        default=65536,
        ge=1,
        description="disk space in DATA_DIR for uploads under way, MiB; each tenant has a "
        "guaranteed share of it, and no user gets more than half of what is free",
    )
    web_upload_hours: float = Field(
        default=24.0,
        gt=0,
        le=24 * 7,
        description="hours after which an upload that was not finished is deleted",
    )
    web_idle_minutes: float = Field(
        default=15,
        gt=0,
        le=15,
        description="time without use after which a session of the page ends, minutes",
    )
    web_session_hours: float = Field(
        default=12,
        gt=0,
        le=12,
        description="time after which a session of the page ends in any case, hours",
    )
    web_token_days: float = Field(
        default=365, gt=0, le=3650, description="longest lifetime of an API token, days"
    )
    web_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="addresses or networks of the reverse proxies in front of the API, separated "
        "by commas; the API accepts Forwarded, X-Forwarded-For and X-Forwarded-Proto only from "
        "these",
    )
    web_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="names under which the API and the page are reached, such as the name of a "
        "reverse proxy (fr.example.org, or *.example.org), separated by commas; addresses, "
        "localhost, this machine's name and the names in WEB_TLS_CERT need not be listed",
    )
    web_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="origins of other pages that may call the API with tokens (CORS), such as "
        "https://viewer.example, separated by commas; if unset, none",
    )
    admin_token_file: Path | None = Field(
        default=None,
        description="file with a token, at least 32 characters, with which a program may register "
        "users (header x-admin-token); if unset, only administrators may",
    )
    metrics_token_file: Path | None = Field(
        default=None,
        description="file with the token that /metrics requires; if unset, /metrics answers only "
        "clients on this host",
    )

    @field_validator("web_proxies", "web_hosts", "web_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (part.strip() for part in value.split(","))))

    @field_validator("web_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                network = ipaddress.ip_network(one)
            except ValueError:
                raise ValueError(
                    f"{one!r} is neither an address nor a network: write 192.0.2.1 or 192.0.2.0/24"
                ) from None
            if network.prefixlen == 0:
                raise ValueError(f"{one!r} covers every address: name only the proxies")
        return value

    @field_validator("web_hosts")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(one.lower().removesuffix(".") for one in value)
        for one in names:
            if not _HOST_NAME.fullmatch(one):
                raise ValueError(
                    f"{one!r} is not a host name: write it without scheme and port, such as "
                    "fr.example.org"
                )
        return names

    @field_validator("web_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not _ORIGIN.fullmatch(one):
                raise ValueError(
                    f"{one!r} is not an origin: write scheme and host, and the port if there is "
                    "one, such as https://viewer.example"
                )
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.web_tls_cert is None) != (self.web_tls_key is None):
            raise ValueError("TLS of the API needs WEB_TLS_CERT and WEB_TLS_KEY: set both, or none")
        if self.web_tls_cert is None and not is_loopback(self.web_host):
            raise ValueError(
                f"WEB_HOST={self.web_host!r} is not a loopback address, and without TLS anyone on "
                "the network can read the traffic: set WEB_TLS_CERT and WEB_TLS_KEY"
            )
        _ = self.metrics_token  # refused when the process starts
        return self

    @cached_property
    def metrics_token(self) -> str | None:
        """The token that /metrics asks for.

        Raises:
            ValueError: its file cannot be read, or others may read it.
        """
        if self.metrics_token_file is None:
            return None
        return read_private(self.metrics_token_file, "METRICS_TOKEN_FILE")
