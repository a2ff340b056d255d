"""Retention: what it removes, what it never removes, and what sending a removed scan again does."""

from collections.abc import Callable
from typing import Any

import pytest

from common.commands.verify import verify
from common.domain.audit_events import Kind
from common.domain.scan_key import scan_id_of
from common.domain.states import PURGED, ReportGenerated
from common.domain.types import hash_voxels
from common.errors import StoreUnavailable
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan, report_document
from common.wire.messages import Ack
from tests.common.store.delivered import deliver, make_old, make_old_upload
from tests.factories import (
    LONG_AGO,
    chunks_of,
    document_of,
    edit,
    inside,
    make_claimable,
    make_report,
    make_reports,
    make_scan,
    make_upload,
    state_of,
    together,
)
from tests.recorders import Recording
from tests.running import hub_settings, refusal, running_hub, send_scan, sender, until

DONE = ReportGenerated.DONE


def purge(store: DBManager, days: float = 30, *, include_report: bool = False) -> list[str]:
    """The ids of the removed scans."""
    return [
        i for due in store.retention.purge(days, include_report=include_report) for i in due.keys
    ]


def everything(store: DBManager) -> list[Any]:
    """All documents."""
    names = (Collection.SCANS, Collection.REPORTS, Collection.CHUNKS, Collection.UPLOADS)
    return [list(inside(store, name).find(sort=[("_id", 1)])) for name in names]


def test_voxels_are_removed_and_header_and_report_stay(store: DBManager) -> None:
    [small] = make_old(store, 1)
    large, _ = make_old_upload(store)
    before = document_of(store, small)
    assert sorted(purge(store)) == sorted([small, large.scan.key])
    for scan_id in (small, large.scan.key):
        stored = document_of(store, scan_id)
        assert (stored["report_generated"], "voxels" in stored, "blob" in stored) == (
            DONE,
            False,
            False,
        )
        assert stored["voxels_gone_at"] > LONG_AGO
        assert document_of(store, scan_id, Collection.REPORTS)["status"] is True
    assert document_of(store, small)["scan"] == before["scan"]
    assert chunks_of(store, large.blob) == 0


def test_an_unsealed_scan_is_known_after_its_voxels_were_removed(
    store: DBManager,
) -> None:
    new, _ = make_old_upload(store, sealed=False)
    purge(store)
    again = NewScan(new.scan, blob=store.uploads.begin())
    assert store.scans.add([again]) == [Added.KNOWN]
    assert document_of(store, new.scan.key)["report_generated"] == DONE
    assert verify(store).gaps == 0
    assert purge(store) == []


def test_a_full_purge_leaves_a_tombstone_without_patient_data(store: DBManager) -> None:
    [small] = make_old(store, 1, subject="JANE-DOE-1970")
    large, _ = make_old_upload(store)
    assert len(purge(store, include_report=True)) == 2
    assert inside(store, Collection.REPORTS).count_documents({}) == 0
    assert inside(store, Collection.CHUNKS).count_documents({}) == 0
    assert inside(store, Collection.UPLOADS).count_documents({}) == 0
    for scan_id in (small, large.scan.key):
        stored = document_of(store, scan_id)
        assert stored.keys() == {
            "_id",
            "report_generated",
            "voxels_hash",
            "fence",
            "purged_at",
            "schema",
        }
        assert stored["report_generated"] == PURGED
    verdict = verify(store)
    assert (verdict.gaps, verdict.scans[PURGED], verdict.reports) == (0, 2, 0)
    assert purge(store, include_report=True) == []


def test_a_scan_without_voxels_can_be_fully_purged_later(store: DBManager) -> None:
    ids = make_old(store, 3)
    assert sorted(purge(store)) == sorted(ids)
    [due] = store.retention.due(30, include_report=True)
    assert (len(due.keys), due.voxels_bytes) == (3, 0)
    assert sorted(purge(store, include_report=True)) == sorted(ids)
    assert verify(store).gaps == 0


def test_listing_what_is_due_changes_nothing(store: DBManager) -> None:
    ids = make_old(store, 3)
    make_old_upload(store)
    before = everything(store)
    for include_report in (True, False):
        [due] = store.retention.due(30, include_report=include_report)
        assert set(ids) < set(due.keys)
        assert due.voxels_bytes == 3 * 100 + 2 * 255 * 1024 + 1000
    assert everything(store) == before


def test_all_pages_are_purged(store: DBManager) -> None:
    ids = make_old(store, 1200)
    pages = list(store.retention.purge(30, include_report=False))
    assert [len(page.keys) for page in pages] == [500, 500, 200]
    assert sorted(i for page in pages for i in page.keys) == sorted(ids)


def not_sent(store: DBManager) -> None:
    make_reports(store, 1)


