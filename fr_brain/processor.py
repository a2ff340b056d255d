"""A processor of Fr-BRAIN: claims scans, renews the claims, analyses, completes; one a process."""

import gc
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from common.domain.report import AnalyzerId, BrainReport
from common.domain.types import hash_voxels, utc_now
from common.errors import (
    AnalysisError,
    ClaimLost,
    StoreError,
    StoreUnavailable,
    VoxelsDamaged,
)
from common.runtime.logger import AvailabilityLog, Log, RateLimitedLog
from common.settings.loading import BrainSettings
from common.store.db_manager import DBManager
from common.store.documents import Claim, Claimed
from common.store.opening import retrying_store
from fr_brain.analyzers.base import Analysis
from fr_brain.analyzers.registry import Registry
from fr_brain.analyzers.running import analyse_scan
from fr_brain.limits import Hand, Record, memory_limit_mib, resident_mib
from fr_brain.pictures.illustration import illustrate
from fr_brain.prefetch import Ahead, unpacked
from fr_brain.work_signal import Bell

BATCH_S = 0.25
"""A processor claims about as many scans as it analyses in this time: enough to share the durable
writes, few enough that other processors find work too and a crash holds up little."""

PROCESSORS_A_CORE = 4
"""Where there are more (of an analyzer that mostly waits), a claim and what follows it cost them
more than the cores have. So while more waits than they claim at once, each claims its share, up to
what takes it that much longer. Fewer do not: a crash would hold up more, for nothing."""

TOGETHER = 32
"""Of scans that were claimed once before, at most so many are claimed at once: one of them may be
what killed its processor, and takes the others along once more, no oftener. Alone, each costs two
waits for the disk, and a killed Fr-BRAIN leaves hundreds."""

RENEWALS_A_LEASE = 3
LOOK_BACKS_A_LEASE = 10
"""How often to look for claims that ended without a report; where there are, on until none is."""

AHEAD_S = 1.0
"""Where a scan takes longer, the next one is not claimed meanwhile: another processor may be free
for it sooner, and fetching it is a small part of its time."""

AHEAD_SHARE = 16
"""A scan is fetched ahead if it takes at most this part of a processor's memory."""

LISTEN_S = 1.0
"""The longest that it waits for work before it looks whether it is time to stop."""


