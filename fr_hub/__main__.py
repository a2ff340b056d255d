"""``python -m fr_hub``: settings, objects, run, exit code."""

import asyncio
import sys

from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit, Lifecycle
from common.runtime.logger import configure, get_log
from common.settings.hub import HubSettings
from common.settings.loading import load_settings
from common.store.opening import open_store, wait_for_store
from fr_hub.audit_export import exporting
from fr_hub.durability import log_durability
from fr_hub.hub import run_hub


def main() -> int:
    """Run Fr-HUB until it is stopped."""
    settings = load_settings(HubSettings, "fr hub")
    lifecycle = Lifecycle(settings.lifeline_fd)
    configure(settings.log_level, settings.log_format, "fr-hub")
    log = get_log()
    with open_store(settings) as store:
        if wait_for_store(store, lifecycle.stop, log):
            log_durability(store.server, log)
            with exporting(settings, store.audit_exports, log):
                asyncio.run(run_hub(settings, store, lifecycle, log))
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr hub", main))
