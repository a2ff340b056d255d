"""Space is reserved by tenant and user; nobody can take what the others need."""

import pytest

from fr_hub.web.uploads.reservations import ENTRIES_EACH, UPLOADS_EACH, NoSpace, Reservations


def taken(space: Reservations, user: str, tenant: str = "a", size: int = 1) -> int:
    """How often a user can take this much."""
    count = 0
    while True:
        try:
            space.take(tenant, user, size, 1)
        except NoSpace:
            return count
        count += 1


def test_whoever_comes_first_leaves_space_for_those_who_come_later() -> None:
    space = Reservations(1000, ["a", "b"])
    assert taken(space, "first", size=100) == 5
    assert taken(space, "second", size=100) == 2
    assert taken(space, "third", size=50) == 1
    assert taken(space, "elsewhere", "b", size=50) >= 1
    space.release("a", "second", 100, 1)
    assert taken(space, "fourth", size=50) >= 1


def test_a_user_has_so_many_uploads_and_files_at_a_time() -> None:
    space = Reservations(10**9, ["a"])
    assert taken(space, "one") == UPLOADS_EACH
    with pytest.raises(NoSpace, match="files"):
        space.take("a", "two", 1, ENTRIES_EACH + 1)
    space.release("a", "one", 1, 1)
    space.take("a", "one", 1, 1)
    assert space.bytes == UPLOADS_EACH


def test_a_tenant_keeps_its_share_from_the_others() -> None:
    space = Reservations(1000, ["a", "b"])
    sizes = [taken(space, f"user-{n}", "a", 10) for n in range(8)]
    assert sum(sizes) * 10 <= 750  # the common half, and its own share
    space.take("b", "late", 100, 1)
