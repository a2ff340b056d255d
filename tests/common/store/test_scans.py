"""Storing scans: what is stored, what is a repetition, what is a conflict."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import pytest
from pymongo import MongoClient

from common.domain.scan import Priority
from common.domain.states import ReportGenerated
from common.domain.types import hash_voxels
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from common.store.scans import ALSO_MAX
from tests.factories import (
    Commands,
    document_of,
    inside,
    make_ecg,
    make_report,
    make_scan,
    make_upload,
    opened,
    together,
)

GOOD = {Added.STORED, Added.KNOWN}


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The commands that stores created from now on send to MongoDB."""
    seen = Commands()
    client = partial(MongoClient, event_listeners=[seen])
    monkeypatch.setattr("common.store.connection.MongoClient", client)
    return seen


def test_a_scan_is_stored_to_do_with_its_voxels(store: DBManager) -> None:
    scan, voxels = make_scan(subject="s-1", affine=((1, 0, 0, 0), (0, 2, 0, 0), (0, 0, 3, -4.5)))
    assert store.scans.add([NewScan(scan, voxels)]) == [Added.STORED]

    stored = document_of(store, scan.key)
    assert stored["report_generated"] == "To Do"
    assert stored["voxels"] == voxels
    assert (stored["fence"], stored["attempts"]) == (0, 0)
    [claim] = store.claims.claim("a", 1, 60)
    assert claim.scan == scan
    assert store.claims.fetch_voxels(claim) == voxels


def test_a_scan_that_comes_again_is_acknowledged_again_without_effect(store: DBManager) -> None:
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    before = document_of(store, scan.key)
    assert set(store.scans.add([NewScan(scan, voxels)])) <= GOOD
    assert document_of(store, scan.key) == before


def test_a_scan_that_comes_again_when_it_is_done_stays_done(store: DBManager) -> None:
    new = NewScan(*make_scan())
    store.scans.add([new])
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.complete([(claim, make_report(new.scan))])
    before = document_of(store, new.scan.key)
    assert set(store.scans.add([new])) <= GOOD
    assert document_of(store, new.scan.key) == before
    assert store.claims.claim("b", 1, 60) == []


def test_times_are_compared_as_they_are_stored(store: DBManager) -> None:
    precise = datetime(2024, 5, 6, 7, 8, 9, 123_456, tzinfo=UTC)
    new = NewScan(*make_scan(acquired_at=precise))
    store.scans.add([new])
    assert set(store.scans.add([new])) <= GOOD


def test_other_bytes_under_the_same_id_are_a_conflict(store: DBManager) -> None:
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    before = document_of(store, scan.key)

    other = NewScan(*make_scan(scan_id=scan.scan_id, voxels=bytes(100)))
    assert store.scans.add([other]) == [Added.CONFLICT]
    assert document_of(store, scan.key) == before
    [claim] = store.claims.claim("a", 1, 60)
    assert hash_voxels(store.claims.fetch_voxels(claim)) == scan.voxels_hash


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (100, 1)},
        {"dtype": "int8"},
        {"affine": ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))},
    ],
    ids=str,
)
def test_another_image_under_the_same_id_is_a_conflict(
    store: DBManager, change: dict[str, Any]
) -> None:
    scan, voxels = make_scan(subject="s-1")
    store.scans.add([NewScan(scan, voxels)])
    before = document_of(store, scan.key)
    other = scan.model_copy(update=change)
    assert store.scans.add([NewScan(other, voxels)]) == [Added.CONFLICT]
    assert document_of(store, scan.key) == before


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "another"},
        {"subject": None},
        {"scan_type": "volume"},
        {"acquired_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"acquired_at": None},
    ],
    ids=str,
)
def test_the_same_image_with_other_attributes_is_known_and_the_first_ones_stand(
    store: DBManager, change: dict[str, Any]
) -> None:
    scan, voxels = make_scan(subject="s-1")
    store.scans.add([NewScan(scan, voxels)])
    before = document_of(store, scan.key)
    assert store.scans.add([NewScan(scan.model_copy(update=change), voxels)]) == [Added.KNOWN]
    after = document_of(store, scan.key)
    assert {**after, "also": None} == {**before, "also": None}


def test_a_scan_twice_in_a_batch_is_stored_once(store: DBManager) -> None:
    scan, voxels = make_scan()
    same = NewScan(scan, voxels)
    other = NewScan(*make_scan(scan_id=scan.scan_id, voxels=bytes(100)))
    first, second, third = store.scans.add([same, same, other])
    assert first is Added.STORED
    assert second in GOOD
    assert third is Added.CONFLICT
    assert document_of(store, scan.key)["voxels"] == voxels
    assert inside(store).count_documents({}) == 1


