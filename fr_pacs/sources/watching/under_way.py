"""Files whose outcome is not known yet: some of their scans are neither stored nor failed.

The thread that watches begins a file, and holds it once for each thing that is still to come of
it: slices that wait for their series, and tasks. When the last one is done, the file and its
outcome are in the index. The threads that send tell what became of each task.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from common.domain.file_outcomes import FileOutcome
from common.errors import SourceError
from fr_pacs.run_labels import KEPT
from fr_pacs.sources.base import Account, HasOrigins, LoadedScan, Origin, ScanTask, Withdrawn
from fr_pacs.sources.watching.open_files import state_of
from fr_pacs.sources.watching.sent_index import (
    IndexedFile,
    Outcome,
    SentIndex,
    SeriesPart,
    worst,
)

Stamp = tuple[int, int]
"""Size of a file, bytes, and when it was last written, ns since the epoch."""


ANSWERED_KEPT = KEPT
"""Scans that are remembered as stored: as many as have their labels remembered, because a copy of
one of those is not sent, so that no answer comes."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class FileUnderWay:
    """A file that was read once. When it is read again, another one takes its place."""

    path: Path
    stamp: Stamp
    series: str = ""
    """A digest that the slices of its series share; empty if it is not DICOM."""
    holds: int = 1
    """For how many things it waits."""
    outcomes: set[Outcome] = field(default_factory=set)
    scan_ids: list[str] = field(default_factory=list)
    told: list[Account] = field(default_factory=list)
    """What else became of it than scans that are stored."""
    parts: list[SeriesPart] = field(default_factory=list)
    """What it holds of DICOM series."""


class FilesUnderWay:
    """Files between their reading and their outcome. Thread-safe.

    Args:
        index: where outcomes are noted.
        reveal: makes the name of a file out of a label that may be a hash.
    """

    def __init__(self, index: SentIndex, reveal: Callable[[str], str] = str) -> None:
        self._index = index
        self._reveal = reveal
        self._lock = threading.Lock()
        self._files: dict[Path, FileUnderWay] = {}
        self._latest: WeakValueDictionary[Path, FileUnderWay] = WeakValueDictionary()
        """The last state of each file, also once its outcome is known."""
        self._answered: OrderedDict[str, None] = OrderedDict()
        """Scans that Fr-HUB has stored in this run."""
        self._again: set[Path] = set()
        self._loaded: dict[str, list[WatchedTask]] = {}
        """Tasks whose scans Fr-HUB has not answered for, by scan id."""

    def begin(self, path: Path, stamp: Stamp, series: str = "") -> FileUnderWay:
        """A file was read; what became of an earlier state of it does not count any more. It is
        held once, for whoever calls this."""
        with self._lock:
            self._files[path] = self._latest[path] = file = FileUnderWay(path, stamp, series)
            return file

    def get(self, path: Path) -> FileUnderWay | None:
        """The file of this path, if it is under way."""
        with self._lock:
            return self._files.get(path)

    def of_series(self, series: str) -> list[FileUnderWay]:
        """The files of a series that are under way."""
        with self._lock:
            return [file for file in self._files.values() if series and file.series == series]

    def hold(self, files: Iterable[FileUnderWay]) -> None:
        """Something more is to come of these files."""
        with self._lock:
            for file in files:
                file.holds += 1

    def release(
        self,
        files: Iterable[FileUnderWay],
        outcome: Outcome | None = None,
        scan_id: str | None = None,
        account: Account | None = None,
    ) -> None:
        """One thing has come of these files.

        Args:
            files: each was held for it.
            outcome: what; None: it does not count.
            scan_id: of the stored scan, if it is one.
            account: the same for the index of the reports, if it is no stored scan.
        """
        done = []
        with self._lock:
            for file in files:
                file.holds -= 1
                if outcome is not None:
                    file.outcomes.add(outcome)
                if scan_id is not None and scan_id not in file.scan_ids:
                    file.scan_ids.append(scan_id)
                if account is not None:
                    file.told.append(account)
                if file.holds <= 0 and self._files.get(file.path) is file:
                    del self._files[file.path]
                    outcome_of_all, ids = worst(file.outcomes), tuple(file.scan_ids)
                    size, mtime_ns = file.stamp
                    done.append(
                        IndexedFile(
                            file.path,
                            size,
                            mtime_ns,
                            outcome_of_all,
                            file.series,
                            ids,
                            tuple(file.told),
                            tuple(file.parts),
                        )
                    )
        if done:
            self._index.put(done)

    def drop(self, path: Path) -> None:
        """A file was removed: nothing is noted of it."""
        with self._lock:
            self._files.pop(path, None)

    def withdraw(self, files: Iterable[FileUnderWay]) -> None:
        """One of these files has changed: look at all of them again."""
        with self._lock:
            for file in files:
                if self._files.get(file.path) is file:
                    del self._files[file.path]
                    self._again.add(file.path)

    def take_withdrawn(self) -> set[Path]:
        """The files to look at again, since the last call."""
        with self._lock:
            again, self._again = self._again, set()
            return again

    # --- what becomes of tasks -------------------------------------------------------------------

    def loaded(self, task: "WatchedTask", loaded: LoadedScan) -> None:
        """The scan of a task will be sent, unless it was."""
        scan_id = loaded.scan.scan_id
        task.origin = loaded.origin
        with self._lock:
            self._loaded.setdefault(scan_id, []).append(task)
            is_answered = scan_id in self._answered
        if is_answered:
            # Stored in this run, which does not send a copy.
            self.stored([scan_id])

    def stored(self, scan_ids: Sequence[str]) -> None:
        """Fr-HUB has stored these scans."""
        with self._lock:
            tasks = [(i, task) for i in scan_ids for task in self._loaded.pop(i, [])]
            for scan_id in scan_ids:
                self._answered[scan_id] = None
            while len(self._answered) > ANSWERED_KEPT:
                self._answered.popitem(last=False)
            # A file that was written anew meanwhile holds something else.
            current = [
                (scan_id, self._reveal(task.label), task.origin)
                for scan_id, task in tasks
                if task.origin is not None
                and all(self._latest.get(file.path) is file for file in task.files)
            ]
        self._index.add_scans(current)
        for scan_id, task in tasks:
            self.release(task.files, Outcome.SENT, scan_id)

    def refused(self, scan_id: str, reason: str, *, for_good: bool) -> None:
        """Fr-HUB does not take this scan."""
        with self._lock:
            tasks = self._loaded.pop(scan_id, [])
            self._answered.pop(scan_id, None)
        outcome = Outcome.REFUSED if for_good else Outcome.FAILED
        for task in tasks:
            origins = () if task.origin is None else (task.origin,)
            account = Account(FileOutcome.REFUSED, reason, origins, scan_id)
            self.release(task.files[:1], outcome, account=account)
            self.release(task.files[1:], outcome)


