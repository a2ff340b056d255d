"""Fetches the next scan while the processor analyses the current one."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from common.store.documents import Claim
from fr_brain.voxels import Voxels

MEMORY_SHARE = 16
"""A scan is prefetched only if it takes less than this fraction (1/16) of a processor's memory."""

_Prefetched = tuple[list[Claim], Voxels | None]


class Prefetcher:
    """A thread that claims the next scan and loads its voxels, for the thread that analyses.

    Errors are swallowed here; the regular attempt hits and reports them.

    Args:
        load: returns the voxels of a claimed scan.
        bytes_max: a scan is loaded only if its voxels and stored payload take no more bytes than
            this together: the memory belongs to the analyzer, and prefetching must not decide
            whether it is enough.
    """

    def __init__(self, load: Callable[[Claim], Voxels], bytes_max: int) -> None:
        self._load = load
        self._bytes_max = bytes_max
        self._pool = ThreadPoolExecutor(1, "prefetch")
        self._running: Future[_Prefetched] | None = None
        self._cancelled = threading.Event()
        self._ready: tuple[str, Voxels] | None = None

    def start(self, claim: Callable[[], list[Claim]], after_s: float = 0.0) -> None:
        """After ``after_s`` seconds, unless ``finish`` is called first: call ``claim`` and load
        the first scan that it returns."""
        self._cancelled.clear()
        self._running = self._pool.submit(self._prefetch, claim, after_s)

    def finish(self) -> list[Claim]:
        """Cancel a prefetch that still waits, and wait for one that has begun; returns what
        ``claim`` returned."""
        running, self._running = self._running, None
        if running is None:
            return []
        self._cancelled.set()
        claims, voxels = running.result()
        if voxels is not None:
            self._ready = (claims[0].key, voxels)
        return claims

    def take(self, claim: Claim) -> Voxels | None:
        """The prefetched voxels of this scan, once; None if they were not prefetched."""
        ready, self._ready = self._ready, None
        return ready[1] if ready is not None and ready[0] == claim.key else None

    def close(self) -> None:
        """Wait until the thread has ended. Idempotent."""
        self._cancelled.set()
        self._pool.shutdown()

    def _prefetch(self, claim: Callable[[], list[Claim]], after_s: float) -> _Prefetched:
        if self._cancelled.wait(after_s):
            return [], None
        claims: list[Claim] = []
        with contextlib.suppress(Exception):
            claims = claim()
            if claims and claims[0].scan.voxels_bytes + claims[0].payload_bytes <= self._bytes_max:
                return claims, self._load(claims[0])
        return claims, None
