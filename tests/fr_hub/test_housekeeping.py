"""Fr-HUB's periodic tasks on a real MongoDB."""

import asyncio
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from common.domain.audit_events import Kind
from common.domain.states import ERASED, PURGED, ReportGenerated
from common.errors import StoreUnavailable
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.labels import LabelSet, LabelWriter
from fr_hub.housekeeping import keep_house, retain, sweep, warn_of_orphans
from tests.factories import (
    LONG_AGO,
    chunks_of,
    inside,
    make_reports,
    make_scan,
    make_upload,
)
from tests.fr_hub.stores import hub_context
from tests.label_maps import labels_of, packed
from tests.running import hub_settings, until


def deliver_long_ago(store: DBManager, count: int) -> list[str]:
    """Scans whose reports were delivered long ago; their ids."""
    ids = [report.key for report in make_reports(store, count)]
    store.outbox.mark_sent(ids)
    sent = {"$set": {"sent_at": LONG_AGO}}
    inside(store, Collection.REPORTS).update_many({"_id": {"$in": ids}}, sent)
    return ids


def states(store: DBManager) -> set[str]:
    """The states of all scans."""
    return {state for _, state in store.queries.scan_states()}


def test_a_sweep_deletes_the_voxels_of_interrupted_uploads(
    store: DBManager, capfd: pytest.CaptureFixture[str]
) -> None:
    cut, _ = make_upload(store)
    recent, _ = make_upload(store)
    uploads = inside(store, Collection.UPLOADS)
    uploads.update_one({"_id": cut.blob}, {"$set": {"started_at": LONG_AGO}})
    with hub_context(store) as hub:
        asyncio.run(sweep(hub))
    assert (chunks_of(store, cut.blob), chunks_of(store, recent.blob)) == (0, 3)
    assert "deleted the voxels of interrupted uploads" in capfd.readouterr().out


def test_a_sweep_deletes_the_orphans_that_the_one_before_has_found(
    store: DBManager, capfd: pytest.CaptureFixture[str]
) -> None:
    orphan = ObjectId.from_datetime(LONG_AGO)
    store.uploads.add_chunks(orphan, 0, [b"x"])
    with hub_context(store) as hub:
        for _ in range(2):
            asyncio.run(sweep(hub))
    assert chunks_of(store, orphan) == 0
    assert capfd.readouterr().out.count("found unused voxels") == 1


def test_a_sweep_deletes_label_maps_that_no_report_names(store: DBManager) -> None:
    scan, _ = make_scan()
    lost = LabelSet(scan.key, 1, packed(lesions=labels_of(scan)))
    LabelWriter(store.connection).add([lost])
    labels = inside(store, Collection.LABELS)
    labels.update_many({}, {"$set": {"created_at": LONG_AGO}})
    with hub_context(store) as hub:
        asyncio.run(sweep(hub))
    assert labels.count_documents({}) == 0


def test_a_sweep_sets_failed_scans_to_done_that_have_a_report(
    store: DBManager, capfd: pytest.CaptureFixture[str]
) -> None:
    [report] = make_reports(store, 1)
    failed = {"$set": {"report_generated": ReportGenerated.ERROR, "error": {"cause": "killed"}}}
    inside(store).update_one({"_id": report.key}, failed)
    with hub_context(store) as hub:
        asyncio.run(sweep(hub))
    assert states(store) == {ReportGenerated.DONE}
    assert "their reports had arrived" in capfd.readouterr().out


def test_retention_purges_what_was_delivered_long_ago_and_records_it(
    store: DBManager, capfd: pytest.CaptureFixture[str]
) -> None:
    old = deliver_long_ago(store, 3)
    [recent] = make_reports(store, 1)
    settings = hub_settings(retention_days=30, retention_what="all")
    with hub_context(store, settings) as hub:
        asyncio.run(retain(hub, 30))
    found = dict(store.queries.scan_states())
    assert found == {**dict.fromkeys(old, PURGED), recent.key: ReportGenerated.DONE}
    assert "retention applied" in capfd.readouterr().out
    assert sorted(recorded(store, Kind.RETENTION)) == sorted(old)


