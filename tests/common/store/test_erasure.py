"""Erasure: everything of a scan goes, in any state, and it is not stored again."""

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from typing import Any

import pytest

from common.commands.verify import verify
from common.domain.audit_events import Kind
from common.domain.scan_key import scan_id_of
from common.domain.states import ERASED, PURGED, ReportGenerated
from common.errors import Refusal, StoreUnavailable
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, Claim, NewScan, report_document
from tests.common.store.delivered import make_old, make_old_upload
from tests.factories import (
    document_of,
    inside,
    make_claimable,
    make_report,
    make_reports,
    make_scan,
    make_upload,
    state_of,
)
from tests.recorders import Recording
from tests.running import hub_settings, refusal, running_hub, send_scan, sender, until

TRACES = (
    Collection.REPORTS,
    Collection.HISTORY,
    Collection.PICTURES,
    Collection.LABELS,
    Collection.CHUNKS,
    Collection.UPLOADS,
)


def to_do(store: DBManager) -> str:
    return make_claimable(store, 1)[0].key


def to_do_large(store: DBManager) -> str:
    new, _ = make_upload(store)
    store.scans.add([new])
    store.uploads.end(new.scan.key, new.blob)  # type: ignore[arg-type]
    return new.scan.key


def in_progress(store: DBManager) -> str:
    key = to_do_large(store)
    store.claims.claim("a", 1, 60)
    return key


def done(store: DBManager) -> str:
    [report] = make_reports(store, 1)
    picture = {"_id": {"scan": report.key, "hash": "0" * 64}, "scan_id": report.key}
    inside(store, Collection.PICTURES).insert_one(picture)
    labels = {"_id": {"scan": report.key, "fence": 1, "n": 0}, "scan_id": report.key}
    inside(store, Collection.LABELS).insert_one(labels)
    return report.key


def analysed_again(store: DBManager) -> str:
    [key] = make_old(store, 1)
    store.revisions.schedule_reanalysis([key], 1)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.complete([(claim, make_report(claim.scan, revision=2))])
    return key


def failed(store: DBManager) -> str:
    key = to_do_large(store)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.fail(claim, "damaged", 0)
    return key


def without_voxels(store: DBManager) -> str:
    new, _ = make_old_upload(store)
    list(store.retention.purge(30, include_report=False))
    return new.scan.key


def purged(store: DBManager) -> str:
    [key] = make_old(store, 1)
    list(store.retention.purge(30, include_report=True))
    return key


STATES = [to_do, to_do_large, in_progress, done, analysed_again, failed, without_voxels, purged]


def assert_erased(store: DBManager, key: str) -> None:
    stored = document_of(store, key)
    assert stored.keys() <= {"_id", "report_generated", "fence", "erased_at", "schema"}
    assert stored["report_generated"] == ERASED
    for name in TRACES:
        assert inside(store, name).count_documents({}) == 0, name
    assert verify(store).gaps == 0


@pytest.mark.parametrize("made", STATES)
def test_a_scan_is_erased_in_any_state(store: DBManager, made: Callable[[DBManager], str]) -> None:
    key = made(store)
    recorder = Recording()
    erasure = store.recorded_by(recorder).erasure
    assert [scan.key for scan in erasure.erasable([key, "unknown@pacs-1"])] == [key]
    assert erasure.erase([key, "unknown@pacs-1"]) == 1
    assert_erased(store, key)
    assert [one["outcome"] for one in recorder.events] == ["asked for", "erased"]
    assert recorder.ids(Kind.ERASE) == [key, key]
    assert (erasure.erase([key]), erasure.resume()) == (0, 0)
    assert store.claims.claim("b", 10, 60) == []


def test_nothing_is_deleted_before_it_is_recorded(store: DBManager) -> None:
    key = done(store)
    before = document_of(store, key)

    def look() -> None:
        assert document_of(store, key) == before

    store.recorded_by(Recording(look)).erasure.erase([key])
    assert_erased(store, key)


def test_all_scans_of_a_subject_are_found(store: DBManager) -> None:
    mine = make_claimable(store, 3, subject="p-1")
    make_claimable(store, 2, subject="p-2")
    make_claimable(store, 1)
    assert list(store.erasure.of_subject("p-1")) == sorted(scan.key for scan in mine)
    assert list(store.erasure.of_subject("p-3")) == []


def test_a_scan_that_came_again_under_another_pseudonym_is_found_by_both(
    store: DBManager,
) -> None:
    scan, voxels = make_scan(subject="p-1")
    store.scans.add([NewScan(scan, voxels)])
    store.scans.add([NewScan(scan.model_copy(update={"subject": "p-2"}), voxels)])
    for subject in ("p-1", "p-2"):
        assert list(store.erasure.of_subject(subject)) == [scan.key]


