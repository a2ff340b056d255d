"""The division of a limit among owners."""

import pytest

from fr_hub.shares import Shares


def fill(shares: Shares, owner: str) -> int:
    """Take one after the other until no more fits; how many."""
    count = 0
    while shares.fits(owner):
        shares.take(owner)
        count += 1
    return count


def test_what_one_owner_takes_leaves_the_others_their_shares() -> None:
    shares = Shares(100, ["a", "b"])
    assert fill(shares, "a") == 75  # its own quarter and the common half
    assert fill(shares, "b") == 25
    assert not shares.fits("a")
    assert shares.total_used == 100


def test_a_single_owner_has_all_of_it() -> None:
    assert fill(Shares(100, ["a"]), "a") == 100
    assert fill(Shares(100), "anybody") == 100


def test_an_owner_without_a_share_has_the_common_part() -> None:
    assert fill(Shares(100, ["a", "b"]), "c") == 50


def test_what_is_released_goes_back_where_it_came_from() -> None:
    shares = Shares(8, ["a", "b"])
    fill(shares, "a")
    shares.release("a", 3)
    assert shares.fits("c", 3)
    shares.take("c", 3)
    assert not shares.fits("a", 1)
    shares.release("a", 3)  # all of it from its common part and its share
    assert shares.used("a") == 0
    assert fill(shares, "a") == 3


@pytest.mark.parametrize(("limit", "share"), [(10, 1), (3, 1), (2, 0)])
def test_everybody_gets_something_where_the_limit_suffices(limit: int, share: int) -> None:
    shares = Shares(limit, ["a", "b", "c"])
    assert shares.share("a") == share
    assert shares.most("a") == limit - 2 * share


def test_what_does_not_fit_is_counted_all_the_same() -> None:
    shares = Shares(4, ["a", "b"])
    shares.take("a", 10)
    assert not shares.fits("a")
    assert shares.fits("b")
    assert shares.fits_share("b")
    shares.release("a", 8)
    assert shares.fits("a")
