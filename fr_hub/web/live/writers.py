"""Finds out that an event was lost, from what its writer told before and after: see
``common.store.feed``."""

from dataclasses import dataclass, field

from common.store.units import GONE_S

LATE_S = 10.0
"""An event may come so much later than the next one of its writer, seconds: one process writes on
several connections, and a busy machine runs them in any order."""

_GAP_MAX = 1000
"""A larger gap is a loss at once."""


@dataclass(slots=True)
class _Writer:
    last: int
    heard: float
    announced: bool = False
    missing: dict[int, float] = field(default_factory=dict)
    """Numbers that have not come, each with the time since when."""


class Writers:
    """The writers of events that are known. Times are those of any clock that goes forward."""

    def __init__(self) -> None:
        self._known: dict[str, _Writer] = {}
        self._lost = False

    def heard(
        self, name: str, number: int, now: float, *, announced: bool = False, ended: bool = False
    ) -> None:
        """A document of a writer came.

        Args:
            name: of the writer.
            number: of the document.
            now: the time.
            announced: whether the writer says that it will be heard of again soon.
            ended: whether it was its last one.
        """
        writer = self._known.get(name)
        if writer is None:
            # Its earlier documents may be older than what is retained.
            writer = self._known[name] = _Writer(number, now)
        elif number > writer.last + _GAP_MAX:
            self._lost = True
        elif number > writer.last:
            writer.missing |= dict.fromkeys(range(writer.last + 1, number), now)
        writer.missing.pop(number, None)
        writer.last = max(writer.last, number)
        writer.heard = now
        writer.announced = writer.announced or announced
        if ended:
            self._lost = self._lost or bool(writer.missing)
            del self._known[name]

    def is_lost(self, now: float) -> bool:
        """Whether an event was lost since the last call: one has not come, or a writer has fallen
        silent."""
        lost, self._lost = self._lost, False
        for name, writer in list(self._known.items()):
            for number, since in list(writer.missing.items()):
                if now - since > LATE_S:
                    del writer.missing[number]
                    lost = True
            if now - writer.heard > GONE_S:
                del self._known[name]
                lost = lost or writer.announced
        return lost
