"""Writes what became of claimed scans: their reports, or why they have none."""

from collections.abc import Sequence

from tenacity import Retrying

from common.errors import ClaimLost, StoreError, StoreRefused, StoreUnavailable
from common.runtime.logger import Log, RateLimitedLog
from common.store.claims import Claims
from common.store.documents import Claim
from fr_brain.analysis import Analysed, AnalysisFailure
from fr_brain.lease import Lease


class Completion:
    """Ends claims in the store, then in the lease.

    Owns the decision whether a failed scan gets another attempt.

    Args:
        attempts: claims of a scan before it moves to ``'Error'``.
        pause_s: pause before the second attempt, seconds.
        retry: repeats a call to the store while MongoDB is unreachable.
        pair: schedule FLAIR scans for reanalysis whose T1 scan is analysed later.
        compare: schedule scans for reanalysis whose previous scan is analysed later.
    """

    def __init__(
        self,
        claims: Claims,
        lease: Lease,
        attempts: int,
        pause_s: float,
        retry: Retrying,
        log: Log,
        limited_log: RateLimitedLog,
        *,
        pair: bool = False,
        compare: bool = False,
    ) -> None:
        self._store = claims
        self._lease = lease
        self._pair = pair
        self._compare = compare
        self._attempts = attempts
        self._pause_s = pause_s
        self._retry = retry
        self._log = log
        self._limited_log = limited_log

    def complete(self, done: Sequence[tuple[Claim, Analysed]]) -> None:
        """Write these reports with their label maps and set their scans ``'Done'``, in as few
        writes as possible. A scan whose report cannot be stored fails instead.

        Raises:
            StoreUnavailable: MongoDB was unreachable until the processor was told to stop.
        """
        if not done:
            return
        try:
            self._complete(done)
        except (StoreUnavailable, StoreRefused):
            raise
        except StoreError as error:
            # One of them is to blame, and the others are fine.
            if len(done) > 1:
                for one in done:
                    self.complete([one])
                return
            [(claim, _)] = done
            self._log.error("a report cannot be stored", scan_id=claim.key, reason=str(error))
            self.fail(claim, AnalysisFailure("its report cannot be stored"))

    def _complete(self, done: Sequence[tuple[Claim, Analysed]]) -> None:
        reports = [(claim, one.report) for claim, one in done]
        labels = {claim.key: one.labels for claim, one in done if one.labels is not None}
        compared = {claim.key for claim, one in done if self._compare and one.compares}
        with self._lease.ending([claim for claim, _ in done]):
            lost = self._retry(
                lambda: self._store.complete(
                    reports,
                    labels=labels,
                    verify_first=not self._lease.is_fresh(),
                    pair=self._pair,
                    compare=compared,
                )
            )
        for claim, report in reports:
            scan_id = claim.key
            if scan_id in lost:
                self._log.warning("claim lost: another processor reports it", scan_id=scan_id)
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

    def fail(self, claim: Claim, failure: AnalysisFailure) -> None:
        """Record why the scan has no report; it gets another attempt, or moves to ``'Error'``.

        Raises:
            StoreUnavailable: MongoDB was unreachable until the processor was told to stop.
        """
        scan_id = claim.key
        try:
            allowed = 0 if failure.final else self._attempts
            with self._lease.ending([claim]):
                state = self._retry(
                    self._store.fail, claim, failure.cause, allowed, pause_s=self._pause_s
                )
        except ClaimLost:
            self._log.warning("claim lost", scan_id=scan_id)
            self._lease.drop([claim])
        else:
            self._limited_log.warning(
                "no report",
                scan_id=scan_id,
                cause=failure.cause,
                attempt=claim.attempts,
                now=str(state),
            )
