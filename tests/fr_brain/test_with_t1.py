"""A FLAIR scan is read together with the T1 scan of its study, in whatever order they come."""

import itertools
import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from structlog.testing import capture_logs

from common.commands.verify import verify
from common.domain.findings import Findings
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.domain.tenant import tenants_of
from common.domain.types import hash_voxels
from common.domain.with_t1 import WithT1
from common.runtime.logger import AvailabilityLog, RateLimitedLog, get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.opening import retrying_store
from fr_brain.analyzers.base import AnalysedScan, Analysis, LabelMap
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.with_t1 import T1Readings
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.factories import inside, make_scan, state_of
from tests.fr_brain.processors import NOTHING_FOUND, PlantedAnalyzer, processing
from tests.running import until

DEFAULT = tenants_of({})["default"]
STUDY = "0123456789abcdef"
CELLS = np.eye(10, dtype=np.uint8)


def read_with(t1: AnalysedScan) -> WithT1:
    """As much white matter as the T1 scan has labelled cells."""
    return WithT1(
        t1_scan=t1.scan.scan_id,
        t1_revision=t1.report.revision,
        white_matter_ml=float(t1.maps["cells"].sum()),
    )


class PairingAnalyzer(PlantedAnalyzer):
    """Reads grids as FLAIR or T1, as their headers say."""

    def __init__(self) -> None:
        super().__init__(
            lambda scan: NOTHING_FOUND.model_copy(
                update={"parameters": {"contrast": scan.contrast}}
            )
        )

    def analyse_with_overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Analysis:
        return Analysis(
            self.analyse(scan, voxels),
            labels=lambda: [LabelMap("cells", {1: "diagonal"}, CELLS)],
            with_t1=read_with if scan.contrast == "flair" else None,
            compares=("cells",),
        )


def add(store: DBManager, contrast: str, **fields: Any) -> BrainScan:
    """A scan of a study, that waits."""
    scan, voxels = make_scan(**{"study": STUDY, "contrast": contrast, **fields})
    store.scans.add([NewScan(scan, voxels)])
    return scan


def report_on(store: DBManager, scan: BrainScan) -> BrainReport:
    report = store.report_reader.get(DEFAULT, scan.key)
    assert report is not None
    return report


def t1_of(store: DBManager, scan: BrainScan) -> WithT1 | None:
    findings = report_on(store, scan).findings
    assert isinstance(findings, Findings)
    return findings.with_t1


def is_done(store: DBManager, scan: BrainScan, revision: int = 1) -> bool:
    return (
        state_of(store, scan.key) == ReportGenerated.DONE
        and report_on(store, scan).revision == revision
    )


def test_a_flair_scan_that_comes_second_is_read_with_its_t1_scan(store: DBManager) -> None:
    with processing(store, PairingAnalyzer()):
        t1 = add(store, "t1")
        until(lambda: is_done(store, t1))
        flair = add(store, "flair")
        until(lambda: is_done(store, flair))
    found = t1_of(store, flair)
    assert found is not None
    assert (found.t1_scan, found.t1_revision, found.white_matter_ml) == (t1.scan_id, 1, 10)
    assert t1_of(store, t1) is None
    assert is_done(store, flair)


def test_a_t1_scan_that_comes_second_makes_a_revision_of_the_flair_report(store: DBManager) -> None:
    analyzer = PairingAnalyzer()
    with processing(store, analyzer):
        flair = add(store, "flair")
        until(lambda: is_done(store, flair))
        assert t1_of(store, flair) is None
        t1 = add(store, "t1")
        until(lambda: is_done(store, t1) and is_done(store, flair, 2))
        again = add(store, "t1", scan_id="z-later")  # no better one
        until(lambda: is_done(store, again))
    found = t1_of(store, flair)
    assert found is not None
    assert found.t1_scan == t1.scan_id
    assert analyzer.calls.count(flair.key) == 2
    assert verify(store).gaps == 0


def test_scans_that_come_together_find_each_other(store: DBManager) -> None:
    """Several processors, in whatever order they claim the scans."""
    pairs = [
        (add(store, "flair", study=f"{n:016x}"), add(store, "t1", study=f"{n:016x}"))
        for n in range(1, 13)
    ]
    with (
        processing(store, PairingAnalyzer(), owner="one", brain_batch=1),
        processing(store, PairingAnalyzer(), owner="two", brain_batch=2),
        processing(store, PairingAnalyzer(), owner="three", brain_batch=5),
    ):
        everything = list(itertools.chain(*pairs))
        until(
            lambda: all(state_of(store, one.key) == ReportGenerated.DONE for one in everything)
            and all(t1_of(store, flair) is not None for flair, _ in pairs),
            60,
        )
        time.sleep(0.3)  # nothing more happens
    for flair, t1 in pairs:
        found = t1_of(store, flair)
        assert found is not None
        assert found.t1_scan == t1.scan_id
        assert report_on(store, flair).revision <= 2
    assert inside(store, Collection.REPORTS).count_documents({}) == 24
    assert verify(store).gaps == 0


