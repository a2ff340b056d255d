"""``python -m tests.faults.unit fr_hub``: a unit as it is, with fail points and recorders; with
``FAULTS_BUG``, a bug planted in it.

The module is imported again by each processor that Fr-BRAIN spawns (as ``__mp_main__``), so what
it installs is there too.
"""

import importlib
import os
import sys
from pathlib import Path

from tests.faults import bugs, recorders
from tests.faults.points import Points

MODULES = {"fr_web": "fr_hub.web"}


def _install() -> str:
    unit = os.environ["FAULTS_UNIT"]
    if bug := os.environ.get("FAULTS_BUG"):
        bugs.plant(bug, unit)
    # Around what was planted.
    Points(Path(os.environ["FAULTS_POINTS"])).install(unit)
    if unit == "fr_brain":
        recorders.record_completions(Path(os.environ["FAULTS_COMPLETIONS"]))
    if unit == "fr_pacs":
        records = Path(os.environ["FAULTS_RECORDS"])
        recorders.record_sources(records.with_suffix(".made"))
        recorders.record_deliveries(records.with_suffix(".delivered"))
    return unit


_unit = _install()

if __name__ == "__main__":
    sys.argv = [_unit]
    entry = importlib.import_module(f"{MODULES.get(_unit, _unit)}.__main__")
    sys.exit(entry.run_unit(_unit.replace("_", "-"), entry.main))
