"""A tenant: the Fr-PACS, users, patients and uploads of one organisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from pydantic import AfterValidator

from common.domain.types import DEFAULT_TENANT, Identifier

UPLOADS = "web"
"""The source of the default tenant's uploads."""

UPLOADS_OF_TENANTS = (f"{UPLOADS}-", f"{UPLOADS}.")
"""The sources of the other tenants' uploads are in this range, without its end."""

_ECGS = f"{UPLOADS}-_"


def uploads_source(tenant: str) -> str:
    """The name under which a tenant's uploads are stored, in the place of a Fr-PACS' name."""
    return UPLOADS if tenant == DEFAULT_TENANT else f"{UPLOADS}-{tenant}"


def ecgs_source(tenant: str) -> str:
    """The name under which the ECGs are stored that users of a tenant send to their own accounts.
    No tenant's name begins with an underscore, so no uploads have such a name."""
    return f"{_ECGS}{tenant}"


def is_ecgs_source(name: str) -> bool:
    """Whether this is the name of the ECGs of accounts."""
    return name.startswith(_ECGS)


def is_uploads_source(name: str) -> bool:
    """Whether this is the name of uploads, and not of a Fr-PACS."""
    return name == UPLOADS or name.startswith(f"{UPLOADS}-")


def _check_pacs(name: str) -> str:
    if is_uploads_source(name):
        raise ValueError(
            f"scans that are uploaded to the API have the name {UPLOADS!r} or {UPLOADS}-…: give "
            "the Fr-PACS another one"
        )
    return name


PacsName = Annotated[Identifier, AfterValidator(_check_pacs)]
"""The name of a Fr-PACS, which is none of uploads."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant and the Fr-PACS that it has.

    Args:
        name: of the tenant.
        pacs: its Fr-PACS; None: all that are no other tenant's.
        others: the Fr-PACS of other tenants.
        accounts: whether this stands for the ECGs of its users' accounts, and nothing else.
    """

    name: str
    pacs: frozenset[str] | None
    others: frozenset[str]
    accounts: bool = False

    @property
    def uploads(self) -> str:
        """The source of its uploads."""
        return ecgs_source(self.name) if self.accounts else uploads_source(self.name)

    def of_accounts(self) -> Self:
        """The ECGs of its users' accounts. The tenant itself does not own them: only who knows an
        account finds its ECGs, whose ids begin with it (``Principal.account``)."""
        return replace(self, pacs=frozenset(), others=frozenset(), accounts=True)

    def owns(self, pacs: str) -> bool:
        """Whether scans of this source belong to the tenant."""
        if is_uploads_source(pacs):
            return pacs == self.uploads
        return pacs not in self.others if self.pacs is None else pacs in self.pacs


def tenants_of(pacs_by_tenant: Mapping[str, Sequence[str]]) -> dict[str, Tenant]:
    """All tenants by name. The default one has the Fr-PACS that no other one has.

    Args:
        pacs_by_tenant: the Fr-PACS of each tenant.
    """
    names = {*pacs_by_tenant, DEFAULT_TENANT}
    found: dict[str, Tenant] = {}
    for name in sorted(names):
        others = frozenset(
            pacs for tenant, some in pacs_by_tenant.items() if tenant != name for pacs in some
        )
        own = None if name == DEFAULT_TENANT else frozenset(pacs_by_tenant[name])
        found[name] = Tenant(name, own, others)
    return found
