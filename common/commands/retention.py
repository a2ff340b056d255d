"""Retention by hand: ``make retention``. Says what would go; with
``APPLY=1`` it goes."""

import contextlib
import sys

from common.audit.writer import recorded_command
from common.domain.types import Frozen
from common.errors import SettingsError
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.runtime.logger import command_log
from common.settings.loading import RetentionSettings, load_settings
from common.store.db_manager import DBManager
from common.store.opening import open_store


class RetentionResult(Frozen):
    """What went, or would go."""

    applied: bool
    what: str
    days: float
    scans: int
    voxels_bytes: int


def apply_retention(store: DBManager, settings: RetentionSettings) -> RetentionResult:
    """Go through the store once.

    Raises:
        SettingsError: no time is set.
        StoreError: MongoDB is away or refuses; what was done stays done, the rest is for the
            next time.
    """
    if settings.retention_days is None:
        raise SettingsError("RETENTION_DAYS: say after how many days, such as 90; nothing goes")
    include_report = settings.retention_what == "all"
    days = settings.retention_days
    if settings.apply:
        pages = store.retention.purge(days, include_report=include_report)
    else:
        pages = store.retention.due(days, include_report=include_report)
    scans = size = 0
    for due in pages:
        scans += len(due.scan_ids)
        size += due.voxels_bytes
    return RetentionResult(
        applied=settings.apply,
        what=settings.retention_what,
        days=settings.retention_days,
        scans=scans,
        voxels_bytes=size,
    )


def summary(outcome: RetentionResult) -> str:
    """In a sentence or two."""
    noun = "scan" if outcome.scans == 1 else "scans"
    parts = "scan and report" if outcome.what == "all" else "the voxels"
    verb = "went" if outcome.applied else "would go"
    text = (
        f"{outcome.scans:,} {noun} delivered more than {outcome.days:g} days ago: {parts} {verb}, "
        f"{outcome.voxels_bytes / 1e6:,.1f} MB"
    )
    return text if outcome.applied or not outcome.scans else f"{text} (APPLY=1 to do it)"


def main() -> int:
    """Say what would go, or have it go."""
    settings = load_settings(RetentionSettings, "fr retention")
    with open_store(settings) as store, contextlib.ExitStack() as stack:
        if settings.apply:
            store = stack.enter_context(
                recorded_command(store, "retention", command_log(), settings.mongodb_timeout_s)
            )
        outcome = apply_retention(store, settings)
    print(outcome.model_dump_json() if settings.json_output else summary(outcome))  # noqa: T201
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr retention", main))
