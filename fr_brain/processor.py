"""A processor of Fr-BRAIN, one a process: claims scans, analyses them, completes them."""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence

from common.errors import StoreUnavailable
from common.runtime.lifecycle import Exit
from common.runtime.logger import AvailabilityLog, Log, RateLimitedLog
from common.runtime.retry import backoff_s
from common.settings.brain import BrainSettings
from common.store.documents import Claim
from common.store.opening import retrying_store
from common.store.unit_parts import BrainStore
from fr_brain.analysis import Analysed, AnalyzerMissing, ScanAnalysis
from fr_brain.analyzers.registry import Registry
from fr_brain.claiming import BATCH_S, Claimer
from fr_brain.completion import Completion
from fr_brain.current_scan import CurrentScan, SharedRecord
from fr_brain.failure_guard import FailureGuard
from fr_brain.lease import Lease
from fr_brain.limits import MIB, memory_limit_mib
from fr_brain.prefetch import MEMORY_SHARE, Prefetcher
from fr_brain.scan_types import ScanTypes
from fr_brain.voxels import voxels_of
from fr_brain.work_signal import WorkSignal

LABELS_HELD_BYTES = 8 * 1024 * 1024
"""Packed label maps that wait to be written with the batch's reports; larger ones end the batch."""

STOP_CHECK_S = 1.0
"""Seconds between checks of the stop event while a processor waits for work."""


