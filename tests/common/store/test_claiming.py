"""Claims where stored documents are damaged or newer, and where the server's clock was wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from common.store.db_manager import DBManager
from common.store.documents import LEASE_MAX_S
from tests.factories import LONG_AGO, document_of, edit, expire, ids_of, inside, make_claimable

GRIDS = frozenset({"grid"})


def undecodable(store: DBManager, key: str) -> None:
    """Put bytes into a string that are not UTF-8, as damage does; MongoDB takes them."""
    document = document_of(store, key)
    document["scan"]["subject"] = "s-1234"
    damaged = bson.encode(document).replace(b"s-1234", b"s-\xff\xfe34")
    inside(store).delete_one({"_id": key})
    inside(store).insert_one(RawBSONDocument(damaged))


def set_wrong(**fields: Any) -> Any:
    return lambda store, key: edit(store, key, **fields)


DAMAGE = {
    "not UTF-8": undecodable,
    "an unknown field": set_wrong(**{"scan.colour": "red"}),
    "an older rule": set_wrong(**{"scan.voxels_hash": "md5"}),
    "no header": set_wrong(scan=None),
    "a header that is no document": set_wrong(scan="round"),
    "no type": set_wrong(**{"scan.scan_type": 3}),
    "fence": set_wrong(fence="first"),
    "attempts": set_wrong(attempts="many"),
    "negative attempts": set_wrong(attempts=-3),
    "infinite attempts": set_wrong(attempts=float("nan")),
    "blob": set_wrong(blob="blob"),
    "turn": set_wrong(turn_at="soon", fence=None),
    "reanalysis": set_wrong(reanalysis="maybe"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_scan_fails_with_its_cause_and_the_others_are_claimed(
    store: DBManager, damage: Any
) -> None:
    first, damaged, last = (scan.key for scan in make_claimable(store, 3))
    damage(store, damaged)
    claims = store.claims.claim("a", 10, 60, types=GRIDS)
    assert ids_of(claims) == [first, last]
    store.supervision.fail_damaged()
    assert state_of_raw(store, damaged) == "Error"
    [(key, cause, _)] = store.queries.errors()
    assert key == damaged
    assert cause.startswith("the stored document is damaged")
    assert store.claims.claim("a", 10, 60, types=GRIDS) == []


@pytest.mark.parametrize("damage", ["not UTF-8", "an unknown field", "fence", "no header"])
def test_a_damaged_scan_whose_claim_expired_fails_too(store: DBManager, damage: str) -> None:
    damaged, good = (scan.key for scan in make_claimable(store, 2))
    store.claims.claim("dead", 2, 60)
    expire(store, damaged, good)
    edit(store, good, lease_until=LONG_AGO + timedelta(days=1))
    DAMAGE[damage](store, damaged)
    found = [store.claims.claim_expired("a", 60) for _ in range(2)]
    assert [ids_of(claims) for claims in found] == [[], [good]]
    assert found[0].more
    assert state_of_raw(store, damaged) == "Error"


@pytest.mark.parametrize("claimed", [False, True])
def test_a_scan_of_a_newer_release_is_left_to_it(store: DBManager, claimed: bool) -> None:
    newer, good = (scan.key for scan in make_claimable(store, 2))
    if claimed:
        store.claims.claim("dead", 2, 60)
        expire(store, newer, good)
    edit(store, newer, schema=3, scan={"all": "new"})
    before = document_of(store, newer)
    assert ids_of(store.claims.claim("a", 10, 60) or store.claims.claim_expired("a", 60)) == [good]
    assert store.claims.claim_expired("a", 60, max_retried=9) == []
    assert store.supervision.fail_damaged() == 0
    assert document_of(store, newer) == before


def test_a_retried_scan_without_a_pause_is_found_again(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.key, attempts=1, not_before="soon")
    assert store.supervision.fail_damaged() == 0
    assert ids_of(store.claims.claim("a", 10, 60)) == [scan.key]


@pytest.mark.parametrize(("ahead_s", "over"), [(7200, True), (-1, False)])
def test_a_lease_taken_while_the_servers_clock_was_ahead_does_not_last_that_long(
    store: DBManager, ahead_s: float, over: bool
) -> None:
    [scan] = make_claimable(store, 1)
    store.claims.claim("a", 1, 60)
    until = datetime.now(UTC) + timedelta(seconds=LEASE_MAX_S + ahead_s)
    edit(store, scan.key, lease_until=until)
    assert bool(store.claims.claim_expired("b", 60)) is over


def test_what_nobody_reads_is_counted_by_type(store: DBManager) -> None:
    make_claimable(store, 3, scan_type="ecg")
    make_claimable(store, 2, pacs="pacs-2", scan_type="ecg")
    make_claimable(store, 1)
    assert store.capacity.count_to_do_by_type(100) == {"ecg": 5, "grid": 1}
    assert store.capacity.count_to_do_by_type(2) == {"ecg": 4, "grid": 1}


def state_of_raw(store: DBManager, key: str) -> str:
    """The state of a scan whose document may be undecodable."""
    found = inside(store).find_one({"_id": key}, {"report_generated": 1})
    assert found is not None
    return str(found["report_generated"])
