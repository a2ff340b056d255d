"""A watched folder as a source: sends the files and series that arrive, when they are complete."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from blake3 import blake3

from common.errors import SettingsError, SourceError
from common.formats.reader import Reader
from common.runtime.logger import Log
from common.scan_files.file_names import FileNames, uncut
from common.scan_files.file_tasks import FileTask
from common.scan_files.image_files import ImageFiles, ReadOptions, read_ahead
from common.scan_files.own_files import OwnFiles
from common.scan_files.skipped_files import SkippedFiles
from fr_pacs.sources.base import Account, Origin, ScanTask
from fr_pacs.sources.watching.collector import Collector
from fr_pacs.sources.watching.folder_changes import FALLBACK_POLL_S, FolderChanges
from fr_pacs.sources.watching.remote_folders import remote_kind
from fr_pacs.sources.watching.sent_index import DAMAGED, SentIndex
from fr_pacs.sources.watching.under_way import FilesUnderWay, WatchedTask

QUIET_S = 5.0
"""What has not changed for so long is complete, seconds."""

REMOTE_QUIET_S = 60.0
"""The same on network file systems, which may show new files that late (acdirmax, nfs(5))."""

PATIENCE_S = 60.0
"""So much longer a series is waited for whose headers say that images are missing."""

_AHEAD = 16
"""Tasks that may be read ahead."""

_DELAY_S = 0.5
"""Within this time the kernel's word of a change arrives."""


