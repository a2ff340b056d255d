"""Files that have arrived or changed, until they are complete. No I/O, no clock."""

from dataclasses import dataclass
from pathlib import Path

from common.scan_files.image_files import Found
from fr_pacs.sources.watching.under_way import Stamp

SETTLED_S = 1.0
"""A file that has not changed for this long is read, to see what it is and whether the file is the
last one that its series waits for."""

_PARTIAL = (".part", ".partial", ".filepart", ".crdownload", ".download", ".incomplete", ".tmp")
"""Names that programs give to copies under way, to rename them at the end."""


@dataclass(slots=True)
class Arrival:
    """A file that is not complete yet, as far as anybody knows."""

    path: Path
    label: str
    stamp: Stamp
    since: float
    """When it last changed, monotonic seconds."""
    found: Found | None = None
    """What is in it; None: it has not been read since it changed."""
    in_series: bool = False
    """Whether it waits for others of its series."""


class Arrivals:
    """Files that have arrived or changed.

    Args:
        quiet_s: a file is complete when it has not changed for so long, seconds.
        patience_s: the same for files whose names say that they are not.
    """

    def __init__(self, quiet_s: float, patience_s: float) -> None:
        self._quiet_s = quiet_s
        self._patience_s = patience_s
        self._settled_s = min(SETTLED_S, quiet_s)
        self._files: dict[Path, Arrival] = {}

    def __len__(self) -> int:
        return len(self._files)

    def get(self, path: Path) -> Arrival | None:
        """The arrival of this path."""
        return self._files.get(path)

    def note(self, path: Path, label: str, stamp: Stamp, now: float) -> Arrival:
        """A file is in this state, which may be the one that is known."""
        arrival = self._files.get(path)
        if arrival is None or arrival.stamp != stamp:
            arrival = self._files[path] = Arrival(path, label, stamp, now)
        return arrival

    def changed(self, path: Path, stamp: Stamp, now: float) -> None:
        """A file has changed, or is being written."""
        arrival = self._files[path]
        arrival.stamp, arrival.since = stamp, now
        arrival.found, arrival.in_series = None, False

    def remove(self, path: Path) -> None:
        """A file is gone, or taken."""
        self._files.pop(path, None)

    def paths(self) -> list[Path]:
        """The files."""
        return list(self._files)

    def settled(self, now: float) -> list[Arrival]:
        """Files to read, in order of their names."""
        return sorted(
            (
                one
                for one in self._files.values()
                if one.found is None and now - one.since >= self._wait(one, self._settled_s)
            ),
            key=lambda one: one.path,
        )

    def complete(self, now: float) -> list[Arrival]:
        """Files but for slices that were read and have not changed for long enough, in order of
        their names."""
        return sorted(
            (
                one
                for one in self._files.values()
                if one.found is not None
                and not one.in_series
                and now - one.since >= self._wait(one, self._quiet_s)
            ),
            key=lambda one: one.path,
        )

    def unread_folders(self) -> set[Path]:
        """The folders of files that may be slices of any series."""
        return {one.path.parent for one in self._files.values() if one.found is None}

    def _wait(self, arrival: Arrival, seconds: float) -> float:
        partial = arrival.path.name.lower().endswith(_PARTIAL)
        return max(seconds, self._patience_s) if partial else seconds
