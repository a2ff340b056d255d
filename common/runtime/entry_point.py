"""The entry point of each unit and command: errors become one line and an exit code."""

import gc
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from common.domain.foreign_text import escape
from common.errors import (
    AlreadyRunning,
    FrError,
    MongodError,
    SettingsError,
    StoreError,
    StoreRefused,
)
from common.runtime import output
from common.runtime.lifecycle import Exit
from common.runtime.python_errors import report_python_errors

GC_THRESHOLD = 10_000
"""Allocations before Python collects cyclic garbage. With the default of 700, collection took a
tenth of each unit's time at thousands of scans per second, though the units create few cycles."""

_CODES: tuple[tuple[type[FrError], Exit], ...] = (
    (SettingsError, Exit.USAGE),
    (AlreadyRunning, Exit.TAKEN),
    (MongodError, Exit.UNUSABLE),
    (StoreRefused, Exit.UNUSABLE),
    (FrError, Exit.FAILED),
)
_COMMAND_CODES = ((StoreError, Exit.UNUSABLE), *_CODES)


ERROR_LENGTH = 2000
"""Characters of the longest error line."""


def run_command(name: str, main: Callable[[], int]) -> int:
    """As ``run_unit``, for a command that checks the store: a store that cannot be read is not the
    same as one with gaps, so its exit code is another."""
    return run_unit(name, main, _COMMAND_CODES)


def run_unit(
    name: str,
    main: Callable[[], int],
    codes: tuple[tuple[type[FrError], Exit], ...] = _CODES,
) -> int:
    """Run a unit's ``main`` and return its exit code.

    An ``FrError`` is printed as one line, without a traceback; other exceptions propagate.
    """
    gc.set_threshold(GC_THRESHOLD)
    gc.freeze()  # what the imports made stays, so no collection needs to look at it
    forbid_core_dumps()
    report_python_errors()
    try:
        return main()
    except FrError as error:
        # Logging may not be configured yet.
        output.write_line(sys.stderr, f"{name}: {escape(str(error), ERROR_LENGTH)}\n")
        return next(code for kind, code in codes if isinstance(error, kind))
    finally:
        output.flush()


def forbid_core_dumps() -> None:
    """Keep the memory of this process and its children, which holds scans and secrets, out of core
    dumps.

    The limit on their size does not apply where the kernel pipes them to a program (core(5)), so
    the filter excludes all memory as well.
    """
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/coredump_filter").write_text("0")
