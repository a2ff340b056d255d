"""Sessions end on the server: by sign-out, by idleness, by time, and with their user."""

from datetime import timedelta

from common.domain.types import utc_now
from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.users import User

IDLE, DAY = timedelta(minutes=15), timedelta(hours=12)


def begun(store: DBManager, user: str = "ada") -> str:
    store.users.add(user, "default", [Role.READER])
    return store.sessions.begin(known(store, user), DAY)


def known(store: DBManager, name: str = "ada") -> User:
    user = store.users.get(name)
    assert user is not None
    return user


def test_a_session_is_its_users_until_it_is_ended(store: DBManager) -> None:
    token = begun(store)
    session = store.sessions.of(token, IDLE)
    assert session is not None
    assert session.user.name == "ada"
    assert store.sessions.end(token)
    assert store.sessions.of(token, IDLE) is None
    assert not store.sessions.end(token)
    assert token not in str([*store.connection.sessions.find()])


def test_a_session_that_is_not_used_ends_and_one_that_is_used_goes_on(store: DBManager) -> None:
    token, began = begun(store), utc_now()
    late = began + timedelta(minutes=14)
    assert store.sessions.of(token, IDLE, late, use=False) is not None
    assert store.sessions.of(token, IDLE, began + IDLE + timedelta(seconds=1)) is None
    assert store.sessions.of(token, IDLE, late) is not None
    assert store.sessions.of(token, IDLE, late + timedelta(minutes=14)) is not None


def test_a_session_ends_however_it_is_used(store: DBManager) -> None:
    token, began = begun(store), utc_now()
    for minutes in range(10, 12 * 60, 10):
        assert store.sessions.of(token, IDLE, began + timedelta(minutes=minutes)) is not None
    assert store.sessions.of(token, IDLE, began + DAY + timedelta(seconds=1)) is None


def test_the_sessions_of_a_user_end_with_the_user(store: DBManager) -> None:
    first, second, other = begun(store), begun(store), begun(store, "bob")
    assert store.sessions.end_of("ada", but=second) == 1
    assert store.sessions.of(first, IDLE) is None
    assert store.sessions.of(second, IDLE) is not None
    assert store.users.remove("ada")
    assert store.sessions.of(second, IDLE) is None
    assert store.sessions.of(other, IDLE) is not None
    store.users.add("ada", "default", [Role.ADMIN])
    assert store.sessions.of(second, IDLE) is None
    assert not store.users.remove("nobody")


def test_what_expired_is_removed_when_another_session_begins(store: DBManager) -> None:
    store.users.add("ada", "default", [])
    store.sessions.begin(known(store), timedelta(0))
    store.sessions.begin(known(store), DAY)
    assert store.connection.sessions.count_documents({}) == 1


def test_a_session_ends_with_the_password_also_one_that_begins_with_the_old_one(
    store: DBManager,
) -> None:
    early, before = begun(store), known(store)
    after = store.users.change("ada", password="new")  # noqa: S106 - of nothing
    assert after is not None
    late = store.sessions.begin(before, DAY)
    assert store.sessions.of(early, IDLE) is None, "although nobody called end_of"
    assert store.sessions.of(late, IDLE) is None
    own = store.sessions.begin(after, DAY)
    assert store.users.change("ada", roles=[Role.AUDITOR]) is not None
    assert store.sessions.of(own, IDLE) is not None, "roles end no session"
    store.sessions.keep(early, after)
    assert store.sessions.of(early, IDLE) is not None


def test_a_session_of_an_earlier_user_is_not_one_of_a_later_user_of_the_name(
    store: DBManager,
) -> None:
    begun(store)
    before = known(store)
    assert store.users.remove("ada")
    assert store.users.add("ada", "default", [Role.ADMIN])
    assert store.sessions.of(store.sessions.begin(before, DAY), IDLE) is None


def test_sessions_of_earlier_releases_go_on_until_the_password_changes(store: DBManager) -> None:
    token = begun(store)
    fields = {"account": "", "password_revision": ""}
    store.connection.sessions.update_one({}, {"$unset": fields})
    assert store.sessions.of(token, IDLE) is not None
    store.users.change("ada", password="new")  # noqa: S106 - of nothing
    assert store.sessions.of(token, IDLE) is None
