"""One scan on a real MongoDB: it gets its report, or an 'Error' with a cause."""

import dataclasses
import os
import threading
from collections.abc import Sequence
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from common.domain.findings import Findings
from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.states import ReportGenerated
from common.domain.tenant import tenants_of
from common.domain.types import hash_voxels
from common.domain.voxel_compression import pack
from common.runtime.logger import AvailabilityLog, RateLimitedLog, get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Claim, NewScan
from common.store.opening import retrying_store
from common.store.unit_parts import brain_parts
from fr_brain import analysis
from fr_brain.analysis import Analysed, AnalysisFailure, AnalyzerMissing, ScanAnalysis
from fr_brain.analyzers.base import Analysis, Analyzer, LabelMap
from fr_brain.analyzers.grid import GridAnalyzer
from fr_brain.completion import Completion
from fr_brain.current_scan import CurrentScan
from fr_brain.limits import resident_mib
from fr_brain.prefetch import Prefetcher
from fr_brain.voxels import voxels_of
from tests.factories import (
    document_of,
    edit,
    inside,
    make_claimable,
    make_scan,
    make_upload,
    pieces_of,
)
from tests.fr_brain.processors import (
    NOTHING_FOUND,
    QUICK_S,
    PlantedAnalyzer,
    brain_settings,
    in_state,
    processing,
    registry_of,
)
from tests.running import until

LIMIT_MIB = 300


def scan_analysis(
    store: DBManager, current_scan: CurrentScan, *analyzers: Analyzer
) -> ScanAnalysis:
    """With these analyzers, a memory limit, and pictures."""
    log = get_log()
    return ScanAnalysis(
        brain_settings(brain_memory_mib=LIMIT_MIB, brain_pictures=True),
        brain_parts(store),
        registry_of(*analyzers),
        Prefetcher(lambda claim: voxels_of(claim, claim.voxels or b""), 0),
        current_scan,
        retrying_store(threading.Event(), AvailabilityLog(log, "MongoDB")),
        log,
        RateLimitedLog(log),
    )


@pytest.fixture
def current_scan() -> CurrentScan:
    return CurrentScan.shared(get_context("spawn"))


def test_the_supervisor_sees_the_analyzer_and_the_caller_hears_once_the_voxels_are_there(
    store: DBManager, current_scan: CurrentScan
) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("me", 1, 60)
    seen = []

    def look(_: BrainScan) -> Findings:
        seen.append(current_scan.read())
        return NOTHING_FOUND

    with current_scan.working_on(claim.scan.key, claim.fence):
        run = scan_analysis(store, current_scan, PlantedAnalyzer(look)).run
        report = run(claim, lambda: seen.append(current_scan.read()))
    assert isinstance(report, Analysed)
    loaded, analysing = seen
    assert loaded is not None
    assert (loaded.analyzer, loaded.began) == ("", 0.0)
    assert analysing is not None
    assert analysing.analyzer == "planted 7"
    assert analysing.began > 0
    assert report.report.picture_hash is not None
    stored = inside(store, Collection.PICTURES).count_documents({})
    assert stored == 1


