"""A step of a migration, and what it works with."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from pymongo.database import Database

from common.domain.types import Document

Progress = Callable[[str, int, int], None]
"""Called with a step's name, how much of it is done, and how much there is."""


class MigrationStopped(Exception):
    """The caller asked to stop; the next run continues."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a step works with.

    Args:
        database: of a client without a time limit: a step takes as long as it takes.
        progress: called after each page of documents.
        stop: ends the step after the current page.
    """

    database: Database[Document]
    progress: Progress = lambda *_: None
    stop: threading.Event = field(default_factory=threading.Event)

    def went_on(self, step: str, done: int, total: int) -> None:
        """Report progress.

        Raises:
            MigrationStopped: ``stop`` is set.
        """
        self.progress(step, done, total)
        if self.stop.is_set():
            raise MigrationStopped


@dataclass(frozen=True, slots=True)
class Step:
    """A step: repeatable, and safe beside another process that runs the same step.

    Args:
        name: a word, for people and logs.
        description: what it does, for people.
        pending: counts what is left to do.
        run: does it. A kill between any two writes must leave a database that ``run`` completes.
    """

    name: str
    description: str
    pending: Callable[[Work], int]
    run: Callable[[Work], None]
