"""Users and tokens."""

from datetime import timedelta

from common.domain.types import utc_now
from common.domain.user import Role
from common.store.db_manager import DBManager


def test_a_token_is_its_users_until_it_expires(store: DBManager) -> None:
    assert store.users.add("ada", "default", [Role.READER])
    token = store.users.add_token("ada", timedelta(hours=1))
    principal = store.users.of_token(token)
    assert principal is not None
    assert (principal.user, principal.roles) == ("ada", frozenset({Role.READER}))
    assert store.users.of_token(token, utc_now() + timedelta(hours=2)) is None
    assert store.users.of_token(token + "x") is None


def test_a_name_is_given_once(store: DBManager) -> None:
    assert store.users.add("ada", "default", [Role.READER])
    assert not store.users.add("ada", "north", [Role.ADMIN])


def test_the_text_of_a_token_is_not_stored(store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER])
    token = store.users.add_token("ada", timedelta(hours=1))
    stored = [*store.connection.tokens.find(), *store.connection.users.find()]
    assert token not in str(stored)
