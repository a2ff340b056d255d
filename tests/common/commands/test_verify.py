"""The ledger of the whole store: each kind of gap is found, by id."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from common.audit.verification import AuditVerifier
from common.commands.verify import StoreVerdict, show, verify
from common.errors import SettingsError
from common.runtime.console import Console
from common.runtime.lifecycle import Exit
from common.store.collections import Collection
from common.store.db_manager import DBManager
from fr_pacs.ledger import Ledger
from tests.factories import (
    LONG_AGO,
    edit,
    inside,
    make_claimable,
    make_report,
    make_reports,
    make_upload,
)

ROOT = Path(__file__).parents[3]


def write_ledger(path: Path, **events: Sequence[str]) -> Path:
    """As Fr-PACS writes it."""
    ledger = Ledger(path)
    for event, scan_ids in events.items():
        ledger.write(event, scan_ids)
    ledger.close()
    return path


def plant_gaps(store: DBManager) -> tuple[list[str], list[str]]:
    """Two ``'Done'`` scans without a report and two reports without a scan."""
    no_report = [scan.key for scan in make_claimable(store, 2)]
    for scan_id in no_report:
        edit(store, scan_id, report_generated="Done")
    no_scan = [report.key for report in make_reports(store, 2)]
    inside(store).delete_many({"_id": {"$in": no_scan}})
    return sorted(no_report), sorted(no_scan)


def run_verify(uri: str, database: str, folder: Path, **more: str) -> Any:
    """``python -m common.commands.verify`` in another folder, where no ``.env`` is."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "MONGODB_URI": uri,
        "MONGODB_DATABASE": database,
        **more,
    }
    return subprocess.run(
        [sys.executable, "-m", "common.commands.verify"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


# --- the store -----------------------------------------------------------------------------------


def test_an_empty_store_has_no_gaps(store: DBManager) -> None:
    verdict = verify(store)
    assert verdict.gaps == 0
    assert (sum(verdict.scans.values()), verdict.reports, verdict.acknowledged) == (0, 0, None)


def test_a_store_at_work_has_no_gaps_and_is_counted(store: DBManager) -> None:
    sent, *_ = make_reports(store, 3)
    store.outbox.mark_sent([sent.key])
    make_claimable(store, 4)
    claims = store.claims.claim("a", 2, 60)
    store.claims.fail(claims[0], "damaged", 0)
    verdict = verify(store)
    assert verdict.gaps == 0
    assert verdict.scans == {"To Do": 2, "In Progress": 1, "Done": 3, "Error": 1}
    assert (verdict.reports, verdict.sent) == (3, 1)


def test_a_report_before_its_scan_is_done_is_no_gap(store: DBManager) -> None:
    [report] = make_reports(store, 1)
    edit(store, report.key, report_generated="In Progress", lease_until=LONG_AGO)
    assert verify(store).gaps == 0


def test_done_scans_without_a_report_and_reports_without_a_scan_are_named(
    store: DBManager,
) -> None:
    make_reports(store, 3)
    no_report, no_scan = plant_gaps(store)
    make_claimable(store, 3)
    verdict = verify(store)
    assert sorted(verdict.done_without_report) == no_report
    assert sorted(verdict.report_without_scan) == no_scan
    assert verdict.gaps == 4


@pytest.mark.parametrize("which", ["first", "last"])
def test_a_gap_at_an_end_of_the_store_is_found(store: DBManager, which: str) -> None:
    name = {"first": "0-scan", "last": "z-scan"}[which]
    for _ in range(2):
        make_reports(store, 1)
    inside(store).insert_one({"_id": name, "report_generated": "Done"})
    inside(store, Collection.REPORTS).insert_one({"_id": f"{name}-2", "status": False})
    verdict = verify(store)
    assert verdict.done_without_report == (name,)
    assert verdict.report_without_scan == (f"{name}-2",)


def test_more_gaps_than_are_looked_at_together_are_all_found(store: DBManager) -> None:
    names = [f"scan-{i:04}" for i in range(2500)]
    inside(store).insert_many([{"_id": name, "report_generated": "Done"} for name in names])
    assert list(verify(store).done_without_report) == names


def test_a_gap_that_closes_during_the_check_is_no_gap(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("a", 1, 60)
    listed = list(store.queries.report_states())
    store.claims.complete([(claim, make_report(claim.scan))])
    monkeypatch.setattr(
        store.queries, "report_states", lambda *_: iter(listed)
    )  # as it was a moment ago
    assert verify(store).gaps == 0


# --- the ledger of Fr-PACS -----------------------------------------------------------------------


def test_acknowledged_scans_that_are_not_in_the_store_are_named(
    store: DBManager, tmp_path: Path
) -> None:
    here = [scan.key for scan in make_claimable(store, 2)]
    ledger = write_ledger(
        tmp_path / "ledger", sent=[*here, "a", "b", "c"], acknowledged=[*here, "b", "a"]
    )
    verdict = verify(store, ledger)
    assert verdict.acknowledged == 4
    assert verdict.acknowledged_missing == ("a", "b")  # c was never acknowledged
    assert verdict.gaps == 2


def test_a_report_that_came_twice_as_news_is_named(store: DBManager, tmp_path: Path) -> None:
    first, second = (report.key for report in make_reports(store, 2))
    ledger = write_ledger(
        tmp_path / "ledger", acknowledged=[first, second, first], reported=[first, second, first]
    )
    verdict = verify(store, ledger)
    assert verdict.reported_twice == (first,)
    assert (verdict.acknowledged, verdict.gaps) == (2, 1)


def test_a_last_line_that_was_cut_is_left_out(store: DBManager, tmp_path: Path) -> None:
    ledger = write_ledger(tmp_path / "ledger", acknowledged=["a", "b"])
    ledger.write_bytes(ledger.read_bytes()[:-5])
    assert verify(store, ledger).acknowledged_missing == ("a",)


def test_an_empty_ledger_is_a_ledger(store: DBManager, tmp_path: Path) -> None:
    verdict = verify(store, write_ledger(tmp_path / "ledger"))
    assert (verdict.acknowledged, verdict.gaps) == (0, 0)


@pytest.mark.parametrize(
    "content",
    [
        b"just text\n",
        b"\x93NIFTI\x00\xff\xfe\n",
        b"[1, 2]\n",
        b'"text"\n',
        b"null\n",
        b'{"event": "acknowledged"}\n',
        b'{"scan_id": "a"}\n',
        b'{"scan_id": ["a"], "event": "acknowledged"}\n',
        b'{"scan_id": {"$ne": 1}, "event": "acknowledged"}\n',
        b'{"scan_id": "a", "event": "sent"}\ncut\n{"scan_id": "b", "event": "sent"}\n',
    ],
)
def test_a_file_that_is_not_a_ledger_is_refused(
    store: DBManager, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "ledger"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="LEDGER="):
        verify(store, path)


@pytest.mark.parametrize("name", ["absent", "."])
def test_an_unreadable_ledger_is_refused(store: DBManager, tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"LEDGER='.*': cannot be read: [A-Z][a-z ]*$"):
        verify(store, tmp_path / name)


# --- what is shown -------------------------------------------------------------------------------


def shown(verdict: StoreVerdict) -> str:
    output = StringIO()
    show(verdict, Console(file=output, width=100))
    return output.getvalue()


def test_people_see_counts_and_each_gap_by_id(store: DBManager) -> None:
    assert "\n0 gaps\n" in shown(verify(store))
    [report] = make_reports(store, 1)
    inside(store, Collection.REPORTS).delete_many({})
    text = shown(verify(store))
    assert f"Done without a report: {report.key}" in text
    assert "Done without a report: make it again: make requeue ID=<scan>" in text
    assert "\n1 gap\n" in text
    assert "acknowledged (LEDGER)" not in text


def test_what_only_a_ledger_shows_has_no_count_without_one(
    store: DBManager, tmp_path: Path
) -> None:
    kinds = ("acknowledged but not in the store", "reported twice to Fr-PACS")
    without = [line for line in shown(verify(store)).splitlines() if any(k in line for k in kinds)]
    assert [line.split("│")[2].strip() for line in without] == ["-", "-"]
    assert all("(needs LEDGER=file)" in line for line in without)
    ledger = tmp_path / "ledger.jsonl"
    ledger.touch()
    checked = shown(verify(store, ledger)).splitlines()
    counts = [line.split("│")[2].strip() for line in checked if any(k in line for k in kinds)]
    assert counts == ["0", "0"]


def test_reports_that_wait_and_undeliverable_ones_are_shown_and_are_no_gaps(
    store: DBManager,
) -> None:
    assert "reports that wait" not in shown(verify(store))
    given_up, *_ = make_reports(store, 3)
    make_reports(store, 2, pacs="pacs-9")
    assert verify(store).unsent == {"pacs-1": 3, "pacs-9": 2}
    assert store.undeliverable.mark(given_up.key, "too large", 1)
    verdict = verify(store)
    assert (verdict.gaps, verdict.undeliverable) == (0, 1)
    assert verdict.unsent == {"pacs-1": 2, "pacs-9": 2}
    output = StringIO()
    show(verdict, Console(file=output, width=100, force_terminal=True, color_system="standard"))
    text = output.getvalue()
    [line] = [line for line in text.splitlines() if "undeliverable" in line]
    assert "\x1b[33m" in line
    assert "reports that wait for pacs-9" in text


def test_scans_whose_voxels_retention_has_removed_are_counted_and_are_no_gap(
    store: DBManager,
) -> None:
    old, _ = make_reports(store, 2)
    store.outbox.mark_sent([old.key])
    assert [*store.retention.purge(-1, include_report=False)]
    verdict = verify(store)
    assert (verdict.without_voxels, verdict.gaps) == (1, 0)
    assert "scans without voxels (retention)" in shown(verdict)


def test_waiting_scans_are_counted_by_type(store: DBManager) -> None:
    assert "waiting scans" not in shown(verify(store))
    make_claimable(store, 3)
    make_claimable(store, 2, scan_type="volume")
    verdict = verify(store)
    assert (verdict.waiting, verdict.gaps) == ({"grid": 3, "volume": 2}, 0)
    assert "waiting scans of type volume" in shown(verdict)


# --- the command ---------------------------------------------------------------------------------


def test_without_gaps_the_command_succeeds(
    store: DBManager, mongodb_uri: str, database: str, tmp_path: Path
) -> None:
    scan_ids = [report.key for report in make_reports(store, 2)]
    ledger = write_ledger(tmp_path / "ledger", acknowledged=scan_ids, reported=scan_ids)
    ran = run_verify(mongodb_uri, database, tmp_path, LEDGER=str(ledger))
    assert (ran.returncode, ran.stderr) == (Exit.OK, "")
    assert "0 gaps" in ran.stdout


def test_with_gaps_the_command_fails_and_lists_them_in_json(
    store: DBManager, mongodb_uri: str, database: str, tmp_path: Path
) -> None:
    no_report, no_scan = plant_gaps(store)
    ledger = write_ledger(tmp_path / "ledger", acknowledged=["lost"])
    ran = run_verify(mongodb_uri, database, tmp_path, LEDGER=str(ledger), JSON="1")
    assert (ran.returncode, ran.stderr) == (Exit.FAILED, "")
    found = json.loads(ran.stdout)
    assert sorted(found["done_without_report"]) == no_report
    assert sorted(found["report_without_scan"]) == no_scan
    assert found["acknowledged_missing"] == ["lost"]
    assert (found["gaps"], found["acknowledged"]) == (5, 1)


def test_the_command_reports_a_wrong_ledger_in_one_line(store: DBManager, tmp_path: Path) -> None:
    ran = run_verify(store.connection.uri, store.connection.name, tmp_path, LEDGER="absent")
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert ran.stderr.startswith("fr verify: LEDGER='absent'")
    assert ran.stderr.count("\n") == 1


def test_the_command_reports_a_wrong_uri_without_its_password(tmp_path: Path) -> None:
    ran = run_verify("mongodb://unit:s3cr3t/s@host/", "fr", tmp_path)
    assert ran.returncode == Exit.USAGE
    assert ran.stderr.startswith("fr verify: MONGODB_URI")
    assert "s3cr3t" not in ran.stderr + ran.stdout


def test_the_command_reports_an_unreachable_mongodb(tmp_path: Path) -> None:
    ran = run_verify("mongodb://127.0.0.1:1/", "fr", tmp_path, MONGODB_TIMEOUT_S="1")
    # Not that of a gap: the store could not be read.
    assert (ran.returncode, ran.stdout) == (Exit.UNUSABLE, "")
    assert ran.stderr.startswith("fr verify: 127.0.0.1:1")


@pytest.mark.sample(1)
@pytest.mark.parametrize("module", ["verify", "audit", "failed_scans", "retention"])
def test_a_mistyped_store_is_an_error_and_is_not_created(
    mongodb_uri: str, database: str, tmp_path: Path, module: str
) -> None:
    for place in ({"MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": database}, {"DATA_DIR": "typo"}):
        ran = subprocess.run(
            [
                sys.executable,
                "-m",
                f"common.commands.{module}",
                *(["list"] if module == "failed_scans" else []),
            ],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "RETENTION_DAYS": "1",
                **place,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
        assert ("typo" if "DATA_DIR" in place else database) in ran.stderr
    assert not (tmp_path / "typo").exists()


def test_an_index_that_nobody_declared_and_a_missing_one_are_gaps(store: DBManager) -> None:
    inside(store).create_index([("x", 1)], name="ttl", expireAfterSeconds=1)
    inside(store).drop_index("blob")
    wrong = verify(store).schema_wrong
    assert len(wrong) == 2
    assert any("brain_scans.ttl (it removes documents" in line for line in wrong)
    assert "index brain_scans.blob" in wrong


def test_missing_and_changed_voxels_are_gaps(store: DBManager) -> None:
    new, _ = make_upload(store)
    store.scans.add([new])
    chunks = inside(store, Collection.CHUNKS)
    assert verify(store).gaps == 0
    chunks.update_one({"_id.n": 1}, {"$set": {"voxels": b"x"}})
    seen: list[int] = []
    assert verify(store).gaps == 0
    deep = verify(store, deep=True, progress=seen.append)
    assert (deep.voxels_damaged, deep.hashed, seen) == ((new.scan.key,), 1, [1])
    chunks.delete_one({"_id.n": 1})
    assert verify(store).voxels_missing == (new.scan.key,)


def test_what_a_ledger_says_of_a_damaged_scan_that_kept_its_id_counts_once(
    store: DBManager, tmp_path: Path
) -> None:
    inside(store).insert_one({"_id": "damaged", "report_generated": "Error"})
    ledger = write_ledger(tmp_path / "ledger", acknowledged=["damaged"], reported=["damaged"])
    verdict = verify(store, ledger)
    assert (verdict.acknowledged, verdict.gaps) == (1, 0)


@pytest.mark.parametrize(
    "change", [{"$unset": {"report_generated": True}}, {"$set": {"report_generated": "odd"}}]
)
def test_a_scan_without_a_known_state_is_a_gap_and_can_be_erased(
    store: DBManager, change: dict[str, object]
) -> None:
    damaged, other = (scan.key for scan in make_claimable(store, 2))
    inside(store).update_one({"_id": damaged}, change)
    verdict = verify(store)
    assert (verdict.state_unknown, verdict.gaps) == ((damaged,), 1)
    AuditVerifier(store).run()
    assert store.erasure.erase([damaged]) == 1
    assert verify(store).gaps == 0
    assert [claim.scan.key for claim in store.claims.claim("owner", 10, 30)] == [other]
