"""Users of the API: their roles, and what each role may do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, Field

UserName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
"""1 to 64 letters, digits, dots, underscores, hyphens and @."""

ADMIN_TOKEN_USER = "x-admin-token"  # noqa: S105
"""The name in the audit trail of who uses the token in ADMIN_TOKEN_FILE; no user has it."""


def _not_reserved(name: str) -> str:
    if name.casefold() == ADMIN_TOKEN_USER:
        raise ValueError(f"the name '{ADMIN_TOKEN_USER}' is reserved; choose another name")
    return name


NewUserName = Annotated[UserName, AfterValidator(_not_reserved)]
"""The name of a user to add: any but the reserved one."""


class Right(StrEnum):
    """What a user may do."""

    READ = "read"  # scans, their voxels and reports, without personal data
    PERSONAL = "personal"  # patients and measurements
    UPLOAD = "upload"  # send scans
    ECGS = "ecgs"  # send ECGs to one's own account and read these, but no others
    OPERATE = "operate"  # requeue, reanalyse, erase, change the priority
    AUDIT = "audit"  # read the audit trail
    ADMIN = "admin"  # users and tokens


class Role(StrEnum):
    """Roles of users."""

    # Stored: never change a value.
    SUBMITTER = "submitter"
    READER = "reader"
    CLINICIAN = "clinician"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"
    # For a moment when nobody who may is there: see ``fr_hub.web.emergency``.
    EMERGENCY = "emergency"


RIGHTS: Mapping[Role, frozenset[Right]] = MappingProxyType(
    {
        Role.SUBMITTER: frozenset({Right.ECGS}),
        Role.READER: frozenset({Right.READ}),
        Role.CLINICIAN: frozenset({Right.READ, Right.PERSONAL, Right.UPLOAD, Right.ECGS}),
        Role.OPERATOR: frozenset({Right.READ, Right.UPLOAD, Right.OPERATE}),
        Role.AUDITOR: frozenset({Right.AUDIT}),
        # Who makes users sees no ECG, unless they have another role, too.
        Role.ADMIN: frozenset(Right) - {Right.ECGS},
        Role.EMERGENCY: frozenset({Right.READ, Right.PERSONAL, Right.UPLOAD}),
    }
)
"""The rights of each role."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request, and what they may do.

    Args:
        user: name of the user.
        tenant: the tenant that the user belongs to.
        roles: the user's roles; a token may have fewer.
        account: stands for the user in the ids of their own ECGs (``common.domain.account``); empty
            if there is no such user.
        withheld: rights that a token does not give, whatever its roles.
    """

    user: str
    tenant: str
    roles: frozenset[Role]
    account: str = ""
    withheld: frozenset[Right] = frozenset()

    @property
    def rights(self) -> frozenset[Right]:
        """The rights of all roles together, less those withheld."""
        return rights_of(self.roles) - self.withheld


def rights_of(roles: Iterable[Role]) -> frozenset[Right]:
    """The rights that these roles give together."""
    return frozenset(right for role in roles for right in RIGHTS[role])