class Processor:
    """The loop: claim a batch, analyse it, complete it, wait for more.

    Owns the order of these steps; each step is a collaborator's.

    Args:
        owner: an id that no other process ever has, not even a later start of this one.
        stop: set to stop the processor: it finishes the current scan and releases the rest of the
            batch.
        work_signal: wakes it when there may be a scan, or when ``stop`` is set.
        current_scan: where the supervisor reads which scan it works on.
    """

    def __init__(
        self,
        settings: BrainSettings,
        store: BrainStore,
        registry: Registry,
        owner: str,
        stop: threading.Event,
        work_signal: WorkSignal,
        log: Log,
        current_scan: CurrentScan | None = None,
    ) -> None:
        self._stop = stop
        self._work_signal = work_signal
        self._log = log
        self._current_scan = current_scan or CurrentScan(SharedRecord())
        self._pid = os.getpid()
        self._exhausted = False
        self._claim_s = 0.0
        self._named: str | None = None  # the scan that the last wake-up was for
        self._limited_log = RateLimitedLog(log)
        self._availability = AvailabilityLog(log, "MongoDB")
        retry = retrying_store(stop, self._availability)
        self._types = ScanTypes(registry.by_type)
        self._current_scan.reads(registry.by_type)
        self._current_scan.has(registry.installed)
        self._guard = FailureGuard(log)
        analyzers = frozenset(map(str, registry.installed))
        self._claimer = Claimer(settings, store, owner, self._types, analyzers, log)
        self._lease = Lease(store.claims, settings.brain_lease_s, log, self._availability)
        limit_mib = memory_limit_mib(settings.brain_memory_mib, settings.brain_processes)
        self._prefetcher = Prefetcher(
            lambda claim: voxels_of(claim, store.claims.fetch_voxels(claim)),
            limit_mib * MIB // MEMORY_SHARE,
        )
        self._analysis = ScanAnalysis(
            settings,
            store,
            registry,
            self._prefetcher,
            self._current_scan,
            retry,
            log,
            self._limited_log,
        )
        self._completion = Completion(
            store.claims,
            self._lease,
            settings.brain_attempts,
            settings.brain_retry_pause_s,
            retry,
            log,
            self._limited_log,
            pair=settings.brain_pair_t1,
            compare=settings.brain_compare_again,
        )

    def run(self) -> None:
        """Work until stopped.

        Raises:
            StoreRefused: MongoDB refuses the login.
        """
        self._lease.start()
        failures = 0
        try:
            while not self._ending():
                try:
                    claims = self._claim()
                    self._availability.available()
                    failures = 0
                    if self._claimer.more_waiting:
                        self._work_signal.notify()  # another processor
                    self._process(claims)
                    self._stop.wait(self._guard.pause_s())
                    if not self._claimer.more_waiting and not self._exhausted:
                        self._wait()
                except StoreUnavailable as error:
                    self._availability.unavailable(error)
                    self._stop.wait(backoff_s(failures))
                    failures += 1
        finally:
            self._prefetcher.close()  # first, as it may be about to claim a scan
            self._lease.close()
            self._limited_log.flush()

    def _ending(self) -> bool:
        return self._stop.is_set() or self._exhausted

    def _wait(self) -> None:
        until = time.monotonic() + self._claimer.search_due_s()
        while not self._stop.is_set() and (left_s := until - time.monotonic()) > 0:
            if self._work_signal.wait(min(left_s, STOP_CHECK_S)):
                self._named = self._work_signal.named()
                return
            self._limited_log.flush()

    def _claim(self) -> list[Claim]:
        began = time.monotonic()
        named, self._named = self._named, None
        claims = self._claimer.claim(one=self._guard.tripped, named=named)
        self._claim_s = time.monotonic() - began
        self._lease.replace(claims, began)
        return claims

    def _claim_next(self) -> list[Claim]:
        claims = self._claimer.claim_next()
        self._lease.add(claims)
        return claims

    def _process(self, claims: list[Claim]) -> None:
        """Analyse these scans in order, and those claimed meanwhile, and complete them together;
        once stopped, finish the current scan only."""
        try:
            self._analyse_all(deque(claims))
        finally:
            self._prefetcher.finish()  # nobody would look at what it claims from now on

    def _analyse_all(self, claims: deque[Claim]) -> None:
        done: list[tuple[Claim, Analysed]] = []
        began = completed = time.monotonic()
        every_s = max(BATCH_S, len(claims) * self._claimer.seconds_per_scan)
        count = held_bytes = 0
        while claims and not self._ending():
            claim = claims.popleft()
            if self._lease.holds(claim):
                analysed = self._analyse(claim, claims)
                count += 1
                if analysed is not None:
                    done.append((claim, analysed))
                    held_bytes += 0 if analysed.labels is None else analysed.labels.bytes
                if time.monotonic() - completed > every_s or held_bytes > LABELS_HELD_BYTES:
                    self._completion.complete(done)
                    done, held_bytes, completed = [], 0, time.monotonic()
            prefetched = self._prefetcher.finish()
            claims.extend(() if claims else prefetched)
            if self._guard.tripped:
                self._give_back(claims)
        ended = time.monotonic()
        if count:
            self._claimer.measure(count, ended - began)
        self._completion.complete(done)
        if count:
            self._claimer.measure_store(self._claim_s + time.monotonic() - ended)

    def _analyse(self, claim: Claim, following: deque[Claim]) -> Analysed | None:
        with self._current_scan.working_on(claim.key, claim.fence):
            result = self._analysis.run(claim, lambda: self._prefetch(claim, following))
            if os.getpid() != self._pid:  # an analyzer has forked, and this is the copy
                os._exit(Exit.FAILED)
            if isinstance(result, Analysed):
                self._guard.succeeded()
                return result
            if isinstance(result, AnalyzerMissing):
                self._drop_type(claim, result, following)
                return None
            self._completion.fail(claim, result)
        if not result.final:
            self._guard.failed(claim.scan.voxels_hash, result.cause)
        if result.out_of_memory and self._analysis.memory_is_exhausted():
            self._log.warning("an analyzer has not freed its memory: this processor exits")
            self._exhausted = True
        return None

    def _drop_type(self, claim: Claim, missing: AnalyzerMissing, following: deque[Claim]) -> None:
        """Give back the scans of a type whose analyzer cannot be run here, and claim no more."""
        pause_s = self._types.drop(missing.scan_type)
        self._log.error(
            "an analyzer cannot be run: this processor claims no scans of its type for now",
            scan_type=missing.scan_type,
            cause=missing.cause,
            pause_s=pause_s,
        )
        given_back = [one for one in following if one.scan.scan_type == missing.scan_type]
        self._lease.release([claim, *given_back])

    def _give_back(self, claims: deque[Claim]) -> None:
        self._lease.release(list(claims))
        claims.clear()

    def _prefetch(self, current: Claim, following: Sequence[Claim]) -> None:
        """Fetch the next large scan while the current one is analysed."""
        if current.blob is None or self._stop.is_set():
            return
        if following:
            self._prefetcher.start(lambda: [following[0]])
        elif self._claimer.may_claim_next(current):
            # Not at once, so that an idle processor gets it sooner.
            self._prefetcher.start(self._claim_next, self._claimer.seconds_per_scan / 2)
