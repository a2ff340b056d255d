"""The failures of a run: logged at once, and kept for its end."""

from collections import Counter
from collections.abc import Callable

from common.runtime.logger import RateLimitedLog
from common.runtime.run_totals import Failure

KEPT = 200

_LABELS_KEPT = 100_000
"""Failed files that are remembered, so that an endless run does not fill the memory."""


class RunFailures:
    """Counts failures and keeps the first of them. Not locked, but for ``tell``.

    Args:
        log: each one is a warning.
        reveal: puts the names of files into a text that holds their hashes.
    """

    def __init__(self, log: RateLimitedLog, reveal: Callable[[str], str]) -> None:
        self._log = log
        self._reveal = reveal
        self._first: list[Failure] = []
        self._files: Counter[str] = Counter()
        self.count = 0

    @property
    def first(self) -> tuple[Failure, ...]:
        """The first KEPT of them."""
        return tuple(self._first)

    def add(
        self, label: str, reason: str, scan_id: str | None = None, command: str | None = None
    ) -> None:
        """Count a failure.

        Args:
            label: names the scan to the user.
            reason: why, for the user.
            scan_id: its id, if it has one.
            command: what helps, if a command does.
        """
        what, why = self._reveal(label), self._reveal(reason)
        shown = f"{label}: {reason}"
        failure = Failure(
            what=what,
            reason=why,
            shown=None if shown == f"{what}: {why}" else shown,
            scan_id=scan_id,
            command=command,
        )
        if scan_id is None:
            self._files[label] += 1
            if len(self._files) > _LABELS_KEPT:
                del self._files[next(iter(self._files))]
        self.count += 1
        if len(self._first) < KEPT:
            self._first.append(failure)

    def withdraw(self, label: str) -> None:
        """Count the failures of this file no longer: it is whole now."""
        if label not in self._files:
            return
        self.count -= self._files.pop(label)
        what = self._reveal(label)
        self._first = [one for one in self._first if one.scan_id is not None or one.what != what]

    def tell(
        self, label: str, reason: str, scan_id: str | None = None, command: str | None = None
    ) -> None:
        """Log a failure, whether it counts or not. Thread-safe."""
        fields = {"what": label, "reason": reason, "scan_id": scan_id, "command": command}
        known = {name: value for name, value in fields.items() if value is not None}
        self._log.warning("scan failed", **known)
