"""The settings of ``fr users``."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from common.domain.types import DEFAULT_TENANT, Identifier
from common.domain.user import NewUserName, Role, UserName
from common.settings.web import TenantSettings


class UsersSettings(TenantSettings):
    """Lists the users of the API, or changes one: set USER_ADD, USER_RESET or USER_REMOVE."""

    user_add: NewUserName | None = Field(default=None, description="name of a user to add")
    user_reset: UserName | None = Field(
        default=None, description="name of a user to give a new password; their sessions end"
    )
    user_remove: UserName | None = Field(default=None, description="name of a user to remove")
    user_roles: Annotated[frozenset[Role], NoDecode] = Field(
        default=frozenset(),
        description="roles of the user, separated by commas: submitter, reader, clinician, "
        "operator, auditor, admin, emergency",
    )
    user_tenant: Identifier = Field(
        default=DEFAULT_TENANT, description="tenant of the user to add, or whose users to list"
    )
    user_password_file: Path | None = Field(
        default=None,
        description="file to read the user's password from; if unset, the command asks for it",
    )

    @field_validator("user_roles", mode="before")
    @classmethod
    def _split_roles(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return frozenset(filter(None, (part.strip().lower() for part in value.split(","))))

    @model_validator(mode="after")
    def _known_tenant(self) -> Self:
        if self.user_tenant not in self.tenants:
            raise ValueError(f"USER_TENANT={self.user_tenant!r} is not in WEB_TENANTS")
        return self
