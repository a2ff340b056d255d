"""Claims where stored documents are damaged or newer, and where the server's clock was wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from common.domain.audit_events import Kind
from common.domain.scan import BrainScan
from common.store.db_manager import DBManager
from common.store.documents import LEASE_MAX_S
from common.store.schema import SCHEMA_VERSION
from tests.common.store.damage_kinds import KINDS, damage_each, states
from tests.factories import (
    LONG_AGO,
    document_of,
    edit,
    expire,
    ids_of,
    inside,
    make_claimable,
    make_report,
    state_of,
)
from tests.recorders import Recording

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
    edit(store, newer, schema=SCHEMA_VERSION + 1, scan={"all": "new"})
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


HEADER = tuple(f"scan.{name}" for name in BrainScan.model_fields)
FIELDS = (
    *("_id", "schema", "reanalysis", "received_at", "turn_at", "not_before", "fence", "attempts"),
    *("owner", "lease_until", "claimed_at", "voxels", "blob", "packing", "revision", "error"),
    *("error.cause", "notice", "reanalysis_error", "scan", *HEADER),
)
HEALTHY = 3


def make_damaged(store: DBManager, kind: str, *, before: Any = None) -> set[str]:
    """A scan for each field in which that field is damaged, among healthy ones, whose keys are
    returned. ``before`` is called with all keys before the damage."""
    keys = [scan.key for scan in make_claimable(store, len(FIELDS) + HEALTHY)]
    if before is not None:
        before(keys)
    damage_each(store, keys[1 : 1 + len(FIELDS)], FIELDS, kind)
    return {keys[0], *keys[1 + len(FIELDS) :]}


def work(store: DBManager, limit: int) -> None:
    """Claim and complete what can be claimed."""
    for _ in range(3 * len(FIELDS)):
        options: Any = {"types": GRIDS, "max_retried": limit, "attempts_allowed": 3}
        expired = store.claims.claim_expired("a", 60, **options)
        claims = expired or store.claims.claim("a", limit, 60, **options)
        if not (claims or claims.more or claims.failed or expired.failed):
            return
        done = [(claim, make_report(claim.scan, revision=claim.revision)) for claim in claims]
        assert store.claims.complete(done) == set()
    raise AssertionError("there is no end of it")


def finished(store: DBManager, healthy: set[str], kind: str) -> None:
    """Nothing is left, and what is healthy has its report."""
    work(store, 4)
    assert {state_of(store, key) for key in healthy} == {"Done"}
    store.supervision.fail_damaged()
    work(store, 4)
    left = [state for state in states(store) if state not in ("Done", "Error")]
    # The schema of a newer release, and a type that nobody reads here.
    assert len(left) == (kind in ("a large number", "infinite", "a decimal", "text"))


@pytest.mark.sample(5)
@pytest.mark.parametrize("kind", KINDS)
def test_waiting_scans_beside_damage_of_any_kind_are_finished(store: DBManager, kind: str) -> None:
    finished(store, make_damaged(store, kind), kind)


@pytest.mark.sample(5)
@pytest.mark.parametrize("kind", KINDS)
def test_retried_scans_beside_damage_of_any_kind_are_finished(store: DBManager, kind: str) -> None:
    def before(_: list[str]) -> None:
        inside(store).update_many({}, {"$set": {"attempts": 1, "owner": "old"}})

    finished(store, make_damaged(store, kind, before=before), kind)


@pytest.mark.sample(5)
@pytest.mark.parametrize("kind", KINDS)
def test_expired_claims_beside_damage_of_any_kind_are_finished(store: DBManager, kind: str) -> None:
    def before(keys: list[str]) -> None:
        assert len(store.claims.claim("dead", len(keys), 60)) == len(keys)
        inside(store).update_many({}, {"$set": {"lease_until": LONG_AGO}})

    finished(store, make_damaged(store, kind, before=before), kind)


@pytest.mark.sample(9)
@pytest.mark.parametrize("how", ["stopped", "died", "used up"])
@pytest.mark.parametrize("kind", KINDS)
def test_claims_beside_damage_of_any_kind_are_released(
    store: DBManager, kind: str, how: str
) -> None:
    def before(keys: list[str]) -> None:
        assert len(store.claims.claim("gone", len(keys), 60)) == len(keys)
        if how == "used up":
            inside(store).update_many({}, {"$set": {"attempts": 3}})

    healthy = make_damaged(store, kind, before=before)
    if how == "stopped":
        store.claims.release("gone")
    else:
        store.claims.release_dead("gone", 3, pause_s=0.0)
    expected = "Error" if how == "used up" else "To Do"
    assert {state_of(store, key) for key in healthy} == {expected}


def test_a_claim_that_expired_long_ago_waits_again_if_nobody_claims_it(store: DBManager) -> None:
    [unread] = make_claimable(store, 1, scan_type="ecg")
    store.claims.claim("dead", 1, 60)
    store.supervision.fail_damaged()
    assert state_of(store, unread.key) == "In Progress"
    edit(store, unread.key, lease_until=datetime.now(UTC) - timedelta(seconds=LEASE_MAX_S - 20))
    store.supervision.fail_damaged()
    assert state_of(store, unread.key) == "In Progress"
    edit(store, unread.key, lease_until=datetime.now(UTC) - timedelta(seconds=LEASE_MAX_S + 20))
    store.supervision.fail_damaged()
    assert store.capacity.count_to_do_by_type(9) == {"ecg": 1}
    assert document_of(store, unread.key)["attempts"] == 1


@pytest.mark.parametrize("schema", [None, "two", datetime(2026, 1, 1, tzinfo=UTC), 1])
def test_a_scan_without_a_schema_is_claimed(store: DBManager, schema: Any) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.key, schema=schema)
    assert store.supervision.fail_damaged() == 0
    assert ids_of(store.claims.claim("a", 1, 60)) == [scan.key]


def test_a_pause_that_began_while_the_servers_clock_was_ahead_is_over(store: DBManager) -> None:
    ahead, paused = make_claimable(store, 2)
    now = datetime.now(UTC)
    edit(store, ahead.key, attempts=1, not_before=now + timedelta(hours=48))
    edit(store, paused.key, attempts=1, not_before=now + timedelta(minutes=2))
    store.supervision.fail_damaged(pause_s=1.0)
    assert ids_of(store.claims.claim("a", 9, 60, max_retried=9)) == [ahead.key]


# --- a scan that a notification named -------------------------------------------------------------


def test_a_named_scan_is_claimed_as_a_search_would_claim_it(store: DBManager) -> None:
    first, second = make_claimable(store, 2)
    [claim] = store.claims.claim_named("a", second.key, 60, types=GRIDS, analyzers=["grid 1"])
    [other] = store.claims.claim("b", 10, 60)
    assert (claim.scan, claim.owner, claim.fence, claim.attempts) == (second, "a", 1, 1)
    assert (other.scan, other.fence) == (first, 1)
    assert claim.voxels is not None
    assert store.claims.complete([(claim, make_report(claim.scan))]) == set()
    assert state_of(store, second.key) == "Done"


def test_a_named_scan_is_claimed_once(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    assert store.claims.claim_named("a", scan.key, 60)
    again = store.claims.claim_named("b", scan.key, 60)
    assert (again, again.more) == ([], True)
    assert document_of(store, scan.key)["owner"] == "a"


def test_a_claim_of_a_named_scan_is_recorded(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    recording = Recording()
    store.recorded_by(recording).claims.claim_named("a", scan.key, 60)
    assert recording.ids(Kind.CLAIM) == [scan.key]


OTHERWISE: dict[str, dict[str, Any]] = {
    "claimed before": {"attempts": 1},
    "erased": {"report_generated": "Erased"},
    "of a newer release": {"schema": SCHEMA_VERSION + 1},
    "of another type": {"scan.scan_type": "volume"},
    "for another analyzer": {"analyzer_chosen": "grid 2"},
    "with a damaged fence": {"fence": "first"},
}


@pytest.mark.parametrize("fields", OTHERWISE.values(), ids=OTHERWISE)
def test_a_named_scan_that_may_not_be_claimed_is_left_as_it_is(
    store: DBManager, fields: dict[str, Any]
) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.key, **fields)
    before = document_of(store, scan.key)
    found = store.claims.claim_named("a", scan.key, 60, types=GRIDS, analyzers=["grid 1"])
    assert (found, found.more) == ([], True)
    assert document_of(store, scan.key) == before


@pytest.mark.parametrize("damage", ["not UTF-8", "an unknown field", "an older rule", "blob"])
def test_a_named_scan_that_is_damaged_fails(store: DBManager, damage: str) -> None:
    [scan] = make_claimable(store, 1)
    DAMAGE[damage](store, scan.key)
    found = store.claims.claim_named("a", scan.key, 60, types=GRIDS)
    assert (found, found.more, found.failed) == ([], True, 1)
    assert state_of_raw(store, scan.key) == "Error"
