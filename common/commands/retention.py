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
from common.settings.commands import RetentionSettings
from common.settings.loading import load_settings
from common.store.db_manager import DBManager
from common.store.opening import open_existing_store


class RetentionResult(Frozen):
    """What was deleted, or is due."""

    applied: bool
    what: str
    days: float | None
    scans: int
    voxels_bytes: int
    failed_days: float | None = None
    failed_scans: int = 0


def apply_retention(store: DBManager, settings: RetentionSettings) -> RetentionResult:
    """Delete what is due, or count it if ``settings.apply`` is False.

    Raises:
        SettingsError: neither RETENTION_DAYS nor RETENTION_FAILED_DAYS is set.
        StoreError: MongoDB is unreachable or refuses. What was deleted stays deleted; the next run
            continues.
    """
    if settings.retention_days is None and settings.retention_failed_days is None:
        raise SettingsError(
            "nothing was deleted: set RETENTION_DAYS or RETENTION_FAILED_DAYS, such as "
            "RETENTION_DAYS=90"
        )
    retention = store.retention
    method = retention.purge if settings.apply else retention.due
    include_report = settings.retention_what == "all"
    scans = size = failed_scans = 0
    for days, failed in ((settings.retention_days, False), (settings.retention_failed_days, True)):
        if days is None:
            continue
        for due in method(days, include_report=include_report, failed=failed):
            scans += 0 if failed else len(due.keys)
            failed_scans += len(due.keys) if failed else 0
            size += due.voxels_bytes
    return RetentionResult(
        applied=settings.apply,
        what=settings.retention_what,
        days=settings.retention_days,
        failed_days=settings.retention_failed_days,
        scans=scans,
        failed_scans=failed_scans,
        voxels_bytes=size,
    )


def summary(result: RetentionResult) -> str:
    """The result in one sentence."""
    found = []
    if result.days is not None:
        found.append(f"{_scans(result.scans)} delivered more than {result.days:g} days ago")
    if result.failed_days is not None:
        found.append(
            f"{_scans(result.failed_scans)} failed more than {result.failed_days:g} days ago"
        )
    what = "scan and report" if result.what == "all" else "voxels"
    deleted = "deleted" if result.applied else "to delete"
    text = f"{' and '.join(found)}: {what} {deleted}, {result.voxels_bytes / 1e6:,.1f} MB"
    count = result.scans + result.failed_scans
    return text if result.applied or not count else f"{text} (APPLY=1 deletes them)"


def _scans(count: int) -> str:
    return "1 scan" if count == 1 else f"{count:,} scans"


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
