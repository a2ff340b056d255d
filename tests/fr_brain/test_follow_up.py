"""A report says what changed since the subject's previous scan, on a real MongoDB."""

import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from structlog.testing import capture_logs

from common.commands.verify import verify
from common.domain.findings import Findings
from common.domain.follow_up import FollowUp
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.domain.tenant import tenants_of
from common.domain.types import hash_voxels
from common.runtime.logger import AvailabilityLog, RateLimitedLog, get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.opening import retrying_store
from fr_brain.analyzers.base import Analysis, EarlierScan, LabelMap
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.follow_up import FollowUps
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.factories import inside, make_scan
from tests.fr_brain.processors import NOTHING_FOUND, PlantedAnalyzer, in_state, processing
from tests.running import until

DEFAULT = tenants_of({})["default"]
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
CELLS = np.eye(10, dtype=np.uint8)


def change(earlier: EarlierScan) -> FollowUp:
    """As many new lesions as the earlier scan has labelled cells."""
    return FollowUp(
        previous_scan=earlier.scan.scan_id,
        previous_revision=earlier.report.revision,
        previous_acquired_at=earlier.scan.acquired_at or NOW,
        days=1,
        new=int(sum(array.sum() for array in earlier.maps.values())),
    )


class ComparingAnalyzer(PlantedAnalyzer):
    """Compares grids."""

    def __init__(self, findings: Findings = NOTHING_FOUND) -> None:
        super().__init__(lambda _: findings)

    def analyse_with_overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Analysis:
        return Analysis(
            self.analyse(scan, voxels),
            labels=lambda: [LabelMap("cells", {1: "diagonal"}, CELLS)],
            follow_up=change,
            compares=("cells",),
        )


def add(store: DBManager, days: int, **fields: Any) -> BrainScan:
    """A scan of sub-01, acquired so many days before NOW, that waits."""
    scan, voxels = make_scan(
        **{"subject": "sub-01", "acquired_at": NOW - timedelta(days=days), **fields}
    )
    store.scans.add([NewScan(scan, voxels)])
    return scan


def follow_up_of(store: DBManager, scan: BrainScan) -> FollowUp | None:
    report = store.report_reader.get(DEFAULT, scan.key)
    assert report is not None
    assert isinstance(report.findings, Findings)
    return report.findings.follow_up


def read_in_turn(store: DBManager, *days: int, **fields: Any) -> list[BrainScan]:
    """Scans whose reports come one after the other."""
    scans = []
    with processing(store, ComparingAnalyzer()):
        for n, day in enumerate(days, 1):
            scans.append(add(store, day, **fields))
            until(lambda n=n: in_state(store, ReportGenerated.DONE) == n)  # type: ignore[misc]
    return scans


def test_a_scan_is_compared_with_the_one_before(store: DBManager) -> None:
    first, second, third = read_in_turn(store, 400, 300, 200)
    assert follow_up_of(store, first) is None
    found = follow_up_of(store, third)
    assert found is not None
    assert (found.previous_scan, found.previous_revision) == (second.scan_id, 1)
    assert found.previous_acquired_at == second.acquired_at
    assert found.new == 10


def test_two_scans_that_are_analysed_at_the_same_time_are_compared(store: DBManager) -> None:
    scans = [add(store, days, scan_id=f"day-{days}") for days in (100, 200, 300)]
    with (
        processing(store, ComparingAnalyzer(), owner="one", brain_batch=1),
        processing(store, ComparingAnalyzer(), owner="two", brain_batch=2),
    ):
        until(
            lambda: in_state(store, ReportGenerated.DONE) == 3
            and follow_up_of(store, scans[0]) is not None
            and follow_up_of(store, scans[1]) is not None
        )
    for scan, earlier in itertools.pairwise(scans):
        found = follow_up_of(store, scan)
        assert found is not None
        assert found.previous_scan == earlier.scan_id
    assert follow_up_of(store, scans[2]) is None
    assert inside(store, Collection.REPORTS).count_documents({}) == 3
    assert verify(store).gaps == 0


def test_a_previous_scan_that_comes_later_changes_nothing_if_the_settings_say_so(
    store: DBManager,
) -> None:
    with processing(store, ComparingAnalyzer(), brain_compare_again=False):
        later = add(store, 100)
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
        add(store, 200)
        until(lambda: in_state(store, ReportGenerated.DONE) == 2)
    assert follow_up_of(store, later) is None
    assert inside(store, Collection.SCANS).count_documents({"revision": {"$exists": True}}) == 0


