"""What changes in a folder: told by the kernel, or found by polling (the library watchfiles).

Neither is trusted alone. The kernel's queue may overflow, files may be written into a new folder
before it is watched, and names that are not UTF-8 break the library. So all of the folder is looked
at now and then, and whenever something went wrong.
"""

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from watchfiles import Change, watch

from common.runtime.logger import Log

RESCAN_S = 600.0
"""All of the folder is looked at this often."""

POLLED_RESCAN_S = 60.0
"""The same if it is polled, because polling finds no file that takes the place of a newer one."""

FALLBACK_POLL_S = 5.0
"""How often a folder is polled of which the kernel cannot tell the changes."""

TICK_S = 0.5
"""Something is yielded this often, so that its user can see to the time."""

_STEP_MS = 200
_DEBOUNCE_MS = 400
_CHECK_S = 5.0
"""How often it is checked that the watched folder is still the one of this name."""


_NUMBER = re.compile(r"\(os error (\d+)\)")


def _told(error: OSError) -> str:
    """What the kernel says, without the names of folders that watchfiles appends: they may name a
    patient."""
    number = error.errno
    if number is None and (found := _NUMBER.search(str(error))):
        number = int(found[1])
    if number is None:
        return "the limit of watches is reached, or there is no inotify"
    return os.strerror(number)


class FolderChanges:
    """The changes in a folder, endlessly.

    Args:
        root: the folder.
        stop: set to end.
        poll_s: look for changes this often, seconds; None: the kernel tells them.
        log: where it is told that only polling works.

    Attributes:
        poll_s: as above; it is set once the kernel cannot tell.
    """

    def __init__(self, root: Path, stop: threading.Event, poll_s: float | None, log: Log) -> None:
        self._root = root
        self._stop = stop
        self._log = log
        self.poll_s = poll_s

    def __iter__(self) -> Iterator[set[Path] | None]:
        """The paths that may have changed, and may be gone; None: any may. What comes later than
        ``poll_s`` after a change tells it. An empty set comes when nothing changes."""
        while not self._stop.is_set():
            try:
                yield from self._watched()
            except FileNotFoundError:
                yield None
            except OSError as error:
                # Too many folders (fs.inotify.max_user_watches), or no inotify at all.
                if self.poll_s is None:
                    self.poll_s = FALLBACK_POLL_S
                    reason = "the kernel cannot report changes in SOURCE: polling"
                    self._log.warning(reason, reason=_told(error), every_s=self.poll_s)
                    continue
                yield None
            except RuntimeError:  # watchfiles cannot read a name
                yield None
            yield from self._pause(self.poll_s or _CHECK_S)

    def _watched(self) -> Iterator[set[Path] | None]:
        """Changes until this watch is of no more use."""
        polls = self.poll_s is not None
        changes = watch(
            self._root,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=self._stop,
            rust_timeout=int(TICK_S * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=polls,
            poll_delay_ms=int((self.poll_s or 1) * 1000),
            ignore_permission_denied=True,
        )
        place = self._place()
        scanned = 0.0
        checked = time.monotonic()
        with closing(changes):
            for changed in changes:
                now = time.monotonic()
                if now - checked > _CHECK_S:
                    checked = now
                    if place is None or place != self._place():
                        yield None
                        return
                if not scanned or now - scanned > (POLLED_RESCAN_S if polls else RESCAN_S):
                    scanned = now
                    yield None
                # Polling tells of a folder, too, when something is added to it.
                yield {
                    Path(path)
                    for change, path in changed
                    if change is not Change.modified or not Path(path).is_dir()
                }

    def _place(self) -> tuple[int, int] | None:
        try:
            info = self._root.stat()
        except OSError:
            return None
        return info.st_dev, info.st_ino

    def _pause(self, seconds: float) -> Iterator[set[Path]]:
        until = time.monotonic() + seconds
        while not self._stop.wait(TICK_S) and time.monotonic() < until:
            yield set()
