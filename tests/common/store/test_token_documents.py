"""A token is stored as its hash, by which it is found and removed."""

from datetime import timedelta

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.token_documents import hash_token, new_token, remove_tokens, token_id, with_id


def test_a_token_is_found_by_its_id_and_not_by_its_text(store: DBManager) -> None:
    token = new_token()
    assert new_token() != token
    assert len(token_id(token)) == 16
    store.users.add("ada", "default", [Role.READER])
    store.tokens.add("ada", timedelta(hours=1), text=token)
    stored = store.connection.tokens.find_one(with_id(token_id(token)))
    assert stored is not None
    assert stored["_id"] == hash_token(token)
    assert store.connection.tokens.find_one(with_id(token_id(new_token()))) is None


def test_those_that_a_token_made_are_removed_with_it(store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER])
    first = store.tokens.add("ada", timedelta(hours=1))
    second = store.tokens.add("ada", timedelta(hours=1), parent=first)
    other = store.tokens.add("ada", timedelta(hours=1))
    assert remove_tokens(store.connection, [hash_token(first)]) == 1
    assert store.tokens.principal(second) is None
    assert store.tokens.principal(other) is not None
