"""Users as the API shows them: without what is theirs alone."""

from common.domain.types import utc_now
from common.domain.user import Role
from common.store.users import User
from fr_hub.web.user_models import ShownUser


def test_the_hash_of_a_password_is_not_shown() -> None:
    now = utc_now()
    user = User("ada", "default", frozenset({Role.READER, Role.AUDITOR}), "hash", now, now, 3)
    shown = ShownUser.of(user)
    assert (shown.roles, shown.has_password) == ([Role.AUDITOR, Role.READER], True)
    assert "'hash'" not in str(shown.model_dump())
