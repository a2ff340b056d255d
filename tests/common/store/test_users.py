"""Users."""

from common.domain.user import Role
from common.store.db_manager import DBManager


def test_a_name_is_given_once(store: DBManager) -> None:
    assert store.users.add("ada", "default", [Role.READER])
    assert not store.users.add("ada", "north", [Role.ADMIN])


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