def test_an_analyzer_that_compares_nothing_reads_no_scan_again(store: DBManager) -> None:
    with processing(store, PlantedAnalyzer(lambda _: NOTHING_FOUND)):
        for n, days in enumerate((100, 200), 1):
            add(store, days)
            until(lambda n=n: in_state(store, ReportGenerated.DONE) == n)  # type: ignore[misc]
    assert inside(store, Collection.SCANS).count_documents({"revision": {"$exists": True}}) == 0


def test_scans_without_a_subject_are_not_compared(store: DBManager) -> None:
    scans = read_in_turn(store, 400, 300, subject=None)
    assert [follow_up_of(store, scan) for scan in scans] == [None, None]


def test_label_maps_that_are_gone_are_as_if_there_were_none(store: DBManager) -> None:
    read_in_turn(store, 400)
    inside(store, Collection.LABELS).delete_many({})
    with processing(store, ComparingAnalyzer()):
        scan = add(store, 300)
        until(lambda: in_state(store, ReportGenerated.DONE) == 2)
    found = follow_up_of(store, scan)
    assert found is not None
    assert found.new == 0


def follow_ups(store: DBManager) -> FollowUps:
    log = get_log()
    retry = retrying_store(threading.Event(), AvailabilityLog(log, "MongoDB"))
    return FollowUps(store.earlier_scans, retry, RateLimitedLog(log))


def added(store: DBManager, findings: Findings, analysis: Analysis, version: str = "7") -> Any:
    scan = make_scan(subject="sub-01", acquired_at=NOW)[0]
    made_by = AnalyzerId(name="planted", version=version)
    return follow_ups(store).added(findings, analysis, scan, made_by)


def test_only_what_the_same_analyzer_read_as_the_same_contrast_is_compared(
    store: DBManager,
) -> None:
    read_in_turn(store, 400)
    same = Analysis(NOTHING_FOUND, follow_up=change)
    assert added(store, NOTHING_FOUND, same).follow_up is not None
    assert added(store, NOTHING_FOUND, same, version="8").follow_up is None
    t1 = NOTHING_FOUND.model_copy(update={"parameters": {"contrast": "t1"}})
    assert added(store, t1, same).follow_up is None
    assert added(store, NOTHING_FOUND, Analysis(NOTHING_FOUND)).follow_up is None


@pytest.mark.parametrize("error", [KeyError("patient"), MemoryError()], ids=repr)
def test_a_comparison_that_fails_does_not_cost_the_report(
    store: DBManager, error: Exception
) -> None:
    read_in_turn(store, 400)

    def fail(_: EarlierScan) -> FollowUp:
        raise error

    with capture_logs() as logs:
        assert added(store, NOTHING_FOUND, Analysis(NOTHING_FOUND, follow_up=fail)) is NOTHING_FOUND
        flushing = [line for line in logs if "no comparison" in line["event"]]
    assert [line["cause"] for line in flushing] == [type(error).__name__]
    assert "patient" not in str(logs)


def test_two_heads_are_compared_from_end_to_end(store: DBManager) -> None:
    made = make_phantom(90_210, 3, (96, 108, 90), Recipe(healthy_chance=0))
    scans = []
    with processing(store, VolumeAnalyzer()):
        for n, day in enumerate((365, 0), 1):
            voxels = made.voxels + np.array(n - 1, made.voxels.dtype)  # another image
            data = voxels.tobytes(order="F")
            scan, _ = make_scan(
                voxels=data,
                scan_type="volume",
                shape=made.voxels.shape,
                dtype=made.voxels.dtype.name,
                voxels_hash=hash_voxels(data),
                affine=made.affine,
                subject="sub-01",
                acquired_at=NOW - timedelta(days=day),
            )
            store.scans.add([NewScan(scan, data)])
            scans.append(scan)
            until(lambda n=n: in_state(store, ReportGenerated.DONE) == n)  # type: ignore[misc]
    report = store.report_reader.get(DEFAULT, scans[1].key)
    assert isinstance(report, BrainReport)
    assert isinstance(report.findings, Findings)
    found = report.findings.follow_up
    assert found is not None
    assert found.withheld is None
    assert (found.new, found.grown, found.shrunk, found.gone) == (0, 0, 0, 0)
    assert found.stable
    assert found.days == 365
