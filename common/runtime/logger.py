"""Structured logging for all units. No line contains patient data, voxels or passwords.

Every value is escaped and cut here, once for all callers; a line is at most 4 KiB long. Logging
never blocks its caller (``common.runtime.output``).
"""

import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import structlog

from common.domain.foreign_text import SENTENCE, SHORT, escape
from common.errors import PeerClosed
from common.runtime import output
from common.runtime.output import LINE_BYTES, write_line

Log = structlog.stdlib.BoundLogger

LINES_A_SECOND = 20
"""Most lines of one event per second. At thousands of scans per second, logging each would cost
more than processing it, and peers must not be able to fill the disk."""

_VALUES_MAX = 20
_OWN = ("unit", "name", "hostname", "pid", "timestamp", "level", "event")
"""The fields that a line keeps if nothing else fits."""


def configure(level: str, style: str, unit: str, name: str | None = None) -> None:
    """Set up logging to standard output.

    Args:
        level: the least severe level to log.
        style: ``'console'`` for people, or ``'json'`` for one object per line. Only JSON lines name
            their process; on a console, the launcher prefixes the lines.
        unit: ``fr-hub``, ``fr-brain`` or ``fr-pacs``.
        name: the name of this process; that of the unit by default.
    """
    process = {
        "unit": unit,
        "name": name or unit,
        "hostname": platform.node(),
        "pid": os.getpid(),
    }

    def add_process(_log: Any, _method: str, fields: Any) -> Any:
        return {**process, **fields} if style == "json" else fields

    processors = [
        add_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso") if style == "json" else _ConsoleTime(),
        # Without local variables, which may contain a scan.
        structlog.processors.format_exc_info,
        _Line(style),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(_Output()),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )

    def dropped_line(count: int) -> str:
        # Without a logger, which would queue it behind the lines that were dropped.
        fields: Any = {"event": f"{count} lines dropped: the log was not read", "lines": count}
        for processor in processors:
            fields = processor(None, "warning", fields)
        return f"{fields}\n"

    output.start(dropped_line)


def get_log(**fields: Any) -> Log:
    """Return a logger that adds these fields to each line."""
    log: Log = structlog.get_logger(**fields)
    return log


