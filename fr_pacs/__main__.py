"""``python -m fr_pacs``: settings, objects, run, exit code."""

import sys

from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Lifecycle
from common.runtime.logger import configure, get_log
from common.settings.loading import load_settings
from common.settings.pacs import PacsSettings
from fr_pacs.pacs import run_pacs


def main() -> int:
    """Run Fr-PACS until each scan has its report, or until it is stopped; the exit code."""
    settings = load_settings(PacsSettings, "fr pacs")
    lifecycle = Lifecycle(settings.lifeline_fd)
    configure(settings.log_level, settings.log_format, "fr-pacs", settings.pacs_name)
    return run_pacs(settings, lifecycle, get_log())


if __name__ == "__main__":
    sys.exit(run_unit("fr pacs", main))
