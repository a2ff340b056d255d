"""Which scans a processor claims, and how many at once."""

import os
import time

from common.runtime.logger import Log
from common.settings.brain import BrainSettings
from common.store.documents import Claim, Claimed
from common.store.unit_parts import BrainStore
from fr_brain.scan_types import ScanTypes

BATCH_S = 0.25
"""A processor claims about as many scans as it analyses in this time: enough to share the durable
writes, few enough that other processors find work too and a crash delays little."""

ROUND_TRIPS_SHARE = 4
"""While a backlog waits, a batch takes this many times as long as its claim and its completion, if
these are slow: MongoDB may be far away or busy."""

BATCH_MAX_S = 1.0
"""But no longer than this: a crash would delay too much, and so would a batch before an urgent
scan."""

PROCESSORS_PER_CORE = 4
"""With more processors than this (of an analyzer that mostly waits), claims and the writes that
follow cost them more time than the cores have. So while a backlog waits, each claims its share of
it, up to what takes proportionally longer. Fewer processors do not: a crash would delay more, for
no gain."""

MAX_RETRIED = 32
"""Scans claimed at once that were claimed once before. One of them may have killed its processor
and takes the others along once more, but no more often. Claiming each alone costs two waits for the
disk, and a killed Fr-BRAIN leaves hundreds."""

OTHERS_FIRST_PAUSES = 10
"""The last attempt of a scan that failed on this host is left to other hosts for as many times the
pause before the second attempt: what is wrong may be the host. Then this host makes it."""

EXPIRY_CHECKS_PER_LEASE = 10
"""How often to look for claims that expired without a report. Once some are found, the processor
continues until there are none."""

PREFETCH_BELOW_S = 1.0
"""If a scan takes longer than this, the next one is not claimed meanwhile: another processor may be
free for it sooner, and fetching it is a small part of its time."""


