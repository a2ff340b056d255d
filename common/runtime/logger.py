"""Structured logging for all units. No line carries patient data, voxels or passwords."""

import logging
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

Log = structlog.stdlib.BoundLogger

LINES_A_SECOND = 20
"""More of the same event than this are counted instead: at thousands of scans a second a line
each would cost more than the scan."""


def configure(level: str, style: str, unit: str) -> None:
    """Set up logging to standard output: ``style`` is ``'console'`` or ``'json'``; ``unit`` is told
    in JSON only, as on a console who started it tells the units apart."""
    terminal = sys.stdout.isatty()
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=terminal, pad_event_to=0, pad_level=False)
    )

    def add_unit(_log: Any, _method: str, fields: Any) -> Any:
        return {"unit": unit, **fields} if style == "json" else fields

    structlog.configure(
        processors=[
            add_unit,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso") if style == "json" else _clock,
            # Exceptions without local variables: those may hold a scan.
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(_Output()),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )


def get_log(**fields: Any) -> Log:
    """A logger that adds these fields to each line."""
    log: Log = structlog.get_logger(**fields)
    return log


def command_log() -> Log:
    """The logger of a command that a person gives: warnings alone, to standard error, as its
    output is the answer."""
    log: Log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    return log


def _clock(_log: Any, _method: str, fields: Any) -> Any:
    """For people: the time of day, to the millisecond."""
    return {"timestamp": datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3], **fields}


class _Output:
    """Standard output as it is now: a progress bar may have put itself before it."""

    @staticmethod
    def write(text: str) -> None:
        sys.stdout.write(text)

    @staticmethod
    def flush() -> None:
        sys.stdout.flush()


class Digest:
    """Logs an event as it comes, and when it comes often, its count once a second.

    Thread-safe. The rest of a busy second is told by the next event or by ``flush``.
    """

    def __init__(self, log: Log, lines_a_second: int = LINES_A_SECOND) -> None:
        self._log = log
        self._limit = lines_a_second
        self._lock = threading.Lock()
        self._second = 0
        self._lines = 0
        self._held: dict[str, int] = {}

    def info(self, event: str, **fields: Any) -> None:
        """Log this event, or count it."""
        if self._room(event):
            self._log.info(event, **fields)

    def info_each(self, event: str, scan_ids: Sequence[str], **fields: Any) -> None:
        """Log this event of each of these scans, or count it: all at once."""
        for scan_id in scan_ids[: self._room_for(event, len(scan_ids))]:
            self._log.info(event, scan_id=scan_id, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log this event as a warning, or count it."""
        if self._room(event):
            self._log.warning(event, **fields)

    def _room(self, event: str) -> bool:
        return bool(self._room_for(event, 1))

    def _room_for(self, event: str, count: int) -> int:
        """How many of so many of this event are logged; the others are counted."""
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._lines = second, 0
                self._tell()
            logged = max(0, min(count, self._limit - self._lines))
            self._lines += logged
            if logged < count:
                self._held[event] = self._held.get(event, 0) + count - logged
            return logged

    def flush(self) -> None:
        """Tell what was counted and not told."""
        with self._lock:
            self._tell()

    def _tell(self) -> None:
        held, self._held = self._held, {}
        for event, count in held.items():
            self._log.info(f"{count} more: {event}")


class Presence:
    """Says once that a peer is away, and once that it is back. Thread-safe."""

    def __init__(self, log: Log, peer: str) -> None:
        self._log = log
        self._peer = peer
        self._lock = threading.Lock()
        self._here: bool | None = None

    def away(self, reason: object) -> None:
        """It does not answer: logged the first time."""
        with self._lock:
            if self._here is not False:
                self._log.warning(f"{self._peer} is away, trying again", reason=str(reason))
            self._here = False

    def busy(self) -> None:
        """It answers that it takes nothing now: logged the first time."""
        with self._lock:
            if self._here is not False:
                self._log.warning(f"{self._peer} is busy, sending slower")
            self._here = False

    def here(self) -> None:
        """It answers: logged the first time and when it was away."""
        with self._lock:
            if self._here is not True:
                self._log.info(f"{self._peer} is there")
            self._here = True
