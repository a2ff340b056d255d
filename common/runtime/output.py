"""Lines to standard output and standard error that never block the program.

A pipe whose reader has stalled takes nothing, possibly for minutes. So one thread waits for it
while the lines wait in a bounded queue; lines that do not fit are dropped, counted, and reported
once there is room again. A pipe whose reader has died loses its lines.

Processes that share a stream do not interleave their lines: a write of up to PIPE_BUF bytes is
atomic on a pipe, and each line is written in one piece of at most that size.
"""

import atexit
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

LINE_BYTES = 4096
"""The longest line, with its newline: PIPE_BUF on Linux."""

QUEUE_BYTES = 1 << 20
"""The most bytes that wait to be written."""

PATIENCE_S = 2.0
"""How long ``flush`` waits for a reader that takes nothing."""

_RETRY_S = 0.05


class OutputQueue:
    """Writes lines to file descriptors from a separate thread.

    Args:
        dropped_line: makes the line that reports a number of dropped lines.
        limit: the most bytes that wait.
    """

    def __init__(
        self, dropped_line: Callable[[int], str] | None = None, limit: int = QUEUE_BYTES
    ) -> None:
        self.dropped_line = dropped_line or (lambda count: f"{count} lines dropped\n")
        self._limit = limit
        self._reset()
        # A forked child has no thread, and must not write the lines of its parent again.
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._dropped = 0
        self._dropped_on = 1
        self._written = 0
        self._writing = False
        self._thread: threading.Thread | None = None

    def put(self, fd: int, text: str) -> None:
        """Queue a line for this file descriptor, or drop it."""
        data = text.encode(errors="backslashreplace")
        with self._changed:
            # A backlog that was cut off is reported before later lines.
            if self._bytes + len(data) > self._limit or self._dropped:
                self._dropped += 1
                self._dropped_on = fd
            else:
                self._pieces.append((fd, data))
                self._bytes += len(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="output", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, patience_s: float = PATIENCE_S) -> bool:
        """Wait until all lines are written, or nothing was for ``patience_s`` seconds.

        Returns:
            Whether all are written.
        """
        with self._changed:
            while not self._idle():
                if self._thread is None or not self._thread.is_alive():
                    return False
                if not self._changed.wait_for(self._progress(), patience_s):
                    return False
            return True

    def _progress(self) -> Callable[[], bool]:
        before = self._written
        return lambda: self._written != before

    def _idle(self) -> bool:
        return not (self._pieces or self._writing or self._dropped)

    def _run(self) -> None:
        lost = 0  # lines that their descriptor refused: a dead reader, a full disk
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pieces or self._dropped)
                fd, data, count = self._take()
                self._writing = True
            if _write(fd, data):
                found, lost = lost, 0
            else:
                found, lost = 0, lost + count
            with self._changed:
                self._writing = False
                if found:
                    self._dropped, self._dropped_on = self._dropped + found, fd
                self._written += 1
                self._changed.notify_all()

    def _take(self) -> tuple[int, bytes, int]:
        """The next lines of one descriptor, as many as one atomic write takes."""
        if not self._pieces:
            count, self._dropped = self._dropped, 0
            return self._dropped_on, self.dropped_line(count).encode(), count
        fd, data = self._pieces.popleft()
        count = 1
        while self._pieces and self._pieces[0][0] == fd:
            if len(data) + len(self._pieces[0][1]) > LINE_BYTES:
                break
            data += self._pieces.popleft()[1]
            count += 1
        self._bytes -= len(data)
        return fd, data, count


def _write(fd: int, data: bytes) -> bool:
    """Write all of the data, however long that takes; False if it cannot be written."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # another process has made the stream non-blocking
            time.sleep(_RETRY_S)
        except OSError:
            return False
    return True


_queue = OutputQueue()
_started = False


def start(dropped_line: Callable[[int], str]) -> None:
    """Queue the lines of this process from now on; those left are written at exit."""
    global _started
    _queue.dropped_line = dropped_line
    if not _started:
        _started = True
        atexit.register(flush)


def flush(patience_s: float = PATIENCE_S) -> None:
    """Wait until the queued lines are written, or nothing was for ``patience_s`` seconds."""
    _queue.flush(patience_s)


def write_line(stream: TextIO, line: str) -> None:
    """Write a line to standard output or standard error; never raises, and blocks only before
    ``start``.

    Args:
        stream: ``sys.stdout`` or ``sys.stderr``, which a progress bar or a test may have replaced.
        line: with its newline, of at most LINE_BYTES in UTF-8.
    """
    if _started and stream is sys.__stdout__:
        _queue.put(1, line)
    elif _started and stream is sys.__stderr__:
        _queue.put(2, line)
    else:
        try:
            stream.write(line)
            stream.flush()
        except (OSError, ValueError):  # its reader has died, or it is closed
            pass


class QueuedStream:
    """Standard output or standard error as a file whose writes are queued."""

    encoding = "utf-8"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Queue the text."""
        write_line(self._stream, text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: the queue is written as fast as it can be."""

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's file descriptor."""
        return self._stream.fileno()
