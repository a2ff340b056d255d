"""The entry point of each unit: errors become one line and an exit code."""

import gc
import sys
from collections.abc import Callable

from common.errors import (
    AlreadyRunning,
    FrError,
    MongodError,
    SettingsError,
    StoreRefused,
)
from common.runtime.lifecycle import Exit
from common.runtime.lines import write_line

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


def run_unit(name: str, main: Callable[[], int]) -> int:
    """Run a unit's ``main`` and return its exit code.

    An ``FrError`` is printed as one line, without a traceback; other exceptions propagate.
    """
    gc.set_threshold(GC_THRESHOLD)
    try:
        return main()
    except FrError as error:
        write_line(sys.stderr, f"{name}: {error}\n")  # logging may not be configured yet
        return next(code for kind, code in _CODES if isinstance(error, kind))
