"""The scan types that a processor claims: those that its analyzers read and can be run."""

import time
from collections.abc import Iterable

FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 600.0


class ScanTypes:
    """Owns which types are claimed. A type whose analyzer cannot be run is dropped for a while,
    so that other hosts get its scans; each time for longer."""

    def __init__(self, types: Iterable[str]) -> None:
        self._types = frozenset(types)
        self._dropped: dict[str, tuple[float, float]] = {}  # until when, and the pause

    def claimable(self) -> frozenset[str]:
        """The types to claim now."""
        now = time.monotonic()
        return self._types - {kind for kind, (until, _) in self._dropped.items() if until > now}

    def drop(self, scan_type: str) -> float:
        """Claim no scans of this type for a while; returns for how long, seconds."""
        _, before_s = self._dropped.get(scan_type, (0.0, FIRST_PAUSE_S / 2))
        pause_s = min(LONGEST_PAUSE_S, 2 * before_s)
        self._dropped[scan_type] = time.monotonic() + pause_s, pause_s
        return pause_s
