"""Which reports a client thread asks Fr-HUB for: those of known scans that this run lacks."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from common.wire.constants import REQUEST_MAX


class ReportRequests:
    """Requests of one client thread, one on its way at a time. Not locked.

    Args:
        lacking: returns those of these scans whose reports this run still awaits.
    """

    def __init__(self, lacking: Callable[[Iterable[str]], list[str]]) -> None:
        self._lacking = lacking
        self._wanted: deque[str] = deque()
        self._asked: set[str] = set()

    def __bool__(self) -> bool:
        """Whether any request is to be sent or to be answered."""
        return bool(self._wanted or self._asked)

    @property
    def due(self) -> bool:
        """Whether a request may be sent now."""
        return bool(self._wanted) and not self._asked

    def add(self, known: Iterable[str]) -> None:
        """These scans were known to Fr-HUB, which may have sent their reports before."""
        self._wanted.extend(self._lacking(known))

    def next(self) -> tuple[str, ...]:
        """The ids of the next request, which is on its way from now on; empty if none is due."""
        while self.due:
            some = [self._wanted.popleft() for _ in range(min(REQUEST_MAX, len(self._wanted)))]
            # Some may have come meanwhile.
            self._asked = set(self._lacking(some))
            if self._asked:
                return tuple(sorted(self._asked))
        return ()

    def answered(self, scan_ids: Sequence[str]) -> None:
        """Fr-HUB sends the reports of these scans again."""
        self._asked.difference_update(scan_ids)

    def lost(self) -> None:
        """The connection is lost, and with it the request on its way."""
        self._wanted.extendleft(self._asked)
        self._asked = set()
