"""The labels of the scans of a run: which files hold each, for log, ledger and index."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from fr_pacs.sources.base import Origin

KEPT = 1_000_000
"""Scans whose files are remembered: an endless run must not fill the memory."""


class _Loaded(NamedTuple):
    label: str
    origin: Origin | None


class RunLabels:
    """What is known of the files of each scan. Not locked.

    Args:
        recalled: labels of scans of earlier runs, as the ledger has them.
        conceal: makes a label for the log out of one in the ledger.
    """

    def __init__(self, recalled: Mapping[str, str], conceal: Callable[[str], str] = str) -> None:
        self._recalled = recalled
        self._conceal = conceal
        self._loaded: OrderedDict[str, list[_Loaded]] = OrderedDict()
        self._earlier: Callable[[str], Sequence[tuple[str, Origin]]] = lambda _: ()

    def ask(self, earlier: Callable[[str], Sequence[tuple[str, Origin]]]) -> None:
        """Ask this, too, for labels and origins of scans of earlier runs."""
        self._earlier = earlier

    def has(self, scan_id: str, label: str) -> bool:
        """Whether this run loaded a scan under this label."""
        return any(one.label == label for one in self._loaded.get(scan_id, ()))

    def forget(self, scan_id: str) -> None:
        """Forget that this run loaded a scan."""
        self._loaded.pop(scan_id, None)

    def add(self, scan_id: str, label: str, origin: Origin | None = None) -> str | None:
        """Note a label of a scan; returns the first one of this run if this is another one."""
        loaded = self._loaded.setdefault(scan_id, [])
        loaded.append(_Loaded(label, origin))
        if len(loaded) > 1:
            return loaded[0].label
        if len(self._loaded) > KEPT:
            self._loaded.popitem(last=False)
        return None

    def all_of(self, scan_id: str) -> tuple[str, ...]:
        """All labels under which this run loaded a scan."""
        return tuple(one.label for one in self._loaded.get(scan_id, ()))

    def origins_of(self, scan_id: str) -> list[Origin]:
        """All volumes of files from which this run, or as far as is known an earlier one, loaded a
        scan."""
        loaded = [one.origin for one in self._loaded.get(scan_id, ()) if one.origin is not None]
        earlier = (origin for _, origin in self._earlier(scan_id))
        return list(dict.fromkeys((*loaded, *earlier)))

    def first_of(self, scan_id: str) -> str | None:
        """The label of a scan for the log: of this run, else of an earlier one; None if neither is
        known."""
        if loaded := self._loaded.get(scan_id):
            return loaded[0].label
        recalled = self._recalled.get(scan_id)
        if recalled is None and (earlier := self._earlier(scan_id)):
            recalled = earlier[0][0]
        return None if recalled is None else self._conceal(recalled)