def test_the_outcomes_of_a_batch_are_in_its_order(store: DBManager) -> None:
    known, taken = make_scan(), make_scan()
    store.scans.add([NewScan(*known), NewScan(*taken)])
    conflicting = NewScan(*make_scan(scan_id=taken[0].scan_id, voxels=bytes(100)))
    outcome = store.scans.add(
        [NewScan(*make_scan()), conflicting, NewScan(*known), NewScan(*make_scan())]
    )
    assert outcome[0] is Added.STORED
    assert outcome[1] is Added.CONFLICT
    assert outcome[2] in GOOD
    assert outcome[3] is Added.STORED
    assert store.queries.count_states()[ReportGenerated.TO_DO] == 4


def test_a_large_scan_that_comes_again_in_another_blob_is_known(store: DBManager) -> None:
    first, _ = make_upload(store)
    assert store.scans.add([first]) == [Added.STORED]
    again = NewScan(first.scan, blob=store.uploads.begin())
    assert store.scans.add([again]) == [Added.KNOWN]
    # The same write once more, as after a lost answer: it is this blob that is stored.
    assert store.scans.add([first]) == [Added.STORED]
    assert document_of(store, first.scan.key)["blob"] == first.blob


def test_nothing_to_store_asks_mongodb_nothing(
    mongodb_uri: str, database: str, commands: Commands
) -> None:
    store = DBManager(mongodb_uri, database)
    assert store.scans.add([]) == []
    store.close()
    assert commands.seen == []


def test_one_scan_from_many_threads_at_once_is_stored_once(store: DBManager) -> None:
    new = NewScan(*make_scan())
    outcomes = together(8, lambda _: store.scans.add([new])[0])
    assert set(outcomes) <= GOOD
    assert inside(store).count_documents({}) == 1


def test_the_same_id_of_another_pacs_is_another_scan(store: DBManager) -> None:
    mine, voxels = make_scan(pacs="pacs-1")
    theirs, other = make_scan(pacs="pacs-2", scan_id=mine.scan_id, voxels=bytes(100))
    assert store.scans.add([NewScan(mine, voxels)]) == [Added.STORED]
    assert store.scans.add([NewScan(theirs, other)]) == [Added.STORED]
    assert document_of(store, mine.key)["voxels"] == voxels
    assert document_of(store, theirs.key)["voxels"] == other


def test_a_signal_is_the_same_if_its_samples_mean_the_same(store: DBManager) -> None:
    scan, samples = make_ecg(np.ones((8, 2), np.float32))
    signal = scan.signal
    assert signal is not None
    assert store.scans.add([NewScan(scan, samples)]) == [Added.STORED]
    for change, outcome in (
        ({}, Added.KNOWN),
        ({"gains": (200.0, 200.0), "filters": ("notch_50_hz",)}, Added.KNOWN),
        ({"sampling_rate_hz": 500.0}, Added.CONFLICT),
        ({"leads": ("I", "II")}, Added.CONFLICT),
        ({"units": "uV"}, Added.CONFLICT),
    ):
        other = scan.model_copy(update={"signal": signal.model_copy(update=change)})
        assert store.scans.add([NewScan(other, samples)]) == [outcome], change
    [claim] = store.claims.claim("w", 1, 60)
    assert claim.scan == scan
    assert claim.voxels == samples


@pytest.mark.parametrize("priority", Priority)
def test_the_same_scan_with_another_priority_is_known(store: DBManager, priority: Priority) -> None:
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    before = document_of(store, scan.key)
    again = scan.model_copy(update={"priority": priority})
    assert store.scans.add([NewScan(again, voxels)])[0] in GOOD
    assert document_of(store, scan.key) == before


def test_of_many_contents_for_one_id_at_once_one_is_stored_and_the_others_refused(
    store: DBManager,
) -> None:
    scan_id = make_scan()[0].scan_id
    made = [make_scan(scan_id=scan_id, voxels=bytes([i]) * 100) for i in range(8)]
    outcomes = together(8, lambda i: store.scans.add([NewScan(*made[i])])[0])
    assert outcomes.count(Added.STORED) == 1
    assert outcomes.count(Added.CONFLICT) == 7
    assert document_of(store, made[0][0].key)["voxels"] == made[outcomes.index(Added.STORED)][1]


