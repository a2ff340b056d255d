"""Which scans come next: fairly between Fr-PACS, urgent ones first, retried ones behind."""

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import InsertOne

from common.store import claim_queue
from common.store.claim_queue import RETRIED_EVERY, ClaimQueue
from common.store.db_manager import DBManager
from common.store.documents import NewScan, scan_document
from tests.factories import edit, ids_of, inside, make_claimable, make_scan
from tests.profiling import examined

NOW = datetime(2026, 11, 28, tzinfo=UTC)
GRIDS = frozenset({"grid"})


def senders_of(store: DBManager, limit: int, claims: int = 1) -> list[list[str]]:
    """Which Fr-PACS the scans of some claims are of."""
    return [
        [claim.scan.pacs for claim in store.claims.claim("a", limit, 60)] for _ in range(claims)
    ]


def test_beside_a_flood_at_most_one_batch_comes_before_a_scan_of_another(
    store: DBManager,
) -> None:
    make_claimable(store, 60, pacs="flood")
    make_claimable(store, 3, pacs="quiet-1")
    make_claimable(store, 2, pacs="quiet-2")
    batches = senders_of(store, 5, 3)
    # Each lane has its turn within three claims; a short batch is filled up from the next lanes.
    assert [len(batch) for batch in batches] == [5, 5, 5]
    claimed = [sender for batch in batches for sender in batch]
    assert (claimed.count("quiet-1"), claimed.count("quiet-2")) == (3, 2)
    floods = [batch == ["flood"] * 5 for batch in batches]
    assert floods[:2] != [True, True]


def test_a_scan_that_arrives_in_a_flood_waits_for_one_batch_of_each_claimer(
    store: DBManager,
) -> None:
    make_claimable(store, 100, pacs="flood")
    claimers = [DBManager(store.connection.uri, store.connection.name) for _ in range(3)]
    try:
        for claimer in claimers:
            assert len(claimer.claims.claim("a", 5, 60)) == 5
        make_claimable(store, 1, pacs="quiet")
        for claimer in claimers:
            claimer.claims._queue._look_up_at = 0.0  # a second passes
        claimed = [claimer.claims.claim("a", 5, 60) for claimer in claimers for _ in range(2)]
        assert "quiet" in {claim.scan.pacs for claims in claimed for claim in claims}
    finally:
        for claimer in claimers:
            claimer.close()


def test_a_stat_scan_is_claimed_next_whatever_waits(store: DBManager) -> None:
    make_claimable(store, 50, pacs="flood")
    assert senders_of(store, 5) == [["flood"] * 5]
    # It is the newest of all, and of a Fr-PACS that is not known to wait.
    stat, voxels = make_scan(pacs="new", priority="stat")
    store.scans.add([NewScan(stat, voxels)])
    assert ids_of(store.claims.claim("a", 5, 60))[0] == stat.key


def test_the_types_of_a_fr_pacs_share_its_turn(store: DBManager) -> None:
    types = ("ecg", "grid", "volume", "xray")
    for kind in types:
        make_claimable(store, 20, pacs="flood", scan_type=kind)
    make_claimable(store, 1, pacs="quiet")
    batches = []
    for _ in range(8):  # whoever it begins with
        with closing(DBManager(store.connection.uri, store.connection.name)) as claimer:
            for _ in range(2):
                batches.append(claimer.claims.claim("a", 5, 60, types=types))
                if any(claim.scan.pacs == "quiet" for claim in batches[-1]):
                    break
            else:
                raise AssertionError("two batches overtook it")
            claimer.claims.release("a")


def test_beside_a_flood_of_stat_scans_every_second_claim_goes_to_the_others(
    store: DBManager,
) -> None:
    make_claimable(store, 120, pacs="flood", priority="stat")
    make_claimable(store, 12, pacs="other")
    [retried] = make_claimable(store, 1, pacs="third")
    edit(store, retried.key, attempts=1)
    batches = senders_of(store, 4, 2 * RETRIED_EVERY + 2)
    of_others = [n for n, batch in enumerate(batches) if "other" in batch]
    assert of_others[:3] == [0, 2, 4] or of_others[:3] == [1, 3, 5]
    assert ["third"] in batches
    assert all(batch == ["flood"] * 4 for batch in batches[1 - of_others[0] : 6 : 2])


def test_stat_scans_take_turns_by_fr_pacs(store: DBManager) -> None:
    make_claimable(store, 40, pacs="flood", priority="stat")
    for pacs in ("many-1", "many-2", "many-3"):
        make_claimable(store, 20, pacs=pacs)
    [urgent] = make_claimable(store, 1, pacs="quiet", priority="stat")
    edit(store, urgent.key, turn_at=NOW)  # the last one
    claims = [store.claims.claim("a", 4, 60, types=GRIDS) for _ in range(3)]
    assert urgent.key in [key for claimed in claims for key in ids_of(claimed)]


