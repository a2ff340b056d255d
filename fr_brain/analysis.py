"""One scan: from its voxels to its report, or to the reason why it has none."""

import gc
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import Retrying

from common.domain.finding_kinds import AnyFindings
from common.domain.label_maps import PackedMaps
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels
from common.errors import AnalysisError, StoreUnavailable, VoxelsDamaged
from common.runtime.logger import Log, RateLimitedLog
from common.settings.brain import BrainSettings
from common.store.documents import Claim
from common.store.unit_parts import BrainStore
from fr_brain.analyzers.base import Analysis
from fr_brain.analyzers.registry import Registry
from fr_brain.analyzers.running import analyse_scan
from fr_brain.current_scan import CurrentScan
from fr_brain.findings_check import checked_findings
from fr_brain.follow_up import FollowUps
from fr_brain.input_quality import with_input_problems
from fr_brain.label_maps import pack_maps
from fr_brain.limits import memory_limit_mib, resident_mib
from fr_brain.misfits import with_misfits
from fr_brain.pictures.illustration import illustrate
from fr_brain.prefetch import Prefetcher
from fr_brain.voxels import Voxels, checked_hash, voxels_of
from fr_brain.with_t1 import T1Readings


@dataclass(frozen=True, slots=True)
class Analysed:
    """What an analysis gives."""

    report: BrainReport
    labels: PackedMaps | None = None
    """The label maps to store with the report, if there are any."""
    compares: bool = False
    """Whether its analyzer compares the scan with earlier ones."""


@dataclass(frozen=True, slots=True)
class AnalysisFailure:
    """Why this attempt gives no report."""

    cause: str
    final: bool = False
    """No other attempt can succeed."""
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class AnalyzerMissing:
    """The analyzer of this type cannot be run here, which says nothing about the scan."""

    scan_type: str
    cause: str