def test_a_claim_under_way_is_lost_and_its_report_is_deleted(store: DBManager) -> None:
    key = in_progress(store)
    stored = document_of(store, key)
    claim = Claim(
        scan=make_scan(scan_id=scan_id_of(key))[0],
        owner=stored["owner"],
        fence=stored["fence"],
        attempts=1,
        voxels=None,
        blob=stored["blob"],
    )
    store.erasure.erase([key])
    assert store.claims.renew([claim], 60) == {key}
    # Without the first look, as a processor that was suspended right after it.
    report = make_report(claim.scan)
    assert store.claims.complete([(claim, report)], verify_first=False) == {key}
    assert state_of(store, key) == ERASED
    assert store.outbox.lease("pacs-1", 10, 60) == []  # not sent, but deleted
    assert_erased(store, key)
    inside(store, Collection.REPORTS).insert_one(report_document(report))
    store.erasure.sweep()
    assert_erased(store, key)


@pytest.mark.parametrize("step", ["_bury", "_delete_voxels", "_delete_reports", "_finish"])
def test_an_erasure_interrupted_before_any_step_is_completed(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    key = make_old_upload(store)[0].scan.key

    def cut(*_: Any) -> None:
        raise StoreUnavailable("cut")

    with monkeypatch.context() as patch:
        patch.setattr(store.erasure, step, cut)
        with pytest.raises(StoreUnavailable):
            store.erasure.erase([key])
    assert verify(store).gaps == 0
    if step == "_bury":
        assert state_of(store, key) == ReportGenerated.DONE
        store.erasure.erase([key])
    else:
        assert store.erasure.resume() == 1  # though nothing names its subject any more
    assert_erased(store, key)


def erased_at_least(store: DBManager, count: int) -> bool:
    return inside(store).count_documents({"report_generated": ERASED}) >= count


def _erase_in_child(uri: str, database: str, keys: list[str]) -> None:
    store = DBManager(uri, database)
    for key in keys:
        store.erasure.erase([key])


@pytest.mark.long
def test_a_killed_erasure_is_completed_by_the_next_one(store: DBManager) -> None:
    large = [make_old_upload(store)[0].scan.key for _ in range(6)]
    keys = [*make_old(store, 40), *large]
    spawn = get_context("spawn")
    for share in (5, 20, 35):
        child = spawn.Process(
            target=_erase_in_child, args=(store.connection.uri, store.connection.name, keys)
        )
        child.start()
        until(partial(erased_at_least, store, share), 60)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        assert verify(store).gaps == 0
    store.erasure.resume()
    store.erasure.erase(keys)
    for key in keys:
        assert_erased(store, key)


def test_an_erased_scan_sent_again_is_refused_and_stored_nowhere(store: DBManager) -> None:
    small, voxels = make_scan()
    store.scans.add([NewScan(small, voxels)])
    large, large_voxels = make_old_upload(store)
    store.erasure.erase([small.key, large.scan.key])
    settings = hub_settings()
    with running_hub(store, settings), sender(settings) as channel:
        for scan, content in ((small, voxels), (large.scan, large_voxels)):
            nack = refusal(send_scan(channel, scan, content))
            assert (nack.code, nack.retry) == (Refusal.ERASED, False)
        until(lambda: inside(store, Collection.CHUNKS).count_documents({}) == 0)
        until(lambda: inside(store, Collection.UPLOADS).count_documents({}) == 0)
    for key in (small.key, large.scan.key):
        assert_erased(store, key)
    assert store.scans.add([NewScan(small, voxels)]) == [Added.ERASED]


def test_scans_erased_while_processors_work_stay_erased(store: DBManager) -> None:
    keys = [scan.key for scan in make_claimable(store, 60)]
    stop = threading.Event()

    def work(owner: str) -> None:
        while not stop.is_set():
            claims = store.claims.claim(owner, 5, 60)
            done = [(claim, make_report(claim.scan)) for claim in claims]
            store.claims.complete(done, verify_first=False)

    workers = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(3)]
    for worker in workers:
        worker.start()
    for key in keys[::2]:
        store.erasure.erase([key])
    until(lambda: store.queries.count_states()["Done"] == len(keys) // 2, 60)
    stop.set()
    for worker in workers:
        worker.join()
    store.erasure.sweep()
    assert store.queries.count_states()[ERASED] == len(keys) // 2
    assert sum(store.queries.count_reports().values()) == len(keys) // 2
    assert verify(store).gaps == 0
    assert PURGED not in store.queries.count_states()
