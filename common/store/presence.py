"""A unit says that it is there, from its start to its end."""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator

from common.domain.installed_analyzer import InstalledAnalyzer
from common.errors import StoreError
from common.store.feed import Feed
from common.store.units import Units


@contextlib.contextmanager
def present(
    units: Units,
    feed: Feed,
    unit: str,
    pacs: Callable[[], Collection[str]] = tuple,
    analyzers: Callable[[], Iterable[InstalledAnalyzer]] = tuple,
) -> Iterator[None]:
    """Announce this process as one of this unit, tell every few seconds that it runs, and at the
    end that it has ended.

    Args:
        units: where it is noted.
        feed: whose writer is announced, before the unit changes anything.
        unit: its name.
        pacs: the Fr-PACS that are connected to it.
        analyzers: those that it has; asked again and again, as they may not be known at once.
    """

    ending = threading.Event()
    writing = threading.Lock()

    def beat() -> None:
        with writing, contextlib.suppress(StoreError):  # the next one tells
            if ending.is_set():
                return
            units.beat(unit, analyzers())
            units.note_pacs(pacs())

    feed.open(beat)
    with contextlib.suppress(StoreError):
        units.begin(unit)
        units.sweep()
    try:
        yield
    finally:
        ending.set()
        with writing, contextlib.suppress(StoreError):
            units.end(unit)
