"""The settings of ``fr users``."""

import pytest

from common.domain.user import Role
from common.errors import SettingsError
from common.settings.loading import load_settings
from common.settings.users import UsersSettings


def load(*arguments: str) -> UsersSettings:
    return load_settings(UsersSettings, "fr users", list(arguments))


def test_roles_are_separated_by_commas_in_any_letter_case() -> None:
    settings = load("--user-add", "ada", "--user-roles", "Reader, admin")
    assert settings.user_roles == {Role.READER, Role.ADMIN}


def test_a_tenant_must_be_known() -> None:
    assert load("--web-tenants", "north=mr-1", "--user-tenant", "north").user_tenant == "north"
    with pytest.raises(SettingsError, match="WEB_TENANTS"):
        load("--user-tenant", "north")