class WatchedFolder:
    """The scans in a folder, those that are there and those that arrive, until it is closed.

    Args:
        root: the folder.
        options: how files are read, and which of their volumes are sent.
        names: makes the labels of the files.
        index: file in which to remember what was sent.
        log: where it is told what is watched.
        follow_links: follow links that lead out of the folder.
        quiet_s: what has not changed for this long is complete, seconds; the default is QUIET_S, or
            REMOTE_QUIET_S.
        poll_s: look for changes this often, seconds; the default is to let the kernel tell them, or
            FALLBACK_POLL_S where it cannot.
        patience_s: the longest wait for an incomplete series, seconds.
        reader: reads the files; the default is one for this source alone.
        own: what Fr-PACS writes itself; it is no input.

    Raises:
        SourceError: the folder cannot be read.
        SettingsError: it is none, or the index cannot be used.
    """

    def __init__(
        self,
        root: Path,
        options: ReadOptions,
        names: FileNames,
        index: Path,
        log: Log,
        *,
        follow_links: bool = False,
        quiet_s: float | None = None,
        poll_s: float | None = None,
        patience_s: float | None = None,
        reader: Reader | None = None,
        own: OwnFiles | None = None,
    ) -> None:
        root = root.absolute()
        if root.is_file():
            raise SettingsError("WATCH needs a folder, and SOURCE is a file: unset WATCH")
        if not root.is_dir():
            raise SourceError(f"{names.source(root)} is not a folder that can be watched")
        self._root = root
        self._names = names
        self._log = log
        remote = remote_kind(root)
        if remote is not None:
            quiet_s, poll_s = quiet_s or REMOTE_QUIET_S, poll_s or FALLBACK_POLL_S
        self._quiet_s = quiet_s or QUIET_S
        keys = options.keys
        self._index = SentIndex(
            index,
            root,
            made_by=f"{version('fr')} {' '.join(sorted(options.volumes))} {follow_links}",
            key_digest=blake3(b"watched files", key=keys.scan_ids).hexdigest()[:32],
            log=log,
        )
        if self._index.was_damaged:
            log.warning(DAMAGED)
        self._under_way = FilesUnderWay(self._index, names.reveal)
        self._stopping = threading.Event()
        self._changes = FolderChanges(root, self._stopping, poll_s, log)
        self._owns_reader = reader is None
        self._reader = Reader(options.max_bytes) if reader is None else reader
        self._collector = Collector(
            root,
            ImageFiles(root, options, names, self._reader),
            names,
            self._index,
            self._under_way,
            self._give,
            self._tell,
            key=keys.pseudonyms,
            follow_links=follow_links,
            quiet_s=self._quiet_s,
            patience_s=self._quiet_s + PATIENCE_S if patience_s is None else patience_s,
            stopping=self._stopping.is_set,
            own=own,
        )
        self._lock = threading.Lock()
        self._tasks: deque[WatchedTask] = deque()
        self._error: BaseException | None = None
        self._is_lost = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._tell_skipped: Callable[[SkippedFiles], None] = lambda _: None
        self._tell_found: Callable[[Origin], None] = lambda _: None

    @property
    def total(self) -> None:
        """None: it is endless."""

    @property
    def waits(self) -> bool:
        """True: files can be sent later."""
        return True

    @property
    def path(self) -> str:
        """The absolute path of the folder."""
        return uncut(str(self._root))

    def accounts(self) -> Iterator[Account]:
        """What earlier runs know of files (``AccountsForFiles``)."""
        return iter(self._index.accounts())

    def start(
        self, skipped: Callable[[SkippedFiles], None], found: Callable[[Origin], None]
    ) -> None:
        """Begin to watch.

        Args:
            skipped: called with what is no scan, in another thread.
            found: called with where a scan is that is to be sent, in that thread, too.
        """
        self._tell_skipped, self._tell_found = skipped, found
        counts = {f"files_{outcome}": count for outcome, count in self._index.counts().items()}
        how = {"poll_s": self._changes.poll_s} if self._changes.poll_s else {}
        folder = self._names.source(self._root)
        self._log.info("watching", folder=folder, quiet_s=self._quiet_s, **how, **counts)
        self._thread.start()

    def __iter__(self) -> Iterator[ScanTask | None]:
        """The tasks, endlessly; None while there is none.

        Raises:
            Exception: the thread that watches has failed.
        """
        while True:
            if self._error is not None:
                raise self._error
            with self._lock:
                task = self._tasks.popleft() if self._tasks else None
                coming = [one.inner for one in islice(self._tasks, _AHEAD)] if task else []
            read_ahead(coming)
            yield task

    def stored(self, scan_ids: Sequence[str]) -> None:
        """Fr-HUB has stored these scans."""
        self._under_way.stored(scan_ids)

    def refused(self, scan_id: str, reason: str, *, for_good: bool) -> None:
        """Fr-HUB does not take this scan, and if ``for_good``, never will."""
        self._under_way.refused(scan_id, reason, for_good=for_good)

    def labels_of(self, scan_id: str) -> list[tuple[str, Origin]]:
        """The labels and origins of a scan that this or an earlier run has sent."""
        return self._index.labels_of(scan_id)

    def stop(self) -> None:
        """Have the thread end soon. Idempotent."""
        self._stopping.set()

    def close(self) -> None:
        """End. What was not acknowledged is read again by the next run."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join()
        if self._owns_reader:
            self._reader.close()
        self._index.close()

    def _give(self, task: WatchedTask) -> None:
        if isinstance(task.inner, FileTask) and task.inner.origin is not None:
            self._tell_found(task.inner.origin)
        with self._lock:
            self._tasks.append(task)

    def _tell(self, skipped: SkippedFiles) -> None:
        self._tell_skipped(skipped)

    def _run(self) -> None:
        try:
            for paths in self._changes:
                self._round(paths, time.monotonic())
        except Exception as error:  # noqa: BLE001 - a thread's error must reach the main thread
            self._error = error

    def _round(self, paths: set[Path] | None, now: float) -> None:
        try:
            if paths is None:
                self._collector.rescan(now)
            else:
                self._collector.look(paths, now)
            self._collector.advance(now, now - (self._changes.poll_s or 0) - _DELAY_S)
        except SourceError as error:
            if not self._is_lost:
                self._is_lost = True
                self._log.warning("SOURCE cannot be read, retrying", reason=str(error))
        else:
            self._is_lost = False
