"""The chains that may have entries which no anchor names."""

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.open_chains import OpenChain, OpenChains
from tests.factories import LONG_AGO, inside


def test_new_chains_come_first_and_then_those_not_looked_at_for_longest(store: DBManager) -> None:
    chains = OpenChains(store.connection)
    for writer in ("a", "b", "me"):
        chains.announce(writer)
    chains.checked([("b", 3)])
    inside(store, Collection.AUDIT_OPEN).update_one(
        {"_id": "b"}, {"$set": {"checked_at": LONG_AGO}}
    )
    chains.checked([("a", 2)])
    chains.announce("new")
    assert chains.others("me", 10) == [
        OpenChain("new", -1, stale=False),
        OpenChain("b", 3, stale=False),
        OpenChain("a", 2, stale=False),
    ]
    chains.checked([("b", 1)])  # a slower anchor changes nothing
    assert OpenChain("b", 3, stale=False) in chains.others("me", 10)


def test_a_chain_announced_again_is_not_forgotten_as_stale(store: DBManager) -> None:
    chains = OpenChains(store.connection)
    for writer in ("stale", "again", "ended"):
        chains.announce(writer)
    inside(store, Collection.AUDIT_OPEN).update_many({}, {"$set": {"announced_at": LONG_AGO}})
    assert all(chain.stale for chain in chains.others("me", 10))
    chains.announce("again")
    chains.forget(["ended"], ["stale", "again"])
    assert [chain.writer for chain in chains.others("me", 10)] == ["again"]
