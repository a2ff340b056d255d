"""Users and tokens."""

from datetime import timedelta

from common.domain.types import utc_now
from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.users import token_id


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


def test_a_token_has_fewer_roles_than_its_user_and_never_more(store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER, Role.OPERATOR])
    token = store.users.add_token("ada", timedelta(hours=1), [Role.READER, Role.ADMIN])
    principal = store.users.of_token(token)
    assert principal is not None
    assert principal.roles == {Role.READER}
    assert store.users.change("ada", roles=[Role.OPERATOR]) is not None
    principal = store.users.of_token(token)
    assert principal is not None
    assert principal.roles == frozenset()


def test_a_token_is_revoked_by_its_id(store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER])
    token = store.users.add_token("ada", timedelta(hours=1), label="script")
    other = store.users.add_token("ada", timedelta(hours=1))
    found = store.users.token(token_id(token))
    assert found is not None
    assert (found.user, found.label, found.roles) == ("ada", "script", None)
    assert store.users.token(token_id(token), "default", "ada") == found
    assert store.users.token(token_id(token), "north") is None
    assert store.users.token(token_id(token), "default", "bob") is None
    assert {one.id for one in store.users.tokens("ada")} == {token_id(token), token_id(other)}
    assert store.users.remove_token(token_id(token))
    assert not store.users.remove_token(token_id(token))
    assert store.users.of_token(token) is None
    assert store.users.of_token(other) is not None


def test_a_later_user_of_the_same_name_has_no_token_of_the_earlier_one(store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER])
    token = store.users.add_token("ada", timedelta(hours=1))
    kept = store.connection.tokens.find_one({})
    assert kept is not None
    assert store.users.remove("ada")
    assert store.users.of_token(token) is None
    store.users.add("ada", "default", [Role.ADMIN])
    kept["created_at"] -= timedelta(seconds=1)
    store.connection.tokens.insert_one(kept)  # one that was made while the user was removed
    assert store.users.of_token(token) is None


def test_users_are_listed_and_changed_in_their_tenant_alone(store: DBManager) -> None:
    for name, tenant in (("ada", "default"), ("bob", "default"), ("eve", "north")):
        store.users.add(name, tenant, [Role.READER], "hash")
    assert [one.name for one in store.users.of_tenant("default", limit=1)] == ["ada"]
    assert [one.name for one in store.users.of_tenant("default", "ada")] == ["bob"]
    assert store.users.get("eve", "default") is None
    assert store.users.change("eve", "default", roles=[Role.ADMIN]) is None
    assert not store.users.remove("eve", "default")
    changed = store.users.change("eve", "north", roles=[Role.ADMIN], revision=1)
    assert changed is not None
    assert (changed.roles, changed.revision) == (frozenset({Role.ADMIN}), 2)
    assert changed.password == "hash"  # noqa: S105 - of nothing
    assert store.users.change("eve", "north", password="new", revision=1) is None  # noqa: S106
    assert store.users.count_with(Role.ADMIN) == 1
    assert store.users.count_with(Role.ADMIN, "default", password=True) == 0


def test_the_tokens_that_expired_are_removed(store: DBManager) -> None:
    store.users.add("ada", "default", [])
    store.users.add_token("ada", timedelta(0))
    store.users.add_token("ada", timedelta(hours=1))
    assert len(store.users.tokens("ada")) == 1
