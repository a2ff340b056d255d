"""The labels of the scans of a run: which files hold each, for log, ledger and index."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from common.domain.report_index import about_file, path_of, row_key
from fr_pacs.index_upkeep import is_there
from fr_pacs.sources.base import Origin

KEPT = 1_000_000
"""Scans whose files are remembered: an endless run must not fill the memory."""


class _Loaded(NamedTuple):
    label: str
    origin: Origin | None


_Place = tuple[str, str]


def path_of_origin(origin: Origin) -> str:
    """The absolute path of its file."""
    return path_of(about_file(origin.file, origin.volume, origin.folder))


def _place_of(origin: Origin) -> _Place:
    """What identifies a volume of a file, whatever it holds."""
    return row_key(about_file(origin.file, origin.volume, origin.folder))


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
        self._earlier: Callable[[str], Sequence[tuple[str, Origin]]] | None = None
        self._holders: OrderedDict[_Place, str] = OrderedDict()
        """The scan of each place that this run has looked at; empty: it holds none. Only of a
        source that remembers: the files of others do not change while they are sent."""

    def ask(self, earlier: Callable[[str], Sequence[tuple[str, Origin]]]) -> None:
        """Ask this, too, for labels and origins of scans of earlier runs; files may change."""
        self._earlier = earlier

    def has(self, scan_id: str, label: str) -> bool:
        """Whether this run loaded a scan under this label."""
        return any(one.label == label for one in self._loaded.get(scan_id, ()))

    def forget(self, scan_id: str) -> None:
        """Forget that this run loaded a scan."""
        self._loaded.pop(scan_id, None)

    def add(self, scan_id: str, label: str, origin: Origin | None = None) -> str | None:
        """Note a label of a scan; returns the first one of this run if this is another one."""
        if origin is not None:
            self._hold(origin, scan_id)
        loaded = self._loaded.setdefault(scan_id, [])
        loaded.append(_Loaded(label, origin))
        if len(loaded) > 1:
            return loaded[0].label
        if len(self._loaded) > KEPT:
            self._loaded.popitem(last=False)
        return None

    def withdraw(self, origins: Iterable[Origin]) -> None:
        """These volumes of files do not hold the scan any more that they held before."""
        for origin in origins:
            self._hold(origin, "")

    def _hold(self, origin: Origin, scan_id: str) -> None:
        """A volume of a file holds this scan now, and no other one."""
        if self._earlier is None:
            return
        place = _place_of(origin)
        before = self._holders.pop(place, "")
        self._holders[place] = scan_id
        if len(self._holders) > KEPT:
            self._holders.popitem(last=False)
        if before and before != scan_id and (loaded := self._loaded.get(before)):
            left = [one for one in loaded if one.origin is None or _place_of(one.origin) != place]
            if left:
                self._loaded[before] = left
            else:
                del self._loaded[before]

    def all_of(self, scan_id: str) -> tuple[str, ...]:
        """All labels under which this run loaded a scan."""
        return tuple(one.label for one in self._loaded.get(scan_id, ()))

    def first_origin_of(self, scan_id: str) -> Origin | None:
        """The first of ``origins_of``; without earlier runs at the same cost however many there
        are."""
        if self._earlier is None:
            known = (one.origin for one in self._loaded.get(scan_id, ()))
            return next((origin for origin in known if origin is not None), None)
        return next(iter(self.origins_of(scan_id)), None)

    def origins_of(self, scan_id: str) -> list[Origin]:
        """All volumes of files from which this run, or as far as is known an earlier one, loaded a
        scan."""
        loaded = [one.origin for one in self._loaded.get(scan_id, ()) if one.origin is not None]
        folders = {one.folder for one in loaded}
        earlier = [
            origin
            for _, origin in self._earlier_of(scan_id)
            if not loaded or (origin.folder in folders and is_there(path_of_origin(origin)))
        ]
        # The one that an earlier run sent stays the first: the others are its copies.
        return list(dict.fromkeys((*earlier, *loaded)))

    def _earlier_of(self, scan_id: str) -> list[tuple[str, Origin]]:
        """What an earlier run loaded, unless this one has found something else there."""
        if self._earlier is None:
            return []
        found = self._earlier(scan_id)
        return [one for one in found if self._holders.get(_place_of(one[1]), scan_id) == scan_id]

    def first_of(self, scan_id: str) -> str | None:
        """The label of a scan for the log: of this run, else of an earlier one; None if neither is
        known."""
        if loaded := self._loaded.get(scan_id):
            return loaded[0].label
        recalled = self._recalled.get(scan_id)
        if recalled is None and (earlier := self._earlier_of(scan_id)):
            recalled = earlier[0][0]
        return None if recalled is None else self._conceal(recalled)
