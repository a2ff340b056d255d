"""What the ``__main__`` of each unit has in common: errors become one line and an exit code."""

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

GARBAGE_AFTER = 10_000
"""Objects made and not freed, before Python looks for cycles among them. By its own default of 700
that took a tenth of each unit's time at thousands of scans a second, and the units make few cycles.
"""

_CODES: tuple[tuple[type[FrError], Exit], ...] = (
    (SettingsError, Exit.USAGE),
    (AlreadyRunning, Exit.TAKEN),
    (MongodError, Exit.UNUSABLE),
    (StoreRefused, Exit.UNUSABLE),
    (FrError, Exit.FAILED),
)


def run_unit(name: str, main: Callable[[], int]) -> int:
    """Run a unit's ``main``; an error of ours is said in one line, without a traceback."""
    gc.set_threshold(GARBAGE_AFTER)
    try:
        return main()
    except FrError as error:
        write_line(sys.stderr, f"{name}: {error}\n")  # logging may not be up
        return next(code for kind, code in _CODES if isinstance(error, kind))
