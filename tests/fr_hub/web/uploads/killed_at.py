"""``python -m tests.fr_hub.web.uploads.killed_at``: the API, which kills itself when the point in
the variable KILLED_AT is reached."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from common.runtime.entry_point import run_unit
from common.store.measurements import Measurements
from common.store.patients import Patients
from common.store.scans import Scans
from common.store.tokens import Tokens
from common.store.uploads import Uploads
from common.store.users import Users
from fr_hub.web.__main__ import main
from fr_hub.web.uploads.reading import UploadReader

POINTS: dict[str, tuple[type, str]] = {
    # some of the voxels are written
    "chunks": (Uploads, "add_chunks"),
    # the scan is stored, not yet sealed nor recorded
    "stored": (Scans, "add"),
    # all is durable and recorded, and the client does not know it
    "recorded": (UploadReader, "store"),
    # a change is made, and the client does not know it
    "user added": (Users, "add"),
    "user changed": (Users, "change"),
    "token made": (Tokens, "add"),
    "patient added": (Patients, "add"),
    "patient changed": (Patients, "change"),
    "measurement added": (Measurements, "add"),
    "measurement deleted": (Measurements, "delete"),
}


def kill_at(point: str) -> None:
    """Have the process killed after the function of this point has returned."""
    kind, name = POINTS[point]
    before: Callable[..., Any] = getattr(kind, name)

    def then_killed(*given: Any, **named: Any) -> None:
        before(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(kind, name, then_killed)


if __name__ == "__main__":
    kill_at(os.environ["KILLED_AT"])
    sys.exit(run_unit("fr web", main))
