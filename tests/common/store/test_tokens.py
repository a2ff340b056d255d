"""Tokens of users: their text is not stored, and they never have more than their user."""

from datetime import timedelta

from common.domain.types import utc_now
from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.token_documents import token_id


def test_a_token_is_its_users_until_it_expires(store: DBManager) -> None:
    assert store.users.add("ada", "default", [Role.READER])
    token = store.tokens.add("ada", timedelta(hours=1))
    principal = store.tokens.principal(token)
    assert principal is not None
    assert (principal.user, principal.roles) == ("ada", frozenset({Role.READER}))
    assert store.tokens.principal(token, utc_now() + timedelta(hours=2)) is None
    assert store.tokens.principal(token + "x") is None


def test_the_text_of_a_token_is_not_stored(store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER])
    token = store.tokens.add("ada", timedelta(hours=1))
    stored = [*store.connection.tokens.find(), *store.connection.users.find()]
    assert token not in str(stored)


def test_a_token_has_fewer_roles_than_its_user_and_never_more(store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER, Role.OPERATOR])
    token = store.tokens.add("ada", timedelta(hours=1), [Role.READER, Role.ADMIN])
    principal = store.tokens.principal(token)
    assert principal is not None
    assert principal.roles == {Role.READER}
    assert store.users.change("ada", roles=[Role.OPERATOR]) is not None
    principal = store.tokens.principal(token)
    assert principal is not None
    assert principal.roles == frozenset()


def test_a_token_is_revoked_by_its_id(store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER])
    token = store.tokens.add("ada", timedelta(hours=1), label="script")
    other = store.tokens.add("ada", timedelta(hours=1))
    found = store.tokens.get(token_id(token))
    assert found is not None
    assert (found.user, found.label, found.roles) == ("ada", "script", None)
    assert store.tokens.get(token_id(token), "default", "ada") == found
    assert store.tokens.get(token_id(token), "north") is None
    assert store.tokens.get(token_id(token), "default", "bob") is None
    assert {one.id for one in store.tokens.of_user("ada")} == {token_id(token), token_id(other)}
    assert store.tokens.remove(token_id(token))
    assert not store.tokens.remove(token_id(token))
    assert store.tokens.principal(token) is None
    assert store.tokens.principal(other) is not None


def test_a_later_user_of_the_same_name_has_no_token_of_the_earlier_one(store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER])
    token = store.tokens.add("ada", timedelta(hours=1))
    kept = store.connection.tokens.find_one({})
    assert kept is not None
    assert store.users.remove("ada")
    assert store.tokens.principal(token) is None
    store.users.add("ada", "default", [Role.ADMIN])
    kept["created_at"] -= timedelta(seconds=1)
    store.connection.tokens.insert_one(kept)  # one that was made while the user was removed
    assert store.tokens.principal(token) is None


def test_the_tokens_that_expired_are_removed(store: DBManager) -> None:
    store.users.add("ada", "default", [])
    store.tokens.add("ada", timedelta(0))
    store.tokens.add("ada", timedelta(hours=1))
    assert len(store.tokens.of_user("ada")) == 1
