"""Runs each place's world in a process of its own, some at a time, and shows how far they are."""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from rich.progress import Progress, TaskID

from tests.faults.checker import Kind, Violation
from tests.faults.nemesis import Nemesis
from tests.faults.options import Options
from tests.faults.report import Episode, Report, Row
from tests.faults.schedule import Place, schedule

_ENDS_S = 30.0
"""Seconds within which a world that is asked to end has stopped its processes."""

_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Doing:
    """What is under way."""

    text: str


@dataclass(frozen=True)
class OutputLine:
    """A line that stays."""

    line: str


@dataclass(frozen=True)
class Stepped:
    """A fault is over."""


@dataclass(frozen=True)
class Ended:
    """All of a world: its rows, with those of earlier rounds, and itself, if it could be."""

    rows: dict[str, Row]
    episode: Episode | None


class PipeReporter:
    """A teller at the other end of a pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def show_step(self, text: str) -> None:
        """Until the next."""
        self._connection.send(Doing(text))

    def print_line(self, line: str) -> None:
        """For good."""
        self._connection.send(OutputLine(line))

    def step_done(self) -> None:
        """One fault fewer."""
        self._connection.send(Stepped())


def _world(
    options: Options, number: int, place: Place, rows: dict[str, Row], connection: Connection
) -> None:
    """What the process of a world does."""
    from tests.faults import families  # noqa: F401 - adds the faults
    from tests.faults.places import LOADS, build

    # A world that is taken down leaves no process behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    loads = tuple(load.times(options.load) for load in LOADS)
    nemesis = Nemesis(options, PipeReporter(connection), partial(build, loads=loads), rows)
    episode = nemesis.run(place, schedule(options, number)[place])
    connection.send(Ended(nemesis.rows, episode))


@dataclass
class Running:
    """A world that runs."""

    place: Place
    process: SpawnProcess
    task: TaskID


class Worlds:
    """Rounds of faults: a world for each place."""

    def __init__(self, options: Options, report: Report, progress: Progress) -> None:
        self._options = options
        self._report = report
        self._progress = progress
        self._running: dict[Connection, Running] = {}

    def run(self, number: int) -> None:
        """One round; ``Options.worlds`` at a time, the longest first."""
        plan = schedule(self._options, number)
        due = sorted(plan, key=lambda place: len(plan[place]), reverse=True)
        tasks = {
            place: self._progress.add_task(f"{place}: waiting", total=len(plan[place]))
            for place in due
        }
        with self._ended():
            while due or self._running:
                while due and len(self._running) < self._options.worlds:
                    place = due.pop(0)
                    self._begin(number, place, tasks[place])
                for connection in wait(list(self._running)):
                    assert isinstance(connection, Connection)
                    self._hear(connection)
        for task in tasks.values():
            self._progress.remove_task(task)

    def _begin(self, number: int, place: Place, task: TaskID) -> None:
        rows = {name: row for name, row in self._report.rows.items() if row.place == place}
        here, there = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(
            target=_world, args=(self._options, number, place, rows, there), name=str(place)
        )
        process.start()
        there.close()
        self._running[here] = Running(place, process, task)

    def _hear(self, connection: Connection) -> None:
        running = self._running[connection]
        try:
            message = connection.recv()
        except EOFError:
            self._lost(connection, running)
            return
        match message:
            case Doing(text):
                shown = f"{running.place}: {text}"[:60]
                self._progress.update(running.task, description=shown)
            case OutputLine(line):
                self._progress.console.print(f"{running.place}: {line}", highlight=False)
            case Stepped():
                self._progress.advance(running.task)
            case Ended(rows, episode):
                self._report.rows.update(rows)
                if episode is not None:
                    self._report.episodes.append(episode)
                self._over(connection, running)

    def _over(self, connection: Connection, running: Running) -> None:
        running.process.join(_ENDS_S)
        connection.close()
        del self._running[connection]
        self._progress.update(running.task, description=f"{running.place}: over")

    def _lost(self, connection: Connection, running: Running) -> None:
        """Its process ended before it had come to its end."""
        self._over(connection, running)
        detail = f"its process ended with exit code {running.process.exitcode}: see above"
        lost = Episode(str(running.place))
        lost.violations.append(Violation(Kind.UNEXPECTED, running.place, detail))
        self._report.episodes.append(lost)

    @contextlib.contextmanager
    def _ended(self) -> Iterator[None]:
        """However this ends, no world stays."""
        try:
            yield
        finally:
            for running in self._running.values():
                running.process.terminate()
            for running in self._running.values():
                running.process.join(_ENDS_S)