class ScanAnalysis:
    """Analyses a claimed scan with the analyzer of its type.

    Owns everything that happens to one scan in memory; what becomes of its claim is up to the
    caller.

    Args:
        store: where voxels are fetched from, and pictures go to.
        prefetcher: may have the voxels already.
        current_scan: tells the supervisor which analyzer runs.
        retry: repeats a call to the store while MongoDB is unreachable.
    """

    def __init__(
        self,
        settings: BrainSettings,
        store: BrainStore,
        registry: Registry,
        prefetcher: Prefetcher,
        current_scan: CurrentScan,
        retry: Retrying,
        log: Log,
        limited_log: RateLimitedLog,
    ) -> None:
        self._pictures = settings.brain_pictures
        self._label_maps = settings.brain_label_maps
        self._limit_mib = memory_limit_mib(settings.brain_memory_mib, settings.brain_processes)
        self._store = store
        self._registry = registry
        self._prefetcher = prefetcher
        self._current_scan = current_scan
        self._retry = retry
        self._log = log
        self._limited_log = limited_log
        self._pair = settings.brain_pair_t1
        self._follow_ups = FollowUps(store.earlier_scans, retry, limited_log)
        self._t1_readings = T1Readings(store.study_scans, retry, limited_log)
        self._have_run: set[str] = set()  # analyzers, by name
        self._excused: set[str] = set()  # scans, by key

    def run(
        self, claim: Claim, when_loaded: Callable[[], None]
    ) -> Analysed | AnalysisFailure | AnalyzerMissing:
        """Analyse a scan; ``when_loaded`` is called before the analyzer is, once the voxels are
        there.

        Raises:
            StoreUnavailable: MongoDB was unreachable until the processor was told to stop.
        """
        scan_id = claim.key
        stage = "its processor"
        if claim.analyzer is not None:
            analyzer = self._registry.chosen(claim.analyzer, claim.scan.scan_type)
            if analyzer is None:
                return AnalysisFailure("the analyzer that was chosen does not read it", final=True)
        else:
            analyzer = self._registry.by_type.get(claim.scan.scan_type)
        if analyzer is None:
            return AnalyzerMissing(claim.scan.scan_type, "no analyzer reads this type")
        try:
            voxels = self._load(claim)
            voxels_hash = checked_hash(claim, voxels)
            when_loaded()
            made_by = AnalyzerId(name=analyzer.name, version=analyzer.version)
            stage = f"analyzer {made_by.name} {made_by.version}"
            began = time.perf_counter()
            with self._current_scan.analysing(made_by):
                analysis = analyse_scan(
                    analyzer,
                    claim.scan,
                    voxels,
                    with_overlay=self._pictures,
                    with_labels=self._label_maps,
                )
            took_ms = (time.perf_counter() - began) * 1000
            self._have_run.add(analyzer.name)
            findings = checked_findings(analysis.findings)
            compares = analysis.follow_up is not None
            if compares or analysis.with_t1 is not None:
                with self._current_scan.analysing(made_by):
                    findings = self._compared(findings, analysis, claim.scan, made_by)
            report = BrainReport.of(
                claim.scan,
                with_input_problems(findings, claim.scan.problems),
                made_by,
                run_time_ms=took_ms,
                revision=claim.revision,
                voxels_hash=voxels_hash,
            )
            with_picture = self._pictures and claim.scan.kind == "image"
            if not with_picture and (analysis.labels is None or not self._label_maps):
                return Analysed(report, compares=compares)
            # Label maps and the picture count against the analyzer's limits.
            with self._current_scan.analysing(made_by):
                labels = self._packed_labels(analysis, claim.scan)
                if with_picture:
                    report = self._with_picture(report, analysis, claim, voxels)
            return Analysed(report, labels, compares)
        except StoreUnavailable:
            raise
        except VoxelsDamaged as error:
            return AnalysisFailure(f"stored voxels are damaged: {error}", final=True)
        except AnalysisError as error:
            return AnalysisFailure(str(error))
        except ImportError as error:
            return self._cannot_be_imported(claim, analyzer.name, error)
        except MemoryError:
            pass  # the memory is free only once the exception is gone
        except BaseException as error:  # noqa: BLE001 - no scan may stop the others
            # Only the type and the place: an analyzer's text may quote the scan.
            where = "".join(traceback.format_tb(error.__traceback__))
            self._log.debug("analyzer failed", scan_id=scan_id, where=where)
            return AnalysisFailure(f"the analyzer failed: {type(error).__name__}")
        limit = f"memory limit of {self._limit_mib} MiB (BRAIN_MEMORY_MIB)"
        return AnalysisFailure(f"{stage}: stopped at its {limit}", out_of_memory=True)

    def _compared(
        self, findings: AnyFindings, analysis: Analysis, scan: BrainScan, made_by: AnalyzerId
    ) -> AnyFindings:
        """The findings with what other scans of the subject add."""
        findings = self._follow_ups.added(findings, analysis, scan, made_by)
        if self._pair:
            findings = self._t1_readings.added(findings, analysis, scan, made_by)
        return with_misfits(findings)

    def _cannot_be_imported(
        self, claim: Claim, analyzer: str, error: ImportError
    ) -> AnalysisFailure | AnalyzerMissing:
        """Its package may have vanished since the start, or never have worked here: the fault of
        this host. But not where it has worked before, or if the same scan comes again."""
        cause = f"the analyzer failed: {type(error).__name__}"
        if analyzer in self._have_run or claim.key in self._excused:
            return AnalysisFailure(cause)
        self._excused.add(claim.key)
        return AnalyzerMissing(claim.scan.scan_type, cause)

    def memory_is_exhausted(self) -> bool:
        """Whether an analyzer still occupies memory after a MemoryError. It would then fail the
        next scans, which are innocent."""
        gc.collect()
        return resident_mib(os.getpid()) > self._limit_mib / 2

    def _load(self, claim: Claim) -> Voxels:
        prefetched = self._prefetcher.take(claim)
        if prefetched is not None:
            return prefetched
        # The voxels of a small scan came with the claim.
        small = claim.voxels if claim.blob is None else None
        return voxels_of(claim, small or self._retry(self._store.claims.fetch_voxels, claim))

    def _packed_labels(self, analysis: Analysis, scan: BrainScan) -> PackedMaps | None:
        if analysis.labels is None or not self._label_maps:
            return None
        try:
            return pack_maps(analysis.labels(), scan)
        except Exception as error:  # noqa: BLE001 - a report without label maps is just as valid
            cause = str(error) if isinstance(error, AnalysisError) else type(error).__name__
            self._limited_log.warning("no label maps", scan_id=scan.key, cause=cause)
            return None

    def _with_picture(
        self, report: BrainReport, analysis: Analysis, claim: Claim, voxels: Voxels
    ) -> BrainReport:
        """The report with the hash of its picture, which is stored."""
        scan = claim.scan
        try:
            overlay = None if analysis.overlay is None else analysis.overlay()
            png = illustrate(report, scan, voxels, overlay)
        except Exception as error:  # noqa: BLE001 - a report without a picture is just as valid
            self._limited_log.warning("no picture", scan_id=scan.key, cause=type(error).__name__)
            return report
        name = hash_voxels(png)
        self._retry(self._store.pictures.add, scan.key, name, png)
        return report.model_copy(update={"picture_hash": name})