def test_a_picture_that_fails_does_not_cost_the_report(
    store: DBManager, current_scan: CurrentScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise ValueError

    monkeypatch.setattr(analysis, "illustrate", fail)
    make_claimable(store, 1)
    [claim] = store.claims.claim("me", 1, 60)
    report = scan_analysis(store, current_scan, PlantedAnalyzer()).run(claim, lambda: None)
    assert isinstance(report, Analysed)
    assert report.report.picture_hash is None


class LabellingAnalyzer(PlantedAnalyzer):
    """Offers these label maps."""

    def __init__(self, *maps: LabelMap) -> None:
        super().__init__()
        self._maps = maps

    def analyse_with_overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Analysis:
        return Analysis(self.analyse(scan, voxels), labels=lambda: self._maps)


CELLS = np.eye(10, dtype=np.uint8)


def test_label_maps_are_stored_with_the_report(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    with processing(store, LabellingAnalyzer(LabelMap("cells", {1: "diagonal"}, CELLS))):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    found = store.labels.find(tenants_of({})["default"], scan.key)
    assert found is not None
    [one] = found.maps
    assert (one.name, one.values[0].meaning, one.values[0].voxels) == ("cells", "diagonal", 10)
    assert b"".join(store.labels.read(found, one)) == CELLS.tobytes(order="F")


def test_none_are_stored_if_the_settings_say_so(store: DBManager) -> None:
    make_claimable(store, 1)
    labelling = LabellingAnalyzer(LabelMap("cells", {1: "diagonal"}, CELLS))
    with processing(store, labelling, brain_label_maps=False):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    assert inside(store, Collection.LABELS).count_documents({}) == 0


def test_label_maps_that_break_a_rule_do_not_cost_the_report(
    store: DBManager, current_scan: CurrentScan
) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("me", 1, 60)
    labelling = LabellingAnalyzer(LabelMap("cells", {}, CELLS))
    found = scan_analysis(store, current_scan, labelling).run(claim, lambda: None)
    assert isinstance(found, Analysed)
    assert found.labels is None


def test_large_label_maps_end_a_batch(store: DBManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fr_brain.processor.LABELS_HELD_BYTES", 1)
    make_claimable(store, 3)
    batches: list[int] = []
    complete = Completion.complete

    def counted(self: Completion, done: Sequence[tuple[Claim, Analysed]]) -> None:
        batches.append(len(done))
        complete(self, done)

    monkeypatch.setattr(Completion, "complete", counted)
    labelling = LabellingAnalyzer(LabelMap("cells", {1: "diagonal"}, CELLS))
    with processing(store, labelling, seconds_per_scan=QUICK_S):
        until(lambda: in_state(store, ReportGenerated.DONE) == 3)
    assert [count for count in batches if count] == [1, 1, 1]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (KeyError("x"), AnalysisFailure("the analyzer failed: KeyError")),
        (SystemExit(2), AnalysisFailure("the analyzer failed: SystemExit")),
        (KeyboardInterrupt("x"), AnalysisFailure("the analyzer failed: KeyboardInterrupt")),
        (
            MemoryError(),
            AnalysisFailure(
                "analyzer planted 7: stopped at its memory limit of 300 MiB (BRAIN_MEMORY_MIB)",
                out_of_memory=True,
            ),
        ),
    ],
)
def test_whatever_an_analyzer_raises_is_a_failure_with_its_cause(
    store: DBManager, current_scan: CurrentScan, error: BaseException, failure: AnalysisFailure
) -> None:
    def fail(_: BrainScan) -> Findings:
        raise error

    make_claimable(store, 1)
    [claim] = store.claims.claim("me", 1, 60)
    result = scan_analysis(store, current_scan, PlantedAnalyzer(fail)).run(claim, lambda: None)
    assert result == failure


def test_the_report_has_the_hash_of_the_voxels_that_the_analyzer_got(
    store: DBManager, current_scan: CurrentScan
) -> None:
    mine, other = (NewScan(*make_scan(voxels=bytes([n] * 100))) for n in range(2))
    store.scans.add([mine, other])
    claims = {claim.scan.key: claim for claim in store.claims.claim("me", 2, 60)}
    claim, wrong = claims[mine.scan.key], claims[other.scan.key]
    made = scan_analysis(store, current_scan, PlantedAnalyzer())
    report = made.run(claim, lambda: None)
    assert isinstance(report, Analysed)
    assert report.report.voxels_hash == hash_voxels(bytes(100))
    # Another scan's voxels under this scan's header are damage, wherever they were mixed up.
    made._prefetcher.take = lambda claim: voxels_of(claim, wrong.voxels or b"")  # type: ignore[method-assign]
    failure = made.run(claim, lambda: None)
    assert isinstance(failure, AnalysisFailure)
    assert "damaged" in failure.cause


def test_findings_that_cannot_be_stored_are_a_failure(
    store: DBManager, current_scan: CurrentScan
) -> None:
    make_claimable(store, 1)
    [claim] = store.claims.claim("me", 1, 60)
    huge = NOTHING_FOUND.quality.model_copy(update={"reasons": ("x" * 2**20,)})
    findings = NOTHING_FOUND.model_copy(update={"quality": huge})
    made = scan_analysis(store, current_scan, PlantedAnalyzer(lambda _: findings))
    failure = made.run(claim, lambda: None)
    assert isinstance(failure, AnalysisFailure)
    assert "report has room for" in failure.cause


def test_without_an_analyzer_nothing_is_said_about_the_scan(
    store: DBManager, current_scan: CurrentScan
) -> None:
    make_claimable(store, 1, scan_type="ecg")
    [claim] = store.claims.claim("me", 1, 60)
    missing = scan_analysis(store, current_scan, PlantedAnalyzer()).run(claim, lambda: None)
    assert missing == AnalyzerMissing("ecg", "no analyzer reads this type")


def test_an_analyzer_that_cannot_be_imported_is_the_hosts_fault_unless_it_has_worked_there(
    store: DBManager, current_scan: CurrentScan
) -> None:
    def imports(scan: BrainScan) -> Findings:
        if scan.subject != "good":
            raise ModuleNotFoundError("gone")
        return NOTHING_FOUND

    first, second, third = make_claimable(store, 3)
    edit(store, second.key, **{"scan.subject": "good"})
    one, good, other = store.claims.claim("me", 3, 60)
    made = scan_analysis(store, current_scan, PlantedAnalyzer(imports))
    cause = "the analyzer failed: ModuleNotFoundError"
    assert made.run(one, lambda: None) == AnalyzerMissing("grid", cause)
    assert made.run(one, lambda: None) == AnalysisFailure(cause)  # it may be this scan after all
    assert isinstance(made.run(good, lambda: None), Analysed)
    assert made.run(other, lambda: None) == AnalysisFailure(cause)
    assert (first.key, third.key) == (one.scan.key, other.scan.key)


def test_memory_is_exhausted_while_more_than_half_of_the_limit_is_occupied(
    store: DBManager, current_scan: CurrentScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scan_analysis(store, current_scan, PlantedAnalyzer())
    occupied = resident_mib(os.getpid())
    monkeypatch.setattr(made, "_limit_mib", 4 * occupied)
    assert not made.memory_is_exhausted()
    monkeypatch.setattr(made, "_limit_mib", occupied)
    assert made.memory_is_exhausted()


# --- in a processor ------------------------------------------------------------------------------


def report_of(store: DBManager, scan_id: str) -> BrainReport | None:
    """A scan's report, as it is stored."""
    found = document_of(store, scan_id, Collection.REPORTS)
    return found and BrainReport.model_validate(found["report"])


def test_each_scan_gets_a_report_and_is_done(store: DBManager) -> None:
    scans = make_claimable(store, 20)
    with processing(store, GridAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 20)
    assert store.queries.count_reports() == {True: 0, False: 20}
    for scan in scans:
        report = report_of(store, scan.key)
        assert report is not None
        assert (report.key, report.pacs, report.scan_type) == (scan.key, "pacs-1", "grid")
        assert (report.voxels_hash, report.shape) == (scan.voxels_hash, scan.shape)
        assert (report.analyzer.name, report.analyzer.version) == ("grid", "1")
        assert report.findings.lesions is not None
        assert report.findings.lesions.count == 99
        assert report.run_time_ms >= 0


def test_a_large_scan_is_assembled_from_its_chunks(store: DBManager) -> None:
    new, voxels = make_upload(store)
    store.scans.add([new])
    with processing(store, GridAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    report = report_of(store, new.scan.key)
    assert report is not None
    assert report.findings.lesions is not None
    assert report.findings.lesions.count == len(voxels) - voxels.count(0)


def test_a_compressed_scan_is_decompressed(store: DBManager) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 8000, shape=(1000, 2000))
    packed = pack(voxels, 1)
    assert packed is not None
    blob = store.uploads.begin()
    store.uploads.add_chunks(blob, 0, pieces_of(packed[0]))
    store.scans.add([NewScan(scan, blob=blob, packing=packed[1])])
    with processing(store, GridAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    report = report_of(store, scan.key)
    assert report is not None
    assert report.findings.lesions is not None
    assert report.findings.lesions.count == len(voxels) - voxels.count(0)


def test_a_payload_of_other_voxels_ends_in_an_error(store: DBManager) -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 8000, shape=(1000, 2000))
    packed = pack(voxels[::-1], 1)  # intact, but not what the header declares
    assert packed is not None
    blob = store.uploads.begin()
    store.uploads.add_chunks(blob, 0, pieces_of(packed[0]))
    store.scans.add([NewScan(scan, blob=blob, packing=packed[1])])
    with processing(store, GridAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    assert store.queries.count_reports() == {True: 0, False: 0}


def test_a_scan_on_which_the_analyzer_fails_is_retried_and_then_moves_to_error(
    store: DBManager, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(scan: BrainScan) -> Findings:
        raise RuntimeError(scan.subject)

    analyzer = PlantedAnalyzer(fail)
    [scan] = make_claimable(store, 1, subject="JANE-DOE-1970")
    with processing(store, analyzer, brain_attempts=3):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    assert analyzer.calls == [scan.key] * 3
    [(scan_id, cause, _)] = store.queries.errors()
    assert (scan_id, cause) == (scan.key, "the analyzer failed: RuntimeError")
    assert store.queries.count_reports() == {True: 0, False: 0}
    output = capfd.readouterr()
    assert "RuntimeError" in output.out
    assert "JANE" not in output.out + output.err  # in debug lines too: it may quote a patient


def test_a_scan_that_fails_once_gets_its_report_at_the_second_attempt(store: DBManager) -> None:
    def fail_first(_: BrainScan) -> Findings:
        if len(analyzer.calls) == 1:
            raise MemoryError
        return NOTHING_FOUND

    analyzer = PlantedAnalyzer(fail_first)
    [scan] = make_claimable(store, 1)
    with processing(store, analyzer):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    assert "error" not in document_of(store, scan.key)


def test_an_analyzer_that_returns_no_findings_has_failed(store: DBManager) -> None:
    make_claimable(store, 1)
    analyzer = PlantedAnalyzer(lambda _: "all is well")  # type: ignore[arg-type, return-value]
    with processing(store, analyzer):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    [(_, cause, _)] = store.queries.errors()
    assert cause == "the analyzer returned str instead of findings"


@pytest.mark.parametrize("damage", ["flipped", "missing", "short"])
def test_a_damaged_chunk_ends_in_an_error_and_no_report(store: DBManager, damage: str) -> None:
    new, _ = make_upload(store)
    store.scans.add([new])
    chunks = inside(store, Collection.CHUNKS)
    second = {"_id": {"blob": new.blob, "n": 1}}
    voxels = bytearray(chunks.find_one(second)["voxels"])  # type: ignore[index]
    if damage == "missing":
        chunks.delete_one(second)
    else:
        voxels[5] ^= 1
        kept = bytes(voxels if damage == "flipped" else voxels[:-1])
        chunks.update_one(second, {"$set": {"voxels": kept}})
    analyzer = PlantedAnalyzer()
    with processing(store, analyzer):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    [(_, cause, _)] = store.queries.errors()
    assert cause.startswith("stored voxels are damaged: ")
    assert analyzer.calls == []
    assert store.queries.count_reports() == {True: 0, False: 0}
    assert document_of(store, new.scan.key)["attempts"] == 1  # another attempt cannot repair it


def test_damaged_voxels_inside_the_scan_end_in_an_error_too(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    edit(store, scan.key, voxels=bytes(100))
    with processing(store, PlantedAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
    assert store.queries.count_reports() == {True: 0, False: 0}


def test_an_analyzer_that_was_chosen_reads_the_scan(
    store: DBManager, current_scan: CurrentScan
) -> None:
    class Older(PlantedAnalyzer):
        version, priority = "6", -1

    [scan] = make_claimable(store, 1)
    [claim] = store.claims.claim("me", 1, 60)
    analysis = scan_analysis(store, current_scan, PlantedAnalyzer(), Older())
    for chosen, version in ((None, "7"), ("planted 6", "6")):
        found = analysis.run(dataclasses.replace(claim, analyzer=chosen), lambda: None)
        assert isinstance(found, Analysed)
        assert found.report.analyzer.version == version
    gone = analysis.run(dataclasses.replace(claim, analyzer="planted 5"), lambda: None)
    assert isinstance(gone, AnalysisFailure)
    assert gone.final
    assert scan.key == claim.key