def recorded(store: DBManager, kind: Kind) -> list[str]:
    """The scans of the events of this kind in the audit trail."""
    entries = inside(store, Collection.AUDIT).find()
    events: list[dict[str, Any]] = [one for entry in entries for one in entry["events"]]
    return [i for one in events if one["kind"] == kind for i in one["ids"]]


@pytest.mark.parametrize("timer", [False, True])
def test_retention_runs_periodically_only_if_the_settings_say_so(
    store: DBManager, timer: bool
) -> None:
    deliver_long_ago(store, 1)
    cut, _ = make_upload(store)
    inside(store, Collection.UPLOADS).update_one({}, {"$set": {"started_at": LONG_AGO}})
    settings = hub_settings(retention_days=30, retention_what="all", retention_timer=timer)

    async def main() -> None:
        with hub_context(store, settings) as hub:
            running = asyncio.create_task(keep_house(hub))
            await asyncio.to_thread(until, lambda: chunks_of(store, cut.blob) == 0)
            if timer:
                await asyncio.to_thread(until, lambda: states(store) == {PURGED})
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())
    assert states(store) == {PURGED if timer else ReportGenerated.DONE}


def test_a_failure_is_logged_and_left_to_the_next_time(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def unavailable(*_: object, **__: object) -> None:
        raise StoreUnavailable("no primary")

    monkeypatch.setattr(store.uploads, "sweep", unavailable)
    monkeypatch.setattr(store, "recorded_by", lambda _: store)
    monkeypatch.setattr(store.retention, "purge", unavailable)
    with hub_context(store) as hub:
        asyncio.run(sweep(hub))
        asyncio.run(retain(hub, 30))
    logged = capfd.readouterr().out
    assert "cleanup failed, next one in 600 s" in logged
    assert "retention failed, next run in 3600 s" in logged
    assert logged.count("no primary") == 2


def test_reports_for_a_pacs_that_left_the_settings_are_told(
    store: DBManager, capfd: pytest.CaptureFixture[str]
) -> None:
    make_reports(store, 1)
    make_reports(store, 3, pacs="pacs-9")
    make_reports(store, 2, pacs="another")
    make_reports(store, 1, pacs="web-north")  # the API delivers it

    async def main() -> None:
        with hub_context(store) as hub:
            await warn_of_orphans(hub)

    asyncio.run(main())
    out = capfd.readouterr().out
    assert "3 reports wait for pacs-9, which is not in HUB_PACS" in out
    assert "2 reports wait for another" in out
    assert "wait for pacs-1" not in out
    assert "web-north" not in out
    assert store.queries.count_unsent() == {"pacs-1": 1, "pacs-9": 3, "another": 2, "web-north": 1}


def test_what_one_document_raises_does_not_end_the_periodic_tasks(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> int:
        raise KeyError("JANE-DOE")

    monkeypatch.setattr(type(store.uploads), "sweep", failing)

    async def main() -> None:
        with hub_context(store) as hub:
            await sweep(hub)

    asyncio.run(main())
    out = capfd.readouterr().out
    assert "cleanup failed" in out
    assert "KeyError" in out
    assert "JANE" not in out


def test_one_part_of_a_sweep_that_fails_does_not_hold_up_the_others(store: DBManager) -> None:
    """As an interrupted erasure must not wait until somebody removes a damaged record."""
    raw = bson.encode({"_id": ObjectId(), "started_at": LONG_AGO, "damaged": "ab"})
    damaged = raw.replace(b"ab\x00", b"\xff\xfe\x00")  # no UTF-8
    inside(store, Collection.UPLOADS).insert_one(RawBSONDocument(damaged))
    [erasing, failed] = make_reports(store, 2)
    inside(store).update_one(
        {"_id": erasing.key}, {"$set": {"report_generated": ERASED, "erasing": True}}
    )
    error = {"report_generated": ReportGenerated.ERROR, "error": {"cause": "killed"}}
    inside(store).update_one({"_id": failed.key}, {"$set": error})
    with hub_context(store) as hub:
        asyncio.run(sweep(hub))
    assert dict(store.queries.scan_states()) == {
        erasing.key: ERASED,
        failed.key: ReportGenerated.DONE,
    }
    assert dict(store.queries.report_states()) == {failed.key: False}
