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


class RateLimitedLog:
    """Logs events until a second holds ``lines_a_second`` of them, then counts the rest.

    Thread-safe. The counts are logged by the first event of a later second, or by ``flush``.
    """

    def __init__(self, log: Log, lines_a_second: int = LINES_A_SECOND) -> None:
        self._log = log
        self._limit = lines_a_second
        self._lock = threading.Lock()
        self._second = 0
        self._lines = 0
        self._suppressed: dict[str, int] = {}

    def info(self, event: str, **fields: Any) -> None:
        """Log this event, or count it."""
        if self._allow(event, 1):
            self._log.info(event, **fields)

    def info_each(self, event: str, scan_ids: Sequence[str], **fields: Any) -> None:
        """Log this event for each of these scans, or count it, under one lock."""
        for scan_id in scan_ids[: self._allow(event, len(scan_ids))]:
            self._log.info(event, scan_id=scan_id, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log this event as a warning, or count it."""
        if self._allow(event, 1):
            self._log.warning(event, **fields)

    def _allow(self, event: str, count: int) -> int:
        """How many of these ``count`` events may be logged now; the others are counted."""
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._lines = second, 0
                self._log_suppressed()
            allowed = max(0, min(count, self._limit - self._lines))
            self._lines += allowed
            if allowed < count:
                self._suppressed[event] = self._suppressed.get(event, 0) + count - allowed
            return allowed

    def flush(self) -> None:
        """Log the counts that have not been logged yet."""
        with self._lock:
            self._log_suppressed()

    def _log_suppressed(self) -> None:
        suppressed, self._suppressed = self._suppressed, {}
        for event, count in suppressed.items():
            self._log.info(f"{count} more: {event}")


class AvailabilityLog:
    """Logs each change of a peer's availability once. Thread-safe."""

    def __init__(self, log: Log, peer: str) -> None:
        self._log = log
        self._peer = peer
        self._lock = threading.Lock()
        self._available: bool | None = None

    def unavailable(self, reason: object) -> None:
        """The peer did not answer: logged unless the last line said so."""
        with self._lock:
            if self._available is not False:
                self._log.warning(f"{self._peer} is away, trying again", reason=str(reason))
            self._available = False

    def busy(self) -> None:
        """The peer takes nothing for now: logged unless the last line said so."""
        with self._lock:
            if self._available is not False:
                self._log.warning(f"{self._peer} is busy, sending slower")
            self._available = False

    def available(self) -> None:
        """The peer answered: logged the first time, and after each outage."""
        with self._lock:
            if self._available is not True:
                self._log.info(f"{self._peer} is there")
            self._available = True