def sent_lately(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    deliver(store, report.key, long_ago=False)


def sent_it_is_not_known_when(store: DBManager) -> None:
    [scan_id] = make_old(store, 1)
    inside(store, Collection.REPORTS).update_one({"_id": scan_id}, {"$unset": {"sent_at": ""}})


def sent_and_not_done(store: DBManager) -> None:
    [scan_id] = make_old(store, 1)
    edit(store, scan_id, report_generated=ReportGenerated.IN_PROGRESS)


def failed(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.fail(claim, "damaged", 0)


def to_do(store: DBManager) -> None:
    make_claimable(store, 1)


@pytest.mark.parametrize("include_report", [False, True], ids=["voxels", "all"])
@pytest.mark.parametrize(
    "made",
    [not_sent, sent_lately, sent_it_is_not_known_when, sent_and_not_done, failed, to_do],
)
def test_other_scans_stay(
    store: DBManager, made: Callable[[DBManager], None], include_report: bool
) -> None:
    made(store)
    before = everything(store)
    assert purge(store, include_report=include_report) == []
    assert everything(store) == before


@pytest.mark.parametrize("include_report", [False, True], ids=["voxels", "all"])
def test_a_removed_scan_sent_again_is_known_or_purged_and_not_analysed_again(
    store: DBManager, include_report: bool
) -> None:
    small, voxels = make_scan()
    store.scans.add([NewScan(small, voxels)])
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.complete([(claim, make_report(small))])
    deliver(store, small.key)
    large, large_voxels = make_old_upload(store)
    purge(store, include_report=include_report)
    before = everything(store)
    settings = hub_settings()
    with running_hub(store, settings), sender(settings) as channel:
        for scan, its_voxels in ((small, voxels), (large.scan, large_voxels)):
            answered = send_scan(channel, scan, its_voxels)
            if include_report:
                assert (refusal(answered).id, refusal(answered).code) == (scan.scan_id, "purged")
            else:
                assert answered == Ack((scan.scan_id,), known=(scan.scan_id,))
        until(lambda: inside(store, Collection.CHUNKS).count_documents({}) == 0)
        until(lambda: inside(store, Collection.UPLOADS).count_documents({"sealed": None}) == 0)
    assert everything(store)[:3] == before[:3]
    assert store.claims.claim("b", 10, 60) == []
    assert verify(store).gaps == 0


@pytest.mark.parametrize("include_report", [False, True], ids=["voxels", "all"])
def test_the_id_of_a_removed_scan_stays_taken_by_its_content(
    store: DBManager, include_report: bool
) -> None:
    [scan_id] = make_old(store, 1)
    purge(store, include_report=include_report)
    other = bytes(100)
    forged, _ = make_scan(scan_id=scan_id_of(scan_id), voxels=other, voxels_hash=hash_voxels(other))
    assert store.scans.add([NewScan(forged, other)]) == [Added.CONFLICT]


def test_a_report_of_a_long_suspended_processor_is_not_sent(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.complete([(claim, make_report(claim.scan))])
    deliver(store, claim.scan.key)
    purge(store, include_report=True)
    assert store.claims.complete([(claim, make_report(claim.scan))]) == {claim.scan.key}
    assert store.queries.count_reports() == {True: 0, False: 0}
    late = report_document(make_report(claim.scan))
    inside(store, Collection.REPORTS).insert_one(late)
    assert store.outbox.lease("pacs-1", 10, 60) == []
    assert store.queries.count_reports() == {True: 0, False: 0}
    assert verify(store).gaps == 0


@pytest.mark.parametrize(
    ("step", "include_report"),
    [("chunks", False), ("scans", False), ("chunks", True), ("scans", True), ("reports", True)],
)
def test_a_purge_interrupted_between_any_two_steps_can_be_repeated(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, step: str, include_report: bool
) -> None:
    [small] = make_old(store, 1)
    large, _ = make_old_upload(store)
    collection = {
        "chunks": store.connection.chunks,
        "scans": store.connection.scans,
        "reports": store.connection.reports,
    }[step]
    method = "update_many" if step == "scans" else "delete_many"

    def cut(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("cut")

    with monkeypatch.context() as patch:
        patch.setattr(collection, method, cut)
        with pytest.raises(StoreUnavailable):
            purge(store, include_report=include_report)
    assert verify(store).gaps == 0
    purge(store, include_report=include_report)
    assert verify(store).gaps == 0
    assert chunks_of(store, large.blob) == 0
    wanted = PURGED if include_report else DONE
    assert {state_of(store, i) for i in (small, large.scan.key)} == {wanted}
    assert inside(store, Collection.REPORTS).count_documents({}) == (0 if include_report else 2)


# --- beside a reanalysis, and after a failure -----------------------------------------------------


@pytest.mark.parametrize("include_report", [False, True], ids=["voxels", "all"])
def test_a_scan_that_is_being_purged_is_not_analysed_again(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, include_report: bool
) -> None:
    large, _ = make_old_upload(store)
    deleted = store.connection.chunks.delete_many
    scheduled = []

    def between(wanted: Any) -> Any:
        result = deleted(wanted)
        scheduled.append(store.revisions.schedule_reanalysis([large.scan.key], 1))
        return result

    monkeypatch.setattr(store.connection.chunks, "delete_many", between)
    purge(store, include_report=include_report)
    assert scheduled == [0]
    assert state_of(store, large.scan.key) == (PURGED if include_report else DONE)
    assert store.claims.claim("a", 10, 60) == []


def test_an_interrupted_purge_leaves_nothing_to_analyse_and_is_completed(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, _ = make_old_upload(store)

    def cut(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("cut")

    with monkeypatch.context() as patch:
        patch.setattr(store.connection.chunks, "delete_many", cut)
        with pytest.raises(StoreUnavailable):
            purge(store)
    assert store.revisions.schedule_reanalysis([large.scan.key], 1) == 0
    assert store.revisions.without_voxels([large.scan.key]) == {large.scan.key}
    assert purge(store) == [large.scan.key]
    assert "purging_since" not in document_of(store, large.scan.key)
    assert purge(store) == []


@pytest.mark.parametrize("include_report", [False, True], ids=["voxels", "all"])
def test_retention_and_reanalysis_at_once_never_leave_a_scan_without_voxels_to_do(
    store: DBManager, include_report: bool
) -> None:
    for _ in range(15):
        small = make_old(store, 5)
        large, _ = make_old_upload(store)
        ids = [*small, large.scan.key]

        def act(n: int, ids: list[str] = ids) -> None:
            if n:
                purge(store, include_report=include_report)
            else:
                for key in ids:
                    store.revisions.schedule_reanalysis([key], 1)

        together(2, act)
        for claim in store.claims.claim("again", 100, 60):
            assert len(store.claims.fetch_voxels(claim)) == claim.payload_bytes
            store.claims.complete([(claim, make_report(claim.scan, revision=claim.revision))])
        assert verify(store).gaps == 0


def test_a_later_report_that_is_not_delivered_yet_keeps_its_scan(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    [key] = make_old(store, 1)
    mark = store.retention._mark

    def analysed_again_before(page: Any, *, include_report: bool) -> None:
        assert store.revisions.schedule_reanalysis([key], 1) == 1
        [claim] = store.claims.claim("again", 1, 60)
        store.claims.complete([(claim, make_report(claim.scan, revision=2))])
        mark(page, include_report=include_report)

    monkeypatch.setattr(store.retention, "_mark", analysed_again_before)
    assert purge(store, include_report=True) == []
    [report] = store.outbox.lease("pacs-1", 10, 60)
    assert report.revision == 2


def make_failed_scan(store: DBManager, *, long_ago: bool = True) -> str:
    new, _ = make_upload(store)
    store.scans.add([new])
    store.uploads.end(new.scan.key, new.blob)  # type: ignore[arg-type]
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.fail(claim, "damaged", 0)
    if long_ago:
        edit(store, new.scan.key, **{"error.at": LONG_AGO})
    return new.scan.key


def purge_failed(store: DBManager, days: float = 30, *, include_report: bool = False) -> list[str]:
    pages = store.retention.purge(days, include_report=include_report, failed=True)
    return [key for due in pages for key in due.keys]


@pytest.mark.parametrize("include_report", [False, True], ids=["voxels", "all"])
def test_failed_scans_are_purged_only_if_asked_for(store: DBManager, include_report: bool) -> None:
    key, late = make_failed_scan(store), make_failed_scan(store, long_ago=False)
    recorder = Recording()
    recorded = store.recorded_by(recorder)
    assert purge(store, include_report=include_report) == []
    [due] = store.retention.due(30, include_report=include_report, failed=True)
    assert due.keys == (key,)
    assert purge_failed(recorded, include_report=include_report) == [key]
    assert recorder.ids(Kind.RETENTION) == [key]
    assert state_of(store, late) == ReportGenerated.ERROR
    assert state_of(store, key) == (PURGED if include_report else ReportGenerated.ERROR)
    assert inside(store, Collection.CHUNKS).count_documents({}) == 3  # of the other one
    assert purge_failed(store, include_report=include_report) == []
    assert verify(store).gaps == 0


def test_a_failed_scan_without_voxels_is_not_requeued(store: DBManager) -> None:
    key = make_failed_scan(store)
    purge_failed(store)
    result = store.failed_scans.requeue([key])
    assert (result.to_do, result.elsewhere) == ((), ((key, "Error, voxels removed"),))
    assert store.claims.claim("a", 10, 60) == []


def test_the_pages_of_retention_are_read_from_an_index(store: DBManager) -> None:
    ids = make_old(store, 30)
    purge(store)
    fresh = make_old(store, 5)
    asked = []
    find = store.connection.reports.find

    def watched(wanted: Any, *more: Any, **options: Any) -> Any:
        cursor = find(wanted, *more, **options)
        asked.append(cursor.clone().explain()["executionStats"])
        return cursor

    store.connection.reports.find = watched  # type: ignore[method-assign]
    assert sorted(purge(store)) == sorted(fresh)
    assert ids
    assert all(stats["totalDocsExamined"] <= len(fresh) for stats in asked)
    assert sum(stats["totalKeysExamined"] for stats in asked) < 20


def test_concurrent_purges_remove_each_scan_once(store: DBManager) -> None:
    ids = make_old(store, 600)
    taken = together(2, lambda _: purge(store, include_report=True))
    assert set(taken[0]) | set(taken[1]) == set(ids)
    assert store.queries.count_states()[PURGED] == 600
    assert verify(store).gaps == 0
