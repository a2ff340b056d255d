"""``python -m fr_brain``: settings, objects, run, exit code."""

import sys

from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit, Lifecycle
from common.runtime.logger import configure, get_log
from common.settings.brain import BrainSettings
from common.settings.loading import load_settings
from common.store.opening import open_store, wait_for_store
from common.store.presence import present
from fr_brain.supervisor import Supervisor


def main() -> int:
    """Run Fr-BRAIN until it is stopped."""
    settings = load_settings(BrainSettings, "fr brain")
    lifecycle = Lifecycle(settings.lifeline_fd)
    configure(settings.log_level, settings.log_format, "fr-brain")
    log = get_log()
    with open_store(settings) as store:
        if not wait_for_store(store, lifecycle.stop, log):
            return Exit.OK
        supervisor = Supervisor(settings, store, lifecycle, log)
        with present(
            store.units, store.connection.feed, "fr-brain", analyzers=supervisor.analyzers
        ):
            return supervisor.run()


if __name__ == "__main__":
    sys.exit(run_unit("fr brain", main))