@pytest.mark.parametrize("count", [1, 3])
def test_a_few_stat_scans_keep_no_other_waiting_nor_wait(store: DBManager, count: int) -> None:
    make_claimable(store, 60, pacs="flood")
    store.claims.claim("a", 8, 60)
    for _ in range(3):
        stat = {scan.key for scan in make_claimable(store, count, pacs="new", priority="stat")}
        claimed = ids_of(store.claims.claim("a", 8, 60))
        assert set(claimed[:count]) == stat
        assert len(claimed) == 8


HERE, THERE = "host-1-77-1-a0", "host-2-78-1-b0"


def last_attempt(store: DBManager, owner: str, waited_s: float) -> str:
    """A scan that failed twice on the host of this owner, and was due some seconds ago."""
    [scan] = make_claimable(store, 1)
    due = datetime.now(UTC) - timedelta(seconds=waited_s)
    edit(store, scan.key, attempts=2, owner=owner, not_before=due)
    return scan.key


def claimed_by(store: DBManager, owner: str, **options: Any) -> list[str]:
    claims = store.claims.claim(
        owner, 9, 60, max_retried=9, attempts_allowed=3, **{"others_first_s": 30.0, **options}
    )
    return ids_of(claims)


def test_the_last_attempt_is_left_to_another_host_for_a_while(store: DBManager) -> None:
    key = last_attempt(store, HERE, 1)
    assert claimed_by(store, HERE) == []
    assert claimed_by(store, "host-1-9-9-c0") == []  # the same host
    assert claimed_by(store, THERE) == [key]


def test_a_scan_that_no_other_host_claims_gets_its_last_attempt(store: DBManager) -> None:
    key = last_attempt(store, HERE, 31)
    assert claimed_by(store, HERE) == [key]


def test_a_scan_that_is_left_to_others_keeps_none_behind_it_waiting(store: DBManager) -> None:
    last_attempt(store, HERE, 2)
    there = last_attempt(store, THERE, 1)
    [earlier] = make_claimable(store, 1)
    edit(store, earlier.key, attempts=1, owner=HERE, not_before=datetime.now(UTC))
    assert claimed_by(store, HERE) == [there]
    assert claimed_by(store, HERE) == [earlier.key]
    assert claimed_by(store, HERE) == []


@pytest.mark.parametrize("owner", ["host-10-77-1-a0", "host-1", "", 3, None])
def test_what_failed_anywhere_else_is_claimed(store: DBManager, owner: Any) -> None:
    key = last_attempt(store, owner, 1)
    assert claimed_by(store, HERE) == [key]


def test_with_no_pause_nothing_is_left_to_others(store: DBManager) -> None:
    key = last_attempt(store, HERE, 1)
    assert claimed_by(store, HERE, others_first_s=0.0) == [key]


def test_while_few_scans_wait_a_stat_scan_comes_first_too(store: DBManager) -> None:
    make_claimable(store, 3)
    stat, voxels = make_scan(priority="stat")
    store.scans.add([NewScan(stat, voxels)])
    edit(store, stat.key, turn_at=NOW - timedelta(days=400_000))
    assert ids_of(store.claims.claim("a", 9, 60))[0] == stat.key


def test_in_a_lane_age_and_priority_decide_together(store: DBManager) -> None:
    ages = {
        "urgent": timedelta(0),
        "routine": timedelta(minutes=59),
        "background": timedelta(hours=24, minutes=58),
    }
    keys = {}
    for priority, age in ages.items():
        scan, voxels = make_scan(priority=priority)
        inside(store).insert_one(scan_document(NewScan(scan, voxels), NOW - age))
        keys[priority] = scan.key
    old, voxels = make_scan()
    inside(store).insert_one(scan_document(NewScan(old, voxels), NOW - timedelta(hours=2)))
    order = [ids_of(store.claims.claim("a", 1, 60))[0] for _ in range(4)]
    assert order == [old.key, keys["urgent"], keys["routine"], keys["background"]]


def test_a_reanalysis_comes_after_scans_that_wait(store: DBManager) -> None:
    scans = make_claimable(store, 4)
    again = [scan.key for scan in scans[:2]]
    for key in again:
        edit(store, key, report_generated="Done")
    store.revisions.schedule_reanalysis(again, 1)
    order = [ids_of(store.claims.claim("a", 1, 60))[0] for _ in range(4)]
    assert order[:2] == [scan.key for scan in scans[2:]]
    assert sorted(order[2:]) == sorted(again)


def test_scans_of_other_types_are_left(store: DBManager) -> None:
    make_claimable(store, 3, scan_type="volume")
    [grid] = make_claimable(store, 1)
    claims = store.claims.claim("a", 9, 60, types=GRIDS)
    assert (ids_of(claims), claims.more) == ([grid.key], False)
    edit(store, grid.key, report_generated="To Do", attempts=1)
    assert ids_of(store.claims.claim("a", 9, 60, types=frozenset({"volume"}), max_retried=9))
    assert store.claims.claim("a", 9, 60, types=frozenset()) == []
    assert ids_of(store.claims.claim("a", 9, 60, types=GRIDS)) == [grid.key]


