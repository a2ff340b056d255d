"""Migrates the database to this release: ``fr migrate``, ``make migrate``.

Without ``APPLY=1``, it lists the steps and changes nothing. A migration that is interrupted at any
point continues with the next run; several may run at once. It takes an administrator's MONGODB_URI
(``fr roles`` writes one to ``migrate.uri``). Stop all units of earlier releases first.
"""

import json
import sys
import threading
import time
from collections.abc import Callable

from common.domain.types import Frozen
from common.runtime.console import Console, write_json
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.settings.commands import MigrateSettings
from common.settings.loading import load_settings
from common.store.migrations.runner import Migrator
from common.store.migrations.step import Progress
from common.store.opening import require_folder, store_uri
from common.store.schema import SCHEMA_VERSION

_PROGRESS_S = 2.0


class PlannedStep(Frozen):
    """A step, and how many documents, indexes or collections it changes."""

    name: str
    description: str
    pending: int


class MigrationResult(Frozen):
    """What was done, or is to do."""

    applied: bool
    version: int
    """Schema version of the database, after the migration if it was applied."""
    wanted: int
    steps: tuple[PlannedStep, ...]

    @property
    def is_current(self) -> bool:
        """Whether nothing is left to do."""
        return self.version == self.wanted and (self.applied or not self.steps)


def migrate(uri: str, settings: MigrateSettings, progress: Progress) -> MigrationResult:
    """List the steps, and run them if ``settings.apply`` is set.

    Raises:
        SchemaNewer: a newer release migrated the database.
        StoreError: MongoDB is unreachable or refuses. What is done stays done.
    """
    with Migrator(uri, settings.mongodb_database, progress, threading.Event()) as migrator:
        steps = tuple(
            PlannedStep(name=step.name, description=step.description, pending=step.pending)
            for step in migrator.plan()
        )
        if settings.apply:
            migrator.apply()
        return MigrationResult(
            applied=settings.apply,
            version=migrator.version(),
            wanted=SCHEMA_VERSION,
            steps=steps,
        )


def every(seconds: float, write: Callable[[str], object]) -> Progress:
    """Progress as text for people, at most once in ``seconds``."""
    wrote_at = time.monotonic()

    def progress(step: str, done: int, total: int) -> None:
        nonlocal wrote_at
        if time.monotonic() - wrote_at >= seconds:
            wrote_at = time.monotonic()
            write(f"{step}: {done:,} of {total:,}")

    return progress


def show(result: MigrationResult, database: str, console: Console) -> None:
    """Print it for people."""
    for step in result.steps:
        console.print(f"{step.pending:>12,}  {step.name}: {step.description}")
    if result.is_current:
        text = f"{database}: schema version {result.version}, which is current"
    else:
        was = f"schema version {result.version}" if result.version else "empty"
        text = (
            f"{database}: {was}, to become {result.wanted}. Stop all units of earlier releases and "
            "make a backup, then run it with APPLY=1"
        )
    console.print(text)


def main() -> int:
    """Migrate the database that the settings name, or list what is to do."""
    settings = load_settings(MigrateSettings, "fr migrate")
    require_folder(settings)  # the units make the embedded store, with the schema of their release
    with store_uri(settings) as uri:
        # Standard output is for the result.
        result = migrate(uri, settings, every(_PROGRESS_S, Console(stderr=True).print))
    if settings.json_output:
        write_json(json.dumps(result.model_dump(), indent=2) + "\n")
    else:
        show(result, settings.mongodb_database, Console())
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr migrate", main))
