"""The latest earlier scan of a subject is found, and nobody else's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_brain.analyzers.base import LabelMap
from fr_brain.label_maps import pack_maps
from tests.factories import edit, inside, make_report, make_scan

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STUDY = "0123456789abcdef"
GRID = np.asfortranarray(np.arange(100, dtype=np.uint8).reshape(10, 10) % 3)


def scan_of(days: float | None, **fields: Any) -> BrainScan:
    """A scan of sub-01, acquired so many days before NOW; None: nobody knows when."""
    at = None if days is None else NOW - timedelta(days=days)
    return make_scan(**{"subject": "sub-01", "acquired_at": at, **fields})[0]


def done(store: DBManager, days: float | None, *maps: LabelMap, **fields: Any) -> BrainScan:
    """The same, stored with its report and these label maps."""
    scan = scan_of(days, **fields)
    store.scans.add([NewScan(scan, bytes(range(100)))])
    [claim] = store.claims.claim("me", 1, 60)
    packed = pack_maps(maps, scan)
    labels = {} if packed is None else {claim.key: packed}
    assert store.claims.complete([(claim, make_report(scan))], labels=labels) == set()
    return scan


def found(store: DBManager, scan: BrainScan) -> str | None:
    earlier = store.earlier_scans.latest_before(scan, lambda _: True)
    return None if earlier is None else earlier.scan.scan_id


def test_the_latest_of_the_scans_before_is_found_in_whatever_order_they_came(
    store: DBManager,
) -> None:
    middle = done(store, 30)
    done(store, 400)
    done(store, -5)  # acquired later
    assert found(store, scan_of(0)) == middle.scan_id
    assert found(store, scan_of(500)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "sub-02"},
        {"subject": None},
        {"pacs": "pacs-2"},
        {"scan_type": "planted"},
        {"days": None},
        {"days": 0.2, "study": None},  # on the same day
        {"study": STUDY},
    ],
    ids=str,
)
def test_other_scans_are_not_earlier_ones(store: DBManager, fields: dict[str, Any]) -> None:
    done(store, **{"days": 30, **fields})
    assert found(store, scan_of(0, study=STUDY)) is None


def test_a_scan_needs_a_subject_and_a_time(store: DBManager) -> None:
    done(store, 30)
    assert found(store, scan_of(0)) is not None
    assert found(store, scan_of(None)) is None
    assert found(store, scan_of(0, subject=None)) is None


def test_the_caller_says_which_report_will_do(store: DBManager) -> None:
    older, newer = done(store, 60), done(store, 30)

    def accepts(report: BrainReport) -> bool:
        return report.scan_id == older.scan_id

    earlier = store.earlier_scans.latest_before(scan_of(0), accepts)
    assert earlier is not None
    assert earlier.scan == older
    assert newer.scan_id != older.scan_id
    assert store.earlier_scans.latest_before(scan_of(0), lambda _: False) is None


def test_reports_that_will_not_do_hide_no_other(store: DBManager) -> None:
    wanted = done(store, 60)
    for n in range(12):  # such as the T1 scans of many examinations
        done(store, 30 + n)
    earlier = store.earlier_scans.latest_before(
        scan_of(0), lambda report: report.scan_id == wanted.scan_id
    )
    assert earlier is not None
    assert earlier.scan == wanted


def test_a_report_that_names_another_scan_is_passed_over(store: DBManager) -> None:
    older, damaged = done(store, 60), done(store, 30)
    change = {"$set": {"report.scan_id": "another"}}
    inside(store, Collection.REPORTS).update_one({"_id": damaged.key}, change)
    assert found(store, scan_of(0)) == older.scan_id


def test_a_scan_without_a_report_or_with_a_damaged_header_is_passed_over(store: DBManager) -> None:
    older, failed, damaged = done(store, 60), done(store, 20), done(store, 10)
    edit(store, failed.key, report_generated="Error")
    store.scans.add([NewScan(scan_of(5), bytes(range(100)))])
    edit(store, damaged.key, **{"scan.shape": "none"})
    assert found(store, scan_of(0)) == older.scan_id


def test_a_report_counts_before_its_scan_is_done(store: DBManager) -> None:
    earlier = done(store, 30)
    edit(store, earlier.key, report_generated="In Progress")
    assert found(store, scan_of(0)) == earlier.scan_id
    edit(store, earlier.key, report_generated="Done")
    assert store.revisions.schedule_reanalysis([earlier.key], 1) == 1
    assert found(store, scan_of(0)) == earlier.scan_id


def test_a_scan_of_the_first_day_of_year_1_has_none_before(store: DBManager) -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    done(store, None, acquired_at=first)
    assert found(store, scan_of(None, acquired_at=first + timedelta(hours=1))) is None
    assert found(store, scan_of(0)) is not None