def test_retried_scans_have_their_turn_beside_an_endless_backlog(store: DBManager) -> None:
    [retried] = make_claimable(store, 1)
    edit(store, retried.key, attempts=1)
    make_claimable(store, 3 * RETRIED_EVERY)
    claimed = [ids_of(store.claims.claim("a", 1, 60)) for _ in range(RETRIED_EVERY + 1)]
    assert claimed[0] != [retried.key]
    assert [retried.key] in claimed


def test_retried_scans_have_their_turn_beside_fresh_ones_that_keep_coming(
    store: DBManager,
) -> None:
    [waits] = make_claimable(store, 1)
    edit(store, waits.key, attempts=1)
    claimed = []
    for _ in range(3):
        make_claimable(store, 1)
        claimed += ids_of(store.claims.claim("a", 5, 60))
    assert waits.key in claimed


def test_beside_fresh_scans_retried_ones_are_looked_for_from_time_to_time(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = store.claims
    make_claimable(store, 1)
    assert not claims.claim("a", 9, 60).more
    [retried, _] = make_claimable(store, 2)
    edit(store, retried.key, attempts=1)
    claimed = claims.claim("a", 9, 60)
    assert (len(claimed), claimed.more) == (1, False)  # it has just been looked for
    assert ids_of(claims.claim("a", 9, 60)) == [retried.key]  # without a fresh one
    monkeypatch.setattr(claim_queue, "RETRIED_LOOK_S", 0.0)
    make_claimable(store, 1)
    time.sleep(1.1)  # until the next look
    claims.claim("a", 9, 60)
    [retried, _] = make_claimable(store, 2)
    edit(store, retried.key, attempts=1)
    assert claims.claim("a", 9, 60).more


def test_a_retried_scan_is_not_claimed_before_its_pause_ends(store: DBManager) -> None:
    [retried] = make_claimable(store, 1)
    edit(store, retried.key, attempts=1, not_before=datetime.now(UTC) + timedelta(hours=1))
    claims = store.claims.claim("a", 9, 60)
    assert (claims, claims.more) == ([], False)
    edit(store, retried.key, not_before=NOW)
    assert ids_of(store.claims.claim("a", 9, 60)) == [retried.key]


@pytest.mark.parametrize("limit", [1, 20])
def test_a_claim_reads_about_what_it_takes_however_many_scans_wait(
    store: DBManager, limit: int
) -> None:
    scan, voxels = make_scan()
    new = NewScan(scan, voxels)
    documents = []
    for n in range(6000):
        document = scan_document(new, NOW + timedelta(milliseconds=n))
        document["scan"] = {**document["scan"], "pacs": f"pacs-{n % 3}", "scan_id": f"s-{n}"}
        document["_id"] = f"s-{n}@pacs-{n % 3}"
        if n % 3 == 2:
            pause = timedelta(days=1 if n % 2 else -1)
            document |= {"attempts": 1, "not_before": datetime.now(UTC) + pause}
        documents.append(InsertOne(document))
    inside(store).bulk_write(documents, ordered=False)
    store.claims.claim("a", limit, 60, types=GRIDS)
    with examined(store) as read:
        assert len(store.claims.claim("a", limit, 60, types=GRIDS)) == limit
        assert store.claims.claim_expired("a", 60, types=GRIDS) == []
    assert read.documents <= 3 * limit + 5
    assert read.keys <= 4 * limit + 30


def test_a_claim_reads_about_what_it_takes_however_many_stat_scans_wait(store: DBManager) -> None:
    scan, voxels = make_scan(priority="stat")
    whole = scan_document(NewScan(scan, voxels), NOW)
    documents = []
    for n in range(3000):
        kind, pacs = ("grid", "ecg", "xray")[n % 3], f"pacs-{n % 4}"
        header = {**whole["scan"], "scan_type": kind, "pacs": pacs, "scan_id": f"s-{n}"}
        turn = NOW + timedelta(milliseconds=n)
        attempts = 1 if n % 5 == 0 else 0
        key = f"s-{n}@{pacs}"
        documents.append(
            {**whole, "_id": key, "scan": header, "turn_at": turn, "attempts": attempts}
        )
    inside(store).insert_many(documents, ordered=False)
    types = ("grid", "ecg")
    store.claims.claim("a", 10, 60, types=types)
    for _ in range(4):
        with examined(store) as read:
            assert len(store.claims.claim("a", 10, 60, types=types)) == 10
        assert read.documents <= 50
        assert read.keys <= 100


def test_each_claimer_starts_at_a_random_lane(store: DBManager) -> None:
    for pacs in range(6):
        make_claimable(store, 2, pacs=f"pacs-{pacs}")
    firsts = {
        ClaimQueue(store.connection).next(2, None).documents[0]["scan"]["pacs"] for _ in range(40)
    }
    assert len(firsts) > 1