class Claimer:
    """Claims scans: expired claims first, then a batch of those that wait.

    Owns the measured times of a scan and of a batch's claim and completion, on which the size of a
    batch depends, and when expired claims were last looked for.
    """

    def __init__(
        self,
        settings: BrainSettings,
        store: BrainStore,
        owner: str,
        types: ScanTypes,
        analyzers: frozenset[str],
        log: Log,
    ) -> None:
        self._settings = settings
        self._types = types
        self._analyzers = analyzers
        self._store = store
        self._owner = owner
        self._log = log
        crowding = settings.brain_processes / (PROCESSORS_PER_CORE * (os.cpu_count() or 1))
        self._share_s = BATCH_S * max(1.0, crowding)
        self._checked_expiry = 0.0  # time.monotonic()
        self._searched = 0.0  # for waiting scans, time.monotonic()
        self._more_expired = False
        self.seconds_per_scan = BATCH_S  # until the first scan is measured: claim one
        self.seconds_of_store = 0.0
        """What the claim and the completion of a batch take."""
        self.more_waiting = False
        """Whether more scans were waiting when the last claim was made."""

    def claim(self, *, one: bool = False, named: str | None = None) -> list[Claim]:
        """Claim a batch, or with ``one`` a single scan; empty if there is nothing to do.

        Args:
            one: whether to claim one scan only.
            named: the key of a scan that has just arrived: it is claimed alone, without a search
                for others.
        """
        if self._expiry_check_due():
            self._checked_expiry = time.monotonic()
            self._more_expired = True
        if self._more_expired:
            # A few at a time, as one of them may have killed its processor, but until there are no
            # more: a killed Fr-BRAIN leaves a whole batch.
            expired = self._claim_expired(one=one)
            self.more_waiting = self._more_expired = expired.more
            if expired:
                return expired
        if named is not None and (claimed := self._claim_named(named)):
            self.more_waiting = False
            return claimed
        if one:
            claimed = self._claim_waiting(1)
            self.more_waiting = claimed.more
            return claimed
        wanted = self._scans_in(BATCH_S)
        if self.more_waiting:
            slow_s = min(ROUND_TRIPS_SHARE * self.seconds_of_store, BATCH_MAX_S)
            wanted = max(wanted, self._scans_in(slow_s), self._share())
        claimed = self._claim_waiting(wanted)
        self.more_waiting = claimed.more
        return claimed

    def claim_next(self) -> list[Claim]:
        """Claim the scan to prefetch, if one waits that was never claimed before.

        Only that one: nobody waits for this claim, so there is no need to share its cost, and a
        processor that is free sooner finds the others.
        """
        return self._claim_waiting(1, only_fresh=True)

    def search_due_s(self) -> float:
        """Seconds until the next search for scans is due, at the latest; 0: it is due. A scan that
        was claimed by its name begins no new interval."""
        return max(0.0, self._searched + self._settings.brain_poll_s - time.monotonic())

    def may_claim_next(self, current: Claim) -> bool:
        """Whether to claim a scan while ``current`` is analysed."""
        return (
            current.attempts == 1  # else it may have killed its processor: nothing else beside it
            and self.seconds_per_scan < PREFETCH_BELOW_S
            and not self._more_expired
            and not self._expiry_check_due()
        )

    def measure_store(self, elapsed_s: float) -> None:
        """Record how long the claim and the completion of a batch took."""
        self.seconds_of_store += (elapsed_s - self.seconds_of_store) / 2

    def measure(self, scans: int, elapsed_s: float) -> None:
        """Record how long these scans took."""
        # Smoothed: one slow scan must not end the batches of the quick ones after it.
        measured = max(elapsed_s / scans, 1e-6)
        self.seconds_per_scan += (measured - self.seconds_per_scan) / 2

    def _expiry_check_due(self) -> bool:
        pause_s = self._settings.brain_lease_s / EXPIRY_CHECKS_PER_LEASE
        return time.monotonic() - self._checked_expiry >= pause_s

    def _claim_expired(self, *, one: bool) -> Claimed:
        claims = self._store.claims.claim_expired(
            self._owner,
            self._settings.brain_lease_s,
            types=self._types.claimable(),
            analyzers=self._analyzers,
            max_retried=1 if one else self._max_retried(self._scans_in(BATCH_S)),
            attempts_allowed=self._settings.brain_attempts,
        )
        self._log_failed(claims)
        if claims:
            self._log.warning(
                "retrying scans whose previous claim expired without a report",
                scan_id=claims[0].key,
                scans=len(claims),
                attempt=claims[0].attempts,
            )
        return claims

    def _claim_named(self, key: str) -> Claimed | None:
        # Nothing announces scans whose pause after a failed attempt is over: search from time to
        # time.
        if not self.search_due_s():
            return None
        claimed = self._store.claims.claim_named(
            self._owner,
            key,
            self._settings.brain_lease_s,
            types=self._types.claimable(),
            analyzers=self._analyzers,
        )
        self._log_failed(claimed)
        return claimed

    def _claim_waiting(self, wanted: int, *, only_fresh: bool = False) -> Claimed:
        claimed = self._store.claims.claim(
            self._owner,
            wanted,
            self._settings.brain_lease_s,
            types=self._types.claimable(),
            analyzers=self._analyzers,
            only_fresh=only_fresh,
            max_retried=self._max_retried(wanted),
            attempts_allowed=self._settings.brain_attempts,
            others_first_s=self._settings.brain_retry_pause_s * OTHERS_FIRST_PAUSES,
        )
        if not only_fresh:
            self._searched = time.monotonic()  # not before: it may take longer than the interval
        self._log_failed(claimed)
        return claimed

    def _log_failed(self, claimed: Claimed) -> None:
        if claimed.failed:
            self._log.error(
                "scans failed: damaged, or all attempts used up (make errors lists them)",
                scans=claimed.failed,
            )

    def _scans_in(self, seconds: float) -> int:
        """How many scans take this long: at least one, at most ``BRAIN_BATCH``."""
        return max(1, min(self._settings.brain_batch, int(seconds / self.seconds_per_scan)))

    def _share(self) -> int:
        """This processor's part, if all waiting scans were divided among the processors now."""
        most = self._scans_in(self._share_s)
        processors = self._settings.brain_processes
        if most <= self._scans_in(BATCH_S):
            return most
        return min(most, self._store.capacity.count_to_do(most * processors) // processors)

    def _max_retried(self, wanted: int) -> int:
        """How many scans that were claimed once before may be claimed together: each needs an
        attempt left in which it is alone."""
        return min(wanted, MAX_RETRIED) if self._settings.brain_attempts > 2 else 1
