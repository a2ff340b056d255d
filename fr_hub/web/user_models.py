"""Users, as the API shows and takes them."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from common.domain.user import Role
from common.store.users import User
from fr_hub.web.models import Answer, Body, ListAnswer
from fr_hub.web.passwords import NewPassword

Roles = Annotated[frozenset[Role], Field(min_length=1, max_length=len(Role))]


class ShownUser(Answer):
    """A user."""

    name: str
    tenant: str
    roles: list[Role]
    has_password: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> "ShownUser":
        """A stored user."""
        return cls(
            name=user.name,
            tenant=user.tenant,
            roles=sorted(user.roles),
            has_password=user.password is not None,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )


class UserPage(ListAnswer):
    """A page of users, in order of their names."""

    items: list[ShownUser]


class UserChange(Body):
    """Fields of a user to change."""

    roles: Roles | None = None
    password: NewPassword | None = None