def command_log() -> Log:
    """Return the logger of a command: it writes warnings to standard error, because standard output
    is for the command's result."""
    log: Log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[structlog.processors.add_log_level, _Line("console", colors=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    return log


class _Line:
    """Renders the fields of a line, escaped, and cut until the line fits."""

    def __init__(self, style: str, *, colors: bool | None = None) -> None:
        self._render: Callable[[Any, str, Any], Any] = (
            structlog.processors.JSONRenderer()
            if style == "json"
            else structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty() if colors is None else colors,
                pad_event_to=0,
                pad_level=False,
                sort_keys=False,
            )
        )

    def __call__(self, log: Any, method: str, fields: Any) -> str:
        for longest in (SENTENCE, 250, SHORT, 16):
            line = self._rendered(log, method, fields, longest)
            if len(line.encode()) < LINE_BYTES:
                return line
        known = {name: fields[name] for name in _OWN if name in fields}
        return self._rendered(log, method, known, SHORT)

    def _rendered(self, log: Any, method: str, fields: Any, longest: int) -> str:
        safe = {name: _safe(value, longest) for name, value in fields.items()}
        if "exception" in fields:
            # Its lines are those of a traceback; the last ones say most.
            lines = str(fields["exception"])[-3 * longest :].splitlines()
            safe["exception"] = "\n".join(escape(line, longest) for line in lines)
        return str(self._render(log, method, safe))


def _safe(value: Any, longest: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe(one, longest) for one in list(value)[:_VALUES_MAX]]
    return escape(str(value), longest)


class _ConsoleTime:
    """Adds the local time with its UTC offset; with the date on the first line of each day."""

    def __init__(self) -> None:
        self._day: date | None = None

    def __call__(self, _log: Any, _method: str, fields: Any) -> Any:
        now = datetime.now().astimezone()
        text = now.isoformat(" ", "milliseconds").replace("+00:00", "Z")
        if now.date() == self._day:
            text = text.partition(" ")[2]
        self._day = now.date()
        return {"timestamp": text, **fields}


class _Output:
    """Writes to the current standard output, which a progress bar may have replaced."""

    @staticmethod
    def write(text: str) -> None:
        write_line(sys.stdout, text)

    @staticmethod
    def flush() -> None:
        """Do nothing, because ``write`` flushes."""


class RateLimitedLog:
    """Logs up to ``lines_a_second`` lines of each event per second, and counts the rest.

    Thread-safe. The counts are logged by the first event of a later second, or by ``flush``.
    """

    def __init__(self, log: Log, lines_a_second: int = LINES_A_SECOND) -> None:
        self._log = log
        self._limit = lines_a_second
        self._lock = threading.Lock()
        self._second = 0
        self._counts: dict[tuple[str, str], int] = {}  # this second's, by level and event

    def debug_each(self, event: str, scan_ids: Sequence[str], **fields: Any) -> None:
        """Log this event at debug level for each scan, or count it, taking the lock once."""
        for scan_id in scan_ids[: self._allow("debug", event, len(scan_ids))]:
            self._log.debug(event, scan_id=scan_id, **fields)

    def debug(self, event: str, **fields: Any) -> None:
        """Log this event at debug level, or count it."""
        if self._allow("debug", event, 1):
            self._log.debug(event, **fields)

    def info(self, event: str, **fields: Any) -> None:
        """Log this event, or count it."""
        if self._allow("info", event, 1):
            self._log.info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log this event as a warning, or count it."""
        if self._allow("warning", event, 1):
            self._log.warning(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log this event as an error, or count it."""
        if self._allow("error", event, 1):
            self._log.error(event, **fields)

    def _allow(self, level: str, event: str, count: int) -> int:
        """Count these events and return how many of them may be logged."""
        with self._lock:
            second = int(time.monotonic())
            if second != self._second:
                self._second = second
                self._log_suppressed()
            before = self._counts.get((level, event), 0)
            self._counts[level, event] = before + count
            return max(0, min(count, self._limit - before))

    def flush(self) -> None:
        """Log the pending counts."""
        with self._lock:
            self._log_suppressed()

    def _log_suppressed(self) -> None:
        counts, self._counts = self._counts, {}
        for (level, event), count in counts.items():
            if count > self._limit:
                getattr(self._log, level)(f"{count - self._limit} more: {event}")


class AvailabilityLog:
    """Logs each change of a peer's availability once. Thread-safe.

    Args:
        patience_s: an outage is logged as a warning only after this many seconds, because units
            may start and stop in any order.
        announce: whether to log the first connection too.
    """

    def __init__(
        self, log: Log, peer: str, *, patience_s: float = 0.0, announce: bool = False
    ) -> None:
        self._log = log
        self._peer = peer
        self._patience_s = patience_s
        self._announce = announce
        self._lock = threading.Lock()
        self._available: bool | None = None
        self._since: float | None = None  # start of the outage, time.monotonic()
        self._warned = self._busy = False

    def unavailable(self, reason: object) -> None:
        """Record that the peer did not answer: logged once per outage, and again if it lasts."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                if self._patience_s:
                    self._tell_first(reason)
            if not self._warned and time.monotonic() - self._since >= self._patience_s:
                self._warned = True
                self._log.warning(f"{self._peer} is unreachable, retrying", reason=str(reason))
            self._available = False

    def _tell_first(self, reason: object) -> None:
        if not self._available:
            self._log.info(f"waiting for {self._peer}, retrying", reason=str(reason))
        elif isinstance(reason, PeerClosed):
            # As at the end of each run: nothing is wrong, as far as anybody knows.
            self._log.info(f"{self._peer} has closed the connection")
        else:
            self._log.info(f"lost the connection to {self._peer}, retrying", reason=str(reason))

    def busy(self) -> None:
        """Record that the peer is busy: logged once until it accepts again."""
        with self._lock:
            if not self._busy:
                self._log.warning(f"{self._peer} is busy, sending more slowly")
            self._busy = True

    def available(self) -> None:
        """Record that the peer answered: logged after each outage."""
        with self._lock:
            if self._available is False or (self._announce and self._available is None):
                self._log.info(f"connected to {self._peer}")
            elif self._busy:
                self._log.info(f"{self._peer} is no longer busy")
            self._available, self._since = True, None
            self._warned = self._busy = False