def test_each_scan_is_read_alone_if_the_settings_say_so(store: DBManager) -> None:
    with processing(store, PairingAnalyzer(), brain_pair_t1=False):
        scans = [add(store, contrast) for contrast in ("flair", "t1")]
        until(lambda: all(is_done(store, scan) for scan in scans))
        last = add(store, "flair")
        until(lambda: is_done(store, last))
    assert t1_of(store, last) is None
    assert is_done(store, scans[0])


def readings(store: DBManager) -> T1Readings:
    log = get_log()
    retry = retrying_store(threading.Event(), AvailabilityLog(log, "MongoDB"))
    return T1Readings(store.study_scans, retry, RateLimitedLog(log))


def added(store: DBManager, analysis: Analysis, **fields: Any) -> Any:
    scan = make_scan(**{"study": STUDY, **fields})[0]
    made_by = AnalyzerId(name="planted", version="7")
    return readings(store).added(NOTHING_FOUND, analysis, scan, made_by)


def with_a_t1_scan(store: DBManager) -> None:
    with processing(store, PairingAnalyzer()):
        t1 = add(store, "t1")
        until(lambda: is_done(store, t1))


@pytest.mark.parametrize("error", [KeyError("patient"), MemoryError()], ids=repr)
def test_a_reading_that_fails_does_not_cost_the_report(store: DBManager, error: Exception) -> None:
    with_a_t1_scan(store)

    def fail(_: AnalysedScan) -> WithT1:
        raise error

    with capture_logs() as logs:
        analysis = Analysis(NOTHING_FOUND, with_t1=fail, compares=("cells",))
        assert added(store, analysis) is NOTHING_FOUND
    told = [line for line in logs if line["event"] == "not read together with its T1 scan"]
    assert [line["cause"] for line in told] == [type(error).__name__]
    assert "patient" not in str(logs)


def test_without_its_label_maps_a_t1_scan_is_not_read(store: DBManager) -> None:
    with_a_t1_scan(store)
    analysis = Analysis(NOTHING_FOUND, with_t1=read_with, compares=("cells",))
    assert added(store, analysis).with_t1 is not None
    inside(store, Collection.LABELS).delete_many({})
    assert added(store, analysis) is NOTHING_FOUND


def test_if_the_label_maps_of_the_best_t1_scan_are_lost_the_next_one_is_taken(
    store: DBManager,
) -> None:
    with processing(store, PairingAnalyzer()):
        scans = [add(store, "t1", scan_id=name) for name in ("a", "b")]
        until(lambda: all(is_done(store, scan) for scan in scans))
    analysis = Analysis(NOTHING_FOUND, with_t1=read_with, compares=("cells",))
    assert added(store, analysis).with_t1.t1_scan == "a"
    inside(store, Collection.LABELS).delete_many({"scan_id": scans[0].key})
    assert added(store, analysis).with_t1.t1_scan == "b"


def test_a_scan_without_a_study_asks_nothing_of_the_store(store: DBManager) -> None:
    analysis = Analysis(NOTHING_FOUND, with_t1=read_with, compares=("cells",))
    store.close()  # any call would fail
    assert added(store, analysis, study=None) is NOTHING_FOUND
    assert added(store, Analysis(NOTHING_FOUND)) is NOTHING_FOUND


@pytest.mark.parametrize("order", [("t1", "flair"), ("flair", "t1")])
def test_two_heads_are_read_together_from_end_to_end(
    store: DBManager, order: tuple[str, str]
) -> None:
    scans: dict[str, BrainScan] = {}
    with processing(store, VolumeAnalyzer()):
        for contrast in order:
            made = make_phantom(
                90_210, 3, (96, 108, 90), Recipe(contrast=contrast, healthy_chance=0)  # type: ignore[arg-type]
            )
            data = made.voxels.tobytes(order="F")
            scan, _ = make_scan(
                voxels=data,
                scan_type="volume",
                shape=made.voxels.shape,
                dtype=made.voxels.dtype.name,
                voxels_hash=hash_voxels(data),
                affine=made.affine,
                study=STUDY,
            )
            store.scans.add([NewScan(scan, data)])
            scans[contrast] = scan
            until(lambda scan=scan: state_of(store, scan.key) == ReportGenerated.DONE)  # type: ignore[misc]
        until(lambda: t1_of(store, scans["flair"]) is not None)
        until(lambda: state_of(store, scans["flair"].key) == ReportGenerated.DONE)
    found = t1_of(store, scans["flair"])
    assert found is not None
    assert (found.withheld, found.t1_scan) == (None, scans["t1"].scan_id)
    assert found.lesions
    assert report_on(store, scans["flair"]).revision == (1 if order[0] == "t1" else 2)
    assert inside(store, Collection.REPORTS).count_documents({}) == 2
    assert verify(store).gaps == 0
