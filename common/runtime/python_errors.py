"""What Python itself would print: uncaught exceptions, warnings, and the log of libraries.

Their texts may quote a scan's header, a patient's name or a whole document, so only their kind and
their place are reported.
"""

import logging
import sys
import threading
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from common.domain.foreign_text import SENTENCE, escape
from common.errors import FrError, SettingsWarning
from common.runtime.output import write_line

_NO_TEXT = "(text withheld: it may quote data)"


def report_python_errors() -> None:
    """Report uncaught exceptions, warnings and library logs of this process without their data."""
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    warnings.showwarning = _warned  # type: ignore[assignment]
    # The resource tracker of multiprocessing, a process without hooks, complains after a kill.
    quiet = "ignore:resource_tracker:UserWarning"
    if quiet not in sys.warnoptions:
        sys.warnoptions.append(quiet)
    if not any(isinstance(handler, _LibraryLog) for handler in logging.root.handlers):
        logging.root.addHandler(_LibraryLog(logging.WARNING))


def describe(error: BaseException) -> str:
    """An exception's type, with its text if that cannot quote data."""
    name = type(error).__name__
    if isinstance(error, FrError):
        return f"{name}: {escape(str(error), SENTENCE)}"
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    return f"{name} {_NO_TEXT}" if str(error) else name


def traceback_of(error: BaseException) -> list[str]:
    """The lines of a traceback, without foreign texts and without local values."""
    lines: list[str] = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        lines += [*traceback_of(cause), "", "then:", ""]
    lines.append("Traceback (most recent call last):")
    for frame in traceback.extract_tb(error.__traceback__):
        lines.append(f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}')
        if frame.line:
            lines.append(f"    {frame.line}")
    return [*(escape(line, SENTENCE) for line in lines), describe(error)]


def _report(error: BaseException, where: str = "") -> None:
    lines = traceback_of(error)
    if structlog.is_configured():
        fields = {"thread": where} if where else {}
        log: Any = structlog.get_logger()
        log.error("unexpected error", error=describe(error), exception="\n".join(lines), **fields)
        return
    for line in lines:
        write_line(sys.stderr, f"{line}\n")


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        _report(error.with_traceback(trace))
    else:  # KeyboardInterrupt
        sys.__excepthook__(kind, error, trace)


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        _report(failed.exc_value, failed.thread.name if failed.thread else "")


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    *_: object,
) -> None:
    if issubclass(category, SettingsWarning):
        write_line(sys.stderr, f"warning: {escape(str(message), SENTENCE)}\n")
        return
    place = f"{Path(filename).name}:{lineno}"
    if structlog.is_configured():
        log: Any = structlog.get_logger()
        log.warning("Python warning", kind=category.__name__, place=place)
    else:
        write_line(sys.stderr, f"{place}: {category.__name__}\n")


class _LibraryLog(logging.Handler):
    """Logs the warnings of libraries: asyncio's, PyMongo's."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record: of a foreign one its constant text, not the values put into it."""
        error = record.exc_info[1] if record.exc_info else None
        fields = {"error": describe(error)} if error is not None else {}
        if error is not None:
            fields["exception"] = "\n".join(traceback_of(error))
        own = record.name.startswith("fr.")
        text = escape(record.getMessage() if own else str(record.msg), 200)
        if structlog.is_configured():
            log: Any = structlog.get_logger()
            level = "error" if record.levelno >= logging.ERROR else "warning"
            getattr(log, level)(text, library=record.name, **fields)
        else:
            write_line(sys.stderr, f"{record.name}: {text} {fields.get('error', '')}\n".strip(" "))