def test_batches_that_overlap_from_many_threads_store_each_scan_once(store: DBManager) -> None:
    made = [NewScan(*make_scan()) for _ in range(60)]
    outcomes = together(6, lambda i: store.scans.add(made[i * 5 : i * 5 + 35]))
    assert {one for batch in outcomes for one in batch} <= GOOD
    assert inside(store).count_documents({}) == 60


def test_a_duplicate_key_is_never_taken_for_durable(
    mongodb_uri: str, database: str, commands: Commands
) -> None:
    new = NewScan(*make_scan())
    with opened(mongodb_uri, database) as store:
        store.scans.add([new])
        commands.seen.clear()
        store.scans.add([new])

    insert, upsert = commands.writes()
    assert insert["name"] == "insert"
    assert upsert["name"] == "update"
    [update] = upsert["updates"]
    assert update["q"] == {"_id": new.scan.key}
    assert list(update["u"]) == ["$setOnInsert"]
    assert update["upsert"] is True
    assert upsert["writeConcern"] == {"w": "majority", "j": True}
    compared = next(c for c in commands.seen if c["name"] == "find")
    assert commands.seen.index(compared) > commands.seen.index(upsert)
    assert compared["readConcern"] == {"level": "majority"}


def test_what_is_acknowledged_to_somebody_is_written_with_majority_and_journaled(
    mongodb_uri: str, database: str, commands: Commands
) -> None:
    weak = "w=0&journal=false&readConcernLevel=local&readPreference=secondary"
    uri = f"{mongodb_uri}{'&' if '?' in mongodb_uri else '?'}{weak}"
    with opened(uri, database) as store:
        commands.seen.clear()
        large, _ = make_upload(store)
        assert large.blob is not None
        store.uploads.add_chunks(large.blob, 0, [b"again"])  # confirmed as a scan is
        store.scans.add([large, NewScan(*make_scan()), NewScan(*make_scan())])
        store.uploads.end(large.scan.key, large.blob)
        seen = commands.writes()
        commands.seen.clear()
        claims = store.claims.claim("a", 3, 60)
        finds = [c["readConcern"] for c in commands.seen if c["name"] == "find"]
        # Of fresh scans, and whether any was claimed before.
        assert finds == [{"level": "majority"}] * 2
        commands.seen.clear()
        report = make_report(claims[0].scan)
        store.claims.complete([(claims[0], report)])
        store.claims.complete([(claims[0], report)])
        store.claims.fail(claims[1], "cause", 0)
        store.claims.release("a")
        store.outbox.mark_sent([report.key])
        seen += commands.writes()
    assert len(seen) >= 13
    weak_ones = [c for c in seen if c["writeConcern"] != {"w": "majority", "j": True}]
    # The seal of an upload's record alone: that of the scan comes after it, and counts.
    assert [(c["name"], c["update"]) for c in weak_ones] == [("update", Collection.UPLOADS)]
    assert seen[seen.index(weak_ones[0]) + 1]["update"] == Collection.SCANS
    assert not any("$readPreference" in c for c in seen)


def test_other_identifiers_are_noted_and_the_first_ones_stand(store: DBManager) -> None:
    scan, voxels = make_scan(subject="p-1", study="1" * 16)
    other = scan.model_copy(update={"subject": "p-2", "study": "2" * 16})
    large, _ = make_upload(store)
    store.scans.add([NewScan(scan, voxels), large])
    store.uploads.end(large.scan.key, large.blob, "pacs-1")  # type: ignore[arg-type]
    for _ in range(2):
        assert store.scans.add([NewScan(other, voxels)]) == [Added.KNOWN]
        again = large.scan.model_copy(update={"subject": "p-3"})
        assert store.scans.known(again) is Added.KNOWN
    document = document_of(store, scan.key)
    assert document["scan"]["subject"] == "p-1"
    assert document["also"] == [{"subject": "p-2", "study": "2" * 16}]
    assert document_of(store, large.scan.key)["also"] == [{"subject": "p-3"}]
    claim, *_ = store.claims.claim("a", 10, 60)
    assert claim.scan.subject != "p-2"


def test_the_identifiers_that_are_noted_are_bounded(store: DBManager) -> None:
    scan, voxels = make_scan()
    store.scans.add([NewScan(scan, voxels)])
    for n in range(ALSO_MAX + 3):
        store.scans.add([NewScan(scan.model_copy(update={"subject": f"p-{n}"}), voxels)])
    assert len(document_of(store, scan.key)["also"]) == ALSO_MAX
