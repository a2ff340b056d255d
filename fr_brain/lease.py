"""The claims that a processor holds, and the thread that renews their leases."""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

from common.errors import StoreError
from common.runtime.logger import AvailabilityLog, Log
from common.store.claims import Claims
from common.store.documents import Claim

RENEWALS_PER_LEASE = 3


class Lease:
    """Owns the set of held claims; renews them in a thread and drops those that were lost.

    Thread-safe. Whether a report still counts is decided by the claim's fence in the store: what
    is known here only saves work.
    """

    def __init__(
        self, claims: Claims, lease_s: float, log: Log, availability: AvailabilityLog
    ) -> None:
        self._store = claims
        self._lease_s = lease_s
        self._log = log
        self._availability = availability
        self._lock = threading.Lock()
        self._held: dict[str, Claim] = {}
        self._ending: set[str] = set()
        self._claimed_at = 0.0  # when the oldest held claim was requested, time.monotonic()
        self._closed = threading.Event()

    def start(self) -> None:
        """Start to renew."""
        threading.Thread(target=self._renew_until_closed, name="renew", daemon=True).start()

    def replace(self, claims: Iterable[Claim], claimed_at: float) -> None:
        """Hold these claims and no others; they were requested at ``claimed_at``."""
        held = {claim.key: claim for claim in claims}
        with self._lock:
            self._held, self._claimed_at = held, claimed_at

    def add(self, claims: Sequence[Claim]) -> None:
        """Hold these claims too."""
        with self._lock:
            self._held.update((claim.key, claim) for claim in claims)

    def drop(self, claims: Iterable[Claim]) -> None:
        """These claims have ended. A later claim of the same scan is held on: a scan that is sent
        back while its report is written may have been claimed again before this claim ends."""
        with self._lock:
            for claim in claims:
                if self._holds(claim):
                    del self._held[claim.key]

    @contextlib.contextmanager
    def ending(self, claims: Sequence[Claim]) -> Iterator[None]:
        """The block ends these claims, and drops them: what becomes of them is its to tell.

        They are renewed until then, as it may have to wait for MongoDB.
        """
        keys = {claim.key for claim in claims}
        with self._lock:
            self._ending |= keys
        try:
            yield
            self.drop(claims)
        finally:
            with self._lock:
                self._ending -= keys

    def release(self, claims: Sequence[Claim]) -> None:
        """Give up these claims, which were never started; any processor may claim them at once."""
        if not claims:
            return
        self.drop(claims)
        try:
            self._store.release(claims[0].owner, never_started=claims)
        except StoreError as error:
            self._log.warning(
                "could not release scans: their leases will expire",
                scans=len(claims),
                reason=str(error),
            )

    def holds(self, claim: Claim) -> bool:
        """Whether this claim is held, as far as is known."""
        with self._lock:
            return self._holds(claim)

    def _holds(self, claim: Claim) -> bool:
        held = self._held.get(claim.key)
        return held is not None and held.fence == claim.fence

    def is_fresh(self) -> bool:
        """Whether the held claims are so recent that they have not needed a renewal yet."""
        return time.monotonic() - self._claimed_at < self._lease_s / RENEWALS_PER_LEASE

    def close(self) -> None:
        """Stop to renew, and release what is held: it was never started, and any processor may
        claim it at once."""
        self._closed.set()
        with self._lock:
            claims, self._held = list(self._held.values()), {}
        self.release(claims)

    def _renew_until_closed(self) -> None:
        while not self._closed.wait(self._lease_s / RENEWALS_PER_LEASE):
            self._renew()

    def _renew(self) -> None:
        with self._lock:
            claims = list(self._held.values())
        if not claims:
            return
        try:
            lost = self._store.renew(claims, self._lease_s)
        except StoreError as error:
            self._availability.unavailable(error)
            return
        except MemoryError:
            return  # an analyzer has all of it, and fails before the lease ends, or with it
        with self._lock:
            # Claims that were completed meanwhile were not renewed, and are not lost; the same scan
            # may have been claimed anew. Those that are being completed may be lost: completing
            # them tells.
            lost &= {c.scan.key for c in claims if self._held.get(c.scan.key) is c} - self._ending
            for scan_id in lost:
                del self._held[scan_id]
        for scan_id in lost:
            self._log.warning("claim lost", scan_id=scan_id)
