"""A watched folder whose time goes on only when a test says so."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from common.errors import SourceError
from common.formats.reader import Reader
from common.scan_files.file_names import FileNames
from common.scan_files.image_files import ImageFiles, ReadOptions
from common.scan_files.skipped_files import SkippedFile, SkippedFiles
from common.settings.identity_keys import IdentityKeys
from fr_pacs.sources.base import LoadedScan, Withdrawn
from fr_pacs.sources.watching.collector import Collector
from fr_pacs.sources.watching.sent_index import SentIndex
from fr_pacs.sources.watching.under_way import FilesUnderWay, WatchedTask

QUIET_S, PATIENCE_S = 10.0, 100.0

KEYS = IdentityKeys(bytes(32), bytes(32))


class Watched:
    """A folder, and what is sent of it.

    Args:
        root: the folder.
        index: file of the index.
        reader: reads the files.
    """

    def __init__(self, root: Path, index: Path, reader: Reader) -> None:
        names = FileNames()
        self.root = root
        self.now = 1000.0
        self.index = SentIndex(index, root)
        self.under_way = FilesUnderWay(self.index)
        self.files = ImageFiles(root, ReadOptions("site-a", KEYS), names, reader)
        self.tasks: list[WatchedTask] = []
        self.skipped: list[SkippedFile] = []
        self.collector = Collector(
            root,
            self.files,
            names,
            self.index,
            self.under_way,
            self.tasks.append,
            lambda skipped: self.tell(skipped),
            key=bytes(32),
            follow_links=False,
            quiet_s=QUIET_S,
            patience_s=PATIENCE_S,
        )

    def tell(self, skipped: SkippedFiles) -> None:
        """Note what was skipped."""
        self.skipped += skipped

    def after(self, seconds: float, *changed: Path) -> list[str]:
        """The labels of the new tasks after some time, at whose end these paths have changed."""
        self.now += seconds
        before = len(self.tasks)
        self.collector.look(changed, self.now)
        self.collector.advance(self.now, self.now)
        return [task.label for task in self.tasks[before:]]

    def settled(self, *changed: Path) -> list[str]:
        """The labels of the new tasks once these paths are quiet."""
        self.collector.look(changed, self.now)
        return [label for wait in (2, 2, QUIET_S, 0) for label in self.after(wait)]

    def load(self, *, store: bool = True) -> dict[str, LoadedScan | str]:
        """Load all tasks, by label; those that fail have the reason. Fr-HUB stores all scans."""
        told: dict[str, LoadedScan | str] = {}
        for task in self.tasks:
            try:
                loaded = told[task.label] = task.load()
                if store:
                    self.under_way.stored([loaded.scan.scan_id])
            except SourceError as error:
                told[task.label] = str(error)
            except Withdrawn:
                told[task.label] = "withdrawn"
        self.tasks.clear()
        return told

    def close(self) -> None:
        """As the process ends."""
        self.index.close()


Watch = Callable[[], Watched]


def opener(root: Path, index: Path, reader: Reader) -> Iterator[Watch]:
    """Opens the folder, again and again as each start of Fr-PACS does."""
    opened: list[Watched] = []

    def watch() -> Watched:
        for one in opened:
            one.close()
        opened[:] = [Watched(root, index, reader)]
        opened[0].collector.rescan(opened[0].now)
        return opened[0]

    yield watch
    for one in opened:
        one.close()


def written_anew(path: Path, content: bytes | None = None) -> Path:
    """Write a file again, at another time."""
    info = path.stat()
    path.write_bytes(path.read_bytes() if content is None else content)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns + 1_000_000_000))
    return path
