"""Retention: what goes, what stays whatever it is asked, and what a resend of it means."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.commands.verify import verify
from common.domain.states import PURGED, ReportGenerated
from common.domain.types import hash_voxels
from common.errors import SettingsError, StoreUnavailable
from common.runtime.lifecycle import Exit
from common.settings.loading import HubSettings, load_settings
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan, report_document
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
from tests.running import acked, hub_settings, running_hub, send_scan, sender, until

ROOT = Path(__file__).parents[3]
DONE = ReportGenerated.DONE


def deliver(store: DBManager, *scan_ids: str, long_ago: bool = True) -> None:
    """These reports have arrived at Fr-PACS, long ago."""
    store.outbox.mark_sent(scan_ids)
    if long_ago:
        inside(store, Collection.REPORTS).update_many(
            {"_id": {"$in": list(scan_ids)}}, {"$set": {"sent_at": LONG_AGO}}
        )


def make_old(store: DBManager, n: int, **overrides: Any) -> list[str]:
    """Small scans that were delivered long ago."""
    store.scans.add([NewScan(*make_scan(**overrides)) for _ in range(n)])
    claims = store.claims.claim("maker", n, 60)
    assert len(claims) == n
    store.claims.complete([(claim, make_report(claim.scan)) for claim in claims])
    ids = [claim.scan.scan_id for claim in claims]
    deliver(store, *ids)
    return ids


def make_old_upload(store: DBManager, *, sealed: bool = True) -> tuple[NewScan, bytes]:
    """A large scan that was delivered long ago."""
    new, voxels = make_upload(store)
    store.scans.add([new])
    if sealed:
        store.uploads.end(new.scan.scan_id, new.blob)  # type: ignore[arg-type]
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.complete([(claim, make_report(claim.scan))])
    deliver(store, new.scan.scan_id)
    return new, voxels


def purge(store: DBManager, days: float = 30, *, whole: bool = False) -> list[str]:
    """The ids of what went."""
    return [i for due in store.retention.purge(days, whole=whole) for i in due.scan_ids]


def everything(store: DBManager) -> list[Any]:
    """All documents."""
    names = (Collection.SCANS, Collection.REPORTS, Collection.CHUNKS, Collection.UPLOADS)
    return [list(inside(store, name).find(sort=[("_id", 1)])) for name in names]


# --- what goes -----------------------------------------------------------------------------------


def test_voxels_go_and_header_and_report_stay(store: DBManager) -> None:
    [small] = make_old(store, 1)
    large, _ = make_old_upload(store)
    before = document_of(store, small)
    assert sorted(purge(store)) == sorted([small, large.scan.scan_id])
    for scan_id in (small, large.scan.scan_id):
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


def test_a_scan_whose_hub_was_killed_before_it_sealed_it_is_known_when_its_voxels_are_gone(
    store: DBManager,
) -> None:
    new, _ = make_old_upload(store, sealed=False)
    purge(store)
    again = NewScan(new.scan, blob=store.uploads.begin())
    assert store.scans.add([again]) == [Added.KNOWN]
    assert document_of(store, new.scan.scan_id)["report_generated"] == DONE
    assert verify(store).gaps == 0
    assert purge(store) == []


def test_all_goes_but_a_tombstone_without_anything_of_a_patient(store: DBManager) -> None:
    [small] = make_old(store, 1, subject="JANE-DOE-1970")
    large, _ = make_old_upload(store)
    assert len(purge(store, whole=True)) == 2
    assert inside(store, Collection.REPORTS).count_documents({}) == 0
    assert inside(store, Collection.CHUNKS).count_documents({}) == 0
    assert inside(store, Collection.UPLOADS).count_documents({}) == 0
    for scan_id in (small, large.scan.scan_id):
        stored = document_of(store, scan_id)
        assert stored.keys() == {"_id", "report_generated", "voxels_hash", "fence", "purged_at"}
        assert stored["report_generated"] == PURGED
    verdict = verify(store)
    assert (verdict.gaps, verdict.scans[PURGED], verdict.reports) == (0, 2, 0)
    assert purge(store, whole=True) == []


def test_what_lost_its_voxels_before_can_go_whole_later(store: DBManager) -> None:
    ids = make_old(store, 3)
    assert sorted(purge(store)) == sorted(ids)
    [due] = store.retention.due(30, whole=True)
    assert (len(due.scan_ids), due.voxels_bytes) == (3, 0)
    assert sorted(purge(store, whole=True)) == sorted(ids)
    assert verify(store).gaps == 0


def test_what_would_go_is_told_and_nothing_changes(store: DBManager) -> None:
    ids = make_old(store, 3)
    make_old_upload(store)
    before = everything(store)
    for whole in (True, False):
        [due] = store.retention.due(30, whole=whole)
        assert set(ids) < set(due.scan_ids)
        assert due.voxels_bytes == 3 * 100 + 2 * 255 * 1024 + 1000
    assert everything(store) == before


def test_many_pages_go_whole(store: DBManager) -> None:
    ids = make_old(store, 1200)
    pages = list(store.retention.purge(30, whole=False))
    assert [len(page.scan_ids) for page in pages] == [500, 500, 200]
    assert sorted(i for page in pages for i in page.scan_ids) == sorted(ids)


# --- what stays ----------------------------------------------------------------------------------


def not_sent(store: DBManager) -> None:
    make_reports(store, 1)


def sent_lately(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    deliver(store, report.scan_id, long_ago=False)


def sent_it_is_not_known_when(store: DBManager) -> None:
    [scan_id] = make_old(store, 1)
    inside(store, Collection.REPORTS).update_one({"_id": scan_id}, {"$unset": {"sent_at": ""}})


def sent_and_not_done(store: DBManager) -> None:
    [scan_id] = make_old(store, 1)
    edit(store, scan_id, report_generated=ReportGenerated.IN_PROGRESS)


def set_aside(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.fail(claim, "damaged", 0)


def to_do(store: DBManager) -> None:
    make_claimable(store, 1)


@pytest.mark.parametrize("whole", [False, True], ids=["voxels", "all"])
@pytest.mark.parametrize(
    "made",
    [not_sent, sent_lately, sent_it_is_not_known_when, sent_and_not_done, set_aside, to_do],
)
def test_what_is_not_done_and_delivered_long_ago_stays(
    store: DBManager, made: Callable[[DBManager], None], whole: bool
) -> None:
    made(store)
    before = everything(store)
    assert purge(store, whole=whole) == []
    assert everything(store) == before


# --- sent again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True], ids=["voxels", "all"])
def test_what_went_is_known_when_it_is_sent_again_and_not_analysed_again(
    store: DBManager, whole: bool
) -> None:
    small, voxels = make_scan()
    store.scans.add([NewScan(small, voxels)])
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.complete([(claim, make_report(small))])
    deliver(store, small.scan_id)
    large, large_voxels = make_old_upload(store)
    purge(store, whole=whole)
    before = everything(store)
    settings = hub_settings()
    with running_hub(store, settings), sender(settings) as channel:
        assert acked(send_scan(channel, small, voxels)) == (small.scan_id,)
        assert acked(send_scan(channel, large.scan, large_voxels)) == (large.scan.scan_id,)
        until(lambda: inside(store, Collection.CHUNKS).count_documents({}) == 0)
        until(lambda: inside(store, Collection.UPLOADS).count_documents({"sealed": None}) == 0)
    assert everything(store)[:3] == before[:3]
    assert store.claims.claim("b", 10, 60) == []
    assert verify(store).gaps == 0


@pytest.mark.parametrize("whole", [False, True], ids=["voxels", "all"])
def test_the_id_of_what_went_is_still_taken_by_its_content(store: DBManager, whole: bool) -> None:
    [scan_id] = make_old(store, 1)
    purge(store, whole=whole)
    other = bytes(100)
    forged, _ = make_scan(scan_id=scan_id, voxels=other, voxels_hash=hash_voxels(other))
    assert store.scans.add([NewScan(forged, other)]) == [Added.CONFLICT]


def test_a_report_of_a_processor_that_slept_all_the_time_is_not_sent(store: DBManager) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.complete([(claim, make_report(claim.scan))])
    deliver(store, claim.scan.scan_id)
    purge(store, whole=True)
    assert store.claims.complete([(claim, make_report(claim.scan))]) == {claim.scan.scan_id}
    assert store.queries.count_reports() == {True: 0, False: 0}
    late = report_document(make_report(claim.scan))
    inside(store, Collection.REPORTS).insert_one(late)
    assert store.outbox.lease("pacs-1", 10, 60) == []
    assert store.queries.count_reports() == {True: 0, False: 0}
    assert verify(store).gaps == 0


# --- cut in the middle ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "whole"),
    [("chunks", False), ("scans", False), ("chunks", True), ("scans", True), ("reports", True)],
)
def test_cut_between_any_two_steps_and_made_again_nothing_is_left_and_nothing_is_missing(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, step: str, whole: bool
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
            purge(store, whole=whole)
    assert verify(store).gaps == 0
    purge(store, whole=whole)
    assert verify(store).gaps == 0
    assert chunks_of(store, large.blob) == 0
    wanted = PURGED if whole else DONE
    assert {state_of(store, i) for i in (small, large.scan.scan_id)} == {wanted}
    assert inside(store, Collection.REPORTS).count_documents({}) == (0 if whole else 2)


def test_two_that_purge_at_once_take_each_scan_once(store: DBManager) -> None:
    ids = make_old(store, 600)
    taken = together(2, lambda _: purge(store, whole=True))
    assert set(taken[0]) | set(taken[1]) == set(ids)
    assert store.queries.count_states()[PURGED] == 600
    assert verify(store).gaps == 0


# --- the command and the timer -------------------------------------------------------------------


def command(store: DBManager, folder: Path, **more: str) -> "subprocess.Popen[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "MONGODB_URI": store.connection.uri,
        "MONGODB_DATABASE": store.connection.name,
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "common.commands.retention"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(store: DBManager, folder: Path, **more: str) -> tuple[int, str, str]:
    process = command(store, folder, **more)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_the_command_says_what_would_go_and_with_apply_it_goes(
    store: DBManager, tmp_path: Path
) -> None:
    make_old(store, 3)
    assert run(store, tmp_path, RETENTION_DAYS="90") == (
        Exit.OK,
        "3 scans delivered more than 90 days ago: the voxels would go, 0.0 MB "
        "(APPLY=1 to do it)\n",
        "",
    )
    assert len(purge_would(store)) == 3
    code, out, _ = run(store, tmp_path, RETENTION_DAYS="90", APPLY="1", JSON="1")
    assert (code, json.loads(out)) == (
        Exit.OK,
        {"applied": True, "what": "voxels", "days": 90.0, "scans": 3, "voxels_bytes": 300},
    )
    assert purge_would(store) == []
    code, out, _ = run(store, tmp_path, RETENTION_DAYS="90", RETENTION_WHAT="all", APPLY="1")
    assert (code, out.split(",")[0]) == (
        Exit.OK,
        "3 scans delivered more than 90 days ago: scan and report went",
    )
    assert store.queries.count_states()[PURGED] == 3


def purge_would(store: DBManager) -> list[str]:
    return [i for due in store.retention.due(30, whole=False) for i in due.scan_ids]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "fr retention: RETENTION_DAYS: say after how many days"),
        ({"RETENTION_DAYS": "-1", "APPLY": "1"}, "fr retention: RETENTION_DAYS='-1'"),
        ({"RETENTION_DAYS": "nan", "APPLY": "1"}, "fr retention: RETENTION_DAYS='nan'"),
        ({"RETENTION_DAYS": "1", "RETENTION_WHAT": "most"}, "fr retention: RETENTION_WHAT='most'"),
    ],
)
def test_without_a_time_or_with_nonsense_nothing_goes(
    store: DBManager, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    make_old(store, 1)
    code, out, err = run(store, tmp_path, **given)
    assert (code, out) == (Exit.USAGE, "")
    assert err.startswith(said)
    assert len(purge_would(store)) == 1


def test_killed_again_and_again_it_comes_to_its_end_without_a_gap(
    store: DBManager, tmp_path: Path
) -> None:
    ids = make_old(store, 3000)
    before = 0
    for _ in range(3):
        process = command(store, tmp_path, RETENTION_DAYS="1", RETENTION_WHAT="all", APPLY="1")

        def further(before: int = before, process: Any = process) -> bool:
            gone = store.queries.count_states().get(PURGED, 0)
            return gone > before or process.poll() is not None

        until(further, 30)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert verify(store).gaps == 0
        before = store.queries.count_states().get(PURGED, 0)
    code, _, _ = run(store, tmp_path, RETENTION_DAYS="1", RETENTION_WHAT="all", APPLY="1")
    assert code == Exit.OK
    assert store.queries.count_states()[PURGED] == len(ids)
    assert store.queries.count_reports() == {True: 0, False: 0}
    assert verify(store).gaps == 0


def test_the_hub_takes_nothing_unless_it_is_told_to(store: DBManager) -> None:
    [scan_id] = make_old(store, 1)
    with running_hub(store, hub_settings(retention_days=1)):
        time.sleep(1)
    assert "voxels" in document_of(store, scan_id)
    with running_hub(store, hub_settings(retention_days=1, retention_timer=True)):
        until(lambda: "voxels" not in document_of(store, scan_id))


def test_a_timer_without_a_time_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RETENTION_DAYS", raising=False)
    with pytest.raises(SettingsError, match="RETENTION_TIMER=1 needs RETENTION_DAYS"):
        load_settings(HubSettings, "fr", ["--retention-timer", "1"])