class Processor:
    """Claims, analyses and completes until it is stopped.

    Args:
        owner: an id that no other process start ever has.
        stop: set when it is time to stop: the scan in hand is finished, the others of the batch
            go back.
        bell: rings when there may be a scan, or the stop is set.
        hand: where the supervisor looks what is in hand.
    """

    def __init__(
        self,
        settings: BrainSettings,
        store: DBManager,
        registry: Registry,
        owner: str,
        stop: threading.Event,
        bell: Bell,
        log: Log,
        hand: Hand | None = None,
    ) -> None:
        self._hand = hand or Hand(Record())
        self._settings = settings
        self._store = store
        self._registry = registry
        self._owner = owner
        self._stop = stop
        self._bell = bell
        self._log = log
        self._limited_log = RateLimitedLog(log)
        self._availability = AvailabilityLog(log, "MongoDB")
        self._patiently = retrying_store(stop, self._availability)
        crowd = settings.brain_processes / (PROCESSORS_A_CORE * (os.cpu_count() or 1))
        self._share_s = BATCH_S * max(1.0, crowd)
        memory_mib = memory_limit_mib(settings.brain_memory_mib, settings.brain_processes)
        self._ahead = Ahead(
            lambda claim: unpacked(claim, store.claims.fetch_voxels(claim)),
            memory_mib * 2**20 // AHEAD_SHARE,
        )
        self._held: dict[str, Claim] = {}
        self._lock = threading.Lock()
        self._seconds_a_scan = BATCH_S  # until the first one is measured: claim one
        self._looked_back = 0.0
        self._claimed = 0.0  # when the oldest claim in hand was asked for, time.monotonic()
        self._worn = False
        self._more_expired = False
        self._more = False  # when the last claim was made, more was waiting

    def run(self) -> None:
        """Work until it is time to stop.

        Raises:
            StoreRefused: MongoDB refuses the login.
        """
        renewing = threading.Thread(target=self._renew, name="renew", daemon=True)
        renewing.start()
        try:
            while not self._stop.is_set() and not self._worn:
                try:
                    claims = self._claim()
                    self._availability.available()
                    if self._more:
                        self._bell.ring()  # for another one
                    self._work(claims)
                    if not self._more and not self._worn:
                        self._wait()
                except StoreUnavailable as error:
                    self._availability.unavailable(error)
                    self._stop.wait(0.5)
        finally:
            self._ahead.close()  # which may yet claim one
            self._give_back()
            self._limited_log.flush()

    def _wait(self) -> None:
        until = time.monotonic() + self._settings.brain_poll_s
        while not self._stop.is_set() and (left_s := until - time.monotonic()) > 0:
            if self._bell.wait(min(left_s, LISTEN_S)):
                return
            self._limited_log.flush()

    # --- claiming ----------------------------------------------------------------------------

    def _claim(self) -> list[Claim]:
        settings = self._settings
        self._claimed = time.monotonic()
        if self._should_look_back():
            self._looked_back = time.monotonic()
            self._more_expired = True
            if failed := self._store.claims.give_up(settings.brain_attempts):
                self._log.error("scans failed: all attempts are used up", scans=len(failed))
        if self._more_expired:
            # A few at a time, as one of them may be what killed its processor; but on until there
            # are no more: a killed Fr-BRAIN leaves a whole batch.
            claims = self._store.claims.claim_expired(
                self._owner,
                settings.brain_lease_s,
                max_retried=self._together(self._scans_in(BATCH_S)),
            )
            self._more = self._more_expired = bool(claims)
            if claims:
                self._log.warning(
                    "claimed again: the last claim ended without a report",
                    scan_id=claims[0].scan.scan_id,
                    scans=len(claims),
                    attempt=claims[0].attempts,
                )
                return self._hold(claims)
        claims = self._claim_waiting(
            max(self._scans_in(BATCH_S), self._share() if self._more else 1)
        )
        self._more = claims.more
        return self._hold(claims)

    def _should_look_back(self) -> bool:
        pause_s = self._settings.brain_lease_s / LOOK_BACKS_A_LEASE
        return time.monotonic() - self._looked_back >= pause_s

    def _scans_in(self, seconds: float) -> int:
        """So many scans as take so long; one at least, and no more than the settings say."""
        return max(1, min(self._settings.brain_batch, int(seconds / self._seconds_a_scan)))

    def _share(self) -> int:
        """What would be this processor's, were all that waits shared out now."""
        most = self._scans_in(self._share_s)
        shares = self._settings.brain_processes
        if most <= self._scans_in(BATCH_S):
            return most
        return min(most, self._store.capacity.count_to_do(most * shares) // shares)

    def _together(self, wanted: int) -> int:
        """Of these that were claimed once before: each must have an attempt left for alone."""
        return min(wanted, TOGETHER) if self._settings.brain_attempts > 2 else 1

    def _claim_waiting(self, wanted: int, *, only_fresh: bool = False) -> Claimed:
        return self._store.claims.claim(
            self._owner,
            wanted,
            self._settings.brain_lease_s,
            only_fresh=only_fresh,
            max_retried=self._together(wanted),
        )

    def _claim_ahead(self) -> list[Claim]:
        # No more than the one that is fetched: nobody waits for this claim, so it need not be
        # shared, and what is left is there for a processor that is free sooner.
        return self._hold(self._claim_waiting(1, only_fresh=True), more=True)

    def _hold(self, claims: list[Claim], *, more: bool = False) -> list[Claim]:
        with self._lock:
            if not more:
                self._held = {}
            self._held.update((claim.scan.scan_id, claim) for claim in claims)
        return claims

    def _renew(self) -> None:
        """Extend the leases of what is held."""
        lease_s = self._settings.brain_lease_s
        while True:
            time.sleep(lease_s / RENEWALS_A_LEASE)
            with self._lock:
                claims = list(self._held.values())
            if not claims:
                continue
            try:
                lost = self._store.claims.renew(claims, lease_s)
            except StoreError as error:
                # The fence decides whether the work still counts, not this.
                self._availability.unavailable(error)
                continue
            except MemoryError:
                continue  # an analyzer has it all: it fails, or the next third of a lease does
            with self._lock:
                # Finished ones were not renewed and are not lost.
                lost &= self._held.keys()
                for scan_id in lost:
                    del self._held[scan_id]
            for scan_id in lost:
                self._log.warning("claim lost", scan_id=scan_id)

    def _holds(self, claim: Claim) -> bool:
        with self._lock:
            return claim.scan.scan_id in self._held

    def _drop(self, claims: list[Claim]) -> None:
        with self._lock:
            for claim in claims:
                self._held.pop(claim.scan.scan_id, None)

    def _give_back(self) -> None:
        """What was claimed and not begun is somebody else's at once."""
        with self._lock:
            claims, self._held = list(self._held.values()), {}
        if claims:
            try:
                self._store.claims.release(self._owner, never_started=claims)
            except StoreError as error:
                self._log.warning("scans not given back: their claims will end", reason=str(error))

    # --- working -----------------------------------------------------------------------------

    def _work(self, claims: list[Claim]) -> None:
        """Analyse these, in order, and what is claimed meanwhile, completing them together; when
        stopped, after the current."""
        try:
            self._analyse_all(deque(claims))
        finally:
            self._ahead.claims()  # it is not to claim when nobody looks any more

    def _analyse_all(self, claims: deque[Claim]) -> None:
        done: list[tuple[Claim, BrainReport]] = []
        began = flushed = time.monotonic()
        every_s = max(BATCH_S, len(claims) * self._seconds_a_scan)
        count = 0
        while claims and not self._stop.is_set() and not self._worn:
            claim = claims.popleft()
            if self._holds(claim):
                report = self._report(claim, claims)
                count += 1
                if report is not None:
                    done.append((claim, report))
                if time.monotonic() - flushed > every_s:
                    self._complete(done)
                    done, flushed = [], time.monotonic()
            ahead = self._ahead.claims()
            claims.extend(() if claims else ahead)
        if count:
            # Smoothed: one slow scan must not end the batches of the quick ones after it.
            took = max((time.monotonic() - began) / count, 1e-6)
            self._seconds_a_scan += (took - self._seconds_a_scan) / 2
        self._complete(done)

    def _look_ahead(self, claim: Claim, then: Sequence[Claim]) -> None:
        """Have the next large scan there when this one is analysed."""
        if claim.blob is None or self._stop.is_set():
            return
        if then:
            self._ahead.begin(lambda: [then[0]])
        elif (
            claim.attempts == 1  # else it may be what killed its processor: no more beside it
            and self._seconds_a_scan < AHEAD_S
            and not self._more_expired
            and not self._should_look_back()
        ):
            # Not at once: a processor that is free has it sooner.
            self._ahead.begin(self._claim_ahead, self._seconds_a_scan / 2)

    def _report(self, claim: Claim, then: Sequence[Claim]) -> BrainReport | None:
        with self._hand.holding(claim.scan.scan_id, claim.fence):
            return self._report_in_hand(claim, then)

    def _report_in_hand(self, claim: Claim, then: Sequence[Claim]) -> BrainReport | None:
        scan = claim.scan
        who = "its processor"
        try:
            analyzer = self._registry.pick(scan.scan_type)
            voxels = self._voxels(claim)
            self._look_ahead(claim, then)
            made_by = AnalyzerId(name=analyzer.name, version=analyzer.version)
            who = f"analyzer {made_by.name} {made_by.version}"
            began = time.perf_counter()
            with self._hand.analysing(made_by):
                analysis = analyse_scan(
                    analyzer, scan, voxels, with_overlay=self._settings.brain_pictures
                )
            took_ms = (time.perf_counter() - began) * 1000
            report = BrainReport(
                scan_id=scan.scan_id,
                revision=claim.revision,
                pacs=scan.pacs,
                subject=scan.subject,
                acquired_at=scan.acquired_at,
                scan_type=scan.scan_type,
                voxels_hash=scan.voxels_hash,
                shape=scan.shape,
                voxel_size_mm=scan.voxel_size_mm,
                orientation=scan.orientation,
                analyzer=made_by,
                analysed_at=utc_now(),
                run_time_ms=round(took_ms, 3),
                findings=analysis.findings,
            )
            with self._hand.analysing(made_by):  # which the picture is a part of
                return self._with_picture(report, analysis, claim, voxels)
        except StoreUnavailable:
            raise
        except VoxelsDamaged as error:
            self._fail(claim, f"stored voxels are damaged: {error}", final=True)
            return None
        except AnalysisError as error:
            self._fail(claim, str(error))
            return None
        except MemoryError:
            pass  # what it had is free only when the exception is gone
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it does, others go on
            # Only the type and the place: an analyzer's text may carry what it read.
            self._fail(claim, f"the analyzer failed: {type(error).__name__}")
            where = "".join(traceback.format_tb(error.__traceback__))
            self._log.debug("analyzer failed", scan_id=scan.scan_id, where=where)
            return None
        self._out_of_memory(claim, who)
        return None

    def _out_of_memory(self, claim: Claim, who: str) -> None:
        settings = self._settings
        limit = memory_limit_mib(settings.brain_memory_mib, settings.brain_processes)
        self._fail(claim, f"{who}: stopped at its memory limit of {limit} MiB (BRAIN_MEMORY_MIB)")
        gc.collect()
        if resident_mib(os.getpid()) > limit / 2:
            # An analyzer that keeps what it had would fail the next scans, which are innocent.
            self._log.warning("memory is not given back: this processor ends")
            self._worn = True

    def _with_picture(
        self, report: BrainReport, analysis: Analysis, claim: Claim, voxels: npt.NDArray[Any]
    ) -> BrainReport:
        """The report with a picture that is stored, if pictures are wanted."""
        if not self._settings.brain_pictures:
            return report
        scan = claim.scan
        try:
            overlay = None if analysis.overlay is None else analysis.overlay()
            png = illustrate(report, scan, voxels, overlay)
        except Exception as error:  # noqa: BLE001 - without its picture a report is worth as much
            self._limited_log.warning(
                "no picture", scan_id=scan.scan_id, cause=type(error).__name__
            )
            return report
        name = hash_voxels(png)
        self._patiently(self._store.pictures.add, scan.scan_id, name, png)
        return report.model_copy(update={"picture_hash": name})

    def _voxels(self, claim: Claim) -> npt.NDArray[Any]:
        ready = self._ahead.voxels(claim)
        if ready is not None:
            return ready
        # Small ones came with the claim.
        small = claim.voxels if claim.blob is None else None
        return unpacked(claim, small or self._patiently(self._store.claims.fetch_voxels, claim))

    def _complete(self, done: list[tuple[Claim, BrainReport]]) -> None:
        if not done:
            return
        lost = self._patiently(
            lambda: self._store.claims.complete(done, verify_first=not self._is_fresh())
        )
        self._drop([claim for claim, _ in done])
        for claim, report in done:
            scan_id = claim.scan.scan_id
            if scan_id in lost:
                self._log.warning("claim lost: the report is another's", scan_id=scan_id)
                continue
            lesions = report.findings.lesions
            self._limited_log.debug(
                "report written",
                scan_id=scan_id,
                analyzer=report.analyzer.name,
                verdict=str(report.findings.quality.verdict),
                lesions=None if lesions is None else lesions.count,
                run_time_ms=report.run_time_ms,
            )

    def _is_fresh(self) -> bool:
        """Whether what is in hand was claimed so lately that it needed no renewal yet."""
        return time.monotonic() - self._claimed < self._settings.brain_lease_s / RENEWALS_A_LEASE

    def _fail(self, claim: Claim, cause: str, *, final: bool = False) -> None:
        scan_id = claim.scan.scan_id
        try:
            allowed = 0 if final else self._settings.brain_attempts
            state = self._patiently(self._store.claims.fail, claim, cause, allowed)
        except ClaimLost:
            self._log.warning("claim lost", scan_id=scan_id)
        else:
            self._limited_log.warning(
                "no report", scan_id=scan_id, cause=cause, attempt=claim.attempts, now=str(state)
            )
        self._drop([claim])
