"""What a person does after many kills: requeue the scans whose attempts these have used up."""

import subprocess
import sys
from collections.abc import Set
from pathlib import Path

from common.store.db_manager import DBManager
from common.store.endings import NO_ANSWER
from tests.processes import ROOT, environment


def requeue_killed(store: DBManager, meant: Set[str]) -> int:
    """Requeue these scans by ``fr requeue``; how many there were.

    Args:
        store: of the world.
        meant: scans that are to stay in 'Error'.
    """
    failed = {one.key for one in store.failed_scans.all() if one.cause == NO_ANSWER}
    killed = sorted(failed - meant)
    if killed:
        where = {"MONGODB_URI": store.connection.uri, "MONGODB_DATABASE": store.connection.name}
        subprocess.run(
            [str(Path(sys.executable).with_name("fr")), "requeue"],
            cwd=ROOT,
            env=environment(**where, ID=",".join(killed)),
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return len(killed)
