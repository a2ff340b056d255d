"""``python -m tests.faults.unit fr_hub``: a unit as it is, with fail points, and a recorder of what
it was told that it completed; with ``FAULTS_BUG``, a bug planted in it.

The module is imported again by each processor that Fr-BRAIN spawns (as ``__mp_main__``), so what
it installs is there too.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.faults import bugs
from tests.faults.points import Points, put


def _install() -> str:
    unit = os.environ["FAULTS_UNIT"]
    if bug := os.environ.get("FAULTS_BUG"):
        bugs.plant(bug, unit)
    # Around what was planted.
    Points(Path(os.environ["FAULTS_POINTS"])).install(unit)
    if unit == "fr_brain":
        _record(Path(os.environ["FAULTS_COMPLETIONS"]))
    return unit


def _record(path: Path) -> None:
    """Record the result of each ``complete``: accepted or lost."""
    from common.store.claims import Claims

    complete: Callable[..., set[str]] = Claims.complete

    def recording(
        part: Claims, done: Sequence[tuple[Any, Any]], *rest: Any, **how: Any
    ) -> set[str]:
        lost = complete(part, done, *rest, **how)
        lines = [
            json.dumps(
                {
                    "scan_id": claim.scan.key,
                    "owner": claim.owner,
                    "fence": claim.fence,
                    "revision": claim.revision,
                    "accepted": claim.scan.key not in lost,
                }
            )
            for claim, _ in done
        ]
        if lines:
            # One write: lines of several processes do not mix.
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, ("\n".join(lines) + "\n").encode())
            finally:
                os.close(descriptor)
        return lost

    put(Claims, "complete", recording)


_unit = _install()

if __name__ == "__main__":
    sys.argv = [_unit]
    entry = importlib.import_module(f"{_unit}.__main__")
    sys.exit(entry.run_unit(_unit.replace("_", "-"), entry.main))
