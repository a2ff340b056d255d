"""Applies retention once: ``fr retention``. Lists what is due; ``APPLY=1`` deletes it."""

import contextlib
import sys

from common.audit.recorded_command import recorded_command
from common.domain.types import Frozen
from common.errors import SettingsError
from common.runtime.console import write_json, write_text
from common.runtime.entry_point import run_command
from common.runtime.lifecycle import Exit
from common.runtime.logger import command_log
from common.settings.loading import RetentionSettings, load_settings
from common.store.db_manager import DBManager
from common.store.opening import open_existing_store


class RetentionResult(Frozen):
    """What was deleted, or is due."""

    applied: bool
    what: str
    days: float
    scans: int
    voxels_bytes: int


def apply_retention(store: DBManager, settings: RetentionSettings) -> RetentionResult:
    """Delete what is due, or count it if ``settings.apply`` is False.

    Raises:
        SettingsError: RETENTION_DAYS is not set.
        StoreError: MongoDB is unreachable or refuses. What was deleted stays deleted; the next run
            continues.
    """
    if settings.retention_days is None:
        raise SettingsError(
            "RETENTION_DAYS is not set, so nothing was deleted: set a number of days, such as 90"
        )
    include_report = settings.retention_what == "all"
    days = settings.retention_days
    if settings.apply:
        pages = store.retention.purge(days, include_report=include_report)
    else:
        pages = store.retention.due(days, include_report=include_report)
    scans = size = 0
    for due in pages:
        scans += len(due.keys)
        size += due.voxels_bytes
    return RetentionResult(
        applied=settings.apply,
        what=settings.retention_what,
        days=settings.retention_days,
        scans=scans,
        voxels_bytes=size,
    )


def summary(result: RetentionResult) -> str:
    """The result in one sentence."""
    scans = "1 scan" if result.scans == 1 else f"{result.scans:,} scans"
    what = "scan and report" if result.what == "all" else "voxels"
    deleted = "deleted" if result.applied else "to delete"
    text = (
        f"{scans} delivered more than {result.days:g} days ago: "
        f"{what} {deleted}, {result.voxels_bytes / 1e6:,.1f} MB"
    )
    return text if result.applied or not result.scans else f"{text} (APPLY=1 deletes them)"


def main() -> int:
    """List what is due, or delete it."""
    settings = load_settings(RetentionSettings, "fr retention")
    with open_existing_store(settings) as store, contextlib.ExitStack() as stack:
        if settings.apply:
            store = stack.enter_context(
                recorded_command(store, "retention", command_log(), settings.mongodb_timeout_s)
            )
        result = apply_retention(store, settings)
    if settings.json_output:
        write_json(result.model_dump_json() + "\n")
    else:
        write_text(summary(result))
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_command("fr retention", main))