class WatchedTask:
    """A task of a watched folder.

    Args:
        inner: reads or fails.
        files: those that it is about, which it holds.
        under_way: is told what becomes of it.
    """

    def __init__(
        self, inner: ScanTask, files: Sequence[FileUnderWay], under_way: FilesUnderWay
    ) -> None:
        self.inner = inner
        self.files = files
        self.origin: Origin | None = None
        self._under_way = under_way
        under_way.hold(files)

    @property
    def label(self) -> str:
        """Names the scan."""
        return self.inner.label

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where it is (``HasOrigins``)."""
        return self.inner.origins if isinstance(self.inner, HasOrigins) else ()

    def load(self) -> LoadedScan:
        """Read the scan.

        Raises:
            SourceError: it cannot become a scan.
            Withdrawn: its files have changed since their headers were read.
        """
        try:
            loaded = self.inner.load()
        except SourceError as error:
            self._failed(error)
            raise
        self._under_way.loaded(self, loaded)
        return loaded

    def _failed(self, error: SourceError) -> None:
        """Tell a damaged file from one that was changed or removed meanwhile.

        Raises:
            SourceError: it was removed.
            Withdrawn: it was changed.
        """
        states = [(file, state_of(file.path)) for file in self.files]
        if any(
            state and (state.being_written or state[:2] != file.stamp) for file, state in states
        ):
            self._under_way.withdraw(self.files)
            raise Withdrawn(str(error)) from error
        gone = [file for file, state in states if state is None]
        for file in gone:
            self._under_way.drop(file.path)
        self._under_way.release(self.files, Outcome.FAILED)
        if gone:
            raise SourceError("it was removed before it was sent") from error
