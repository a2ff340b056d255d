"""Builds the world of a place, injects its faults, checks after each one."""

import contextlib
import random
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pymongo.errors import PyMongoError

from tests.faults.bounds import exceeded
from tests.faults.checker import Kind, Violation
from tests.faults.options import Options
from tests.faults.report import Episode, Row
from tests.faults.schedule import Place, Security, Step, security_of
from tests.faults.world import RECOVERS_S, World


class NotHere(Exception):
    """This machine cannot have this fault; the text says what is missing."""


@dataclass
class Due:
    """What was acknowledged and not delivered when a fault was over, and how many were."""

    row: Row
    since: float
    scans: dict[str, set[str]]
    acknowledged: dict[str, int]


class Recoveries:
    """Follows several recoveries at a time, as the next fault need not wait for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: list[Due] = []

    def begin(self, row: Row) -> None:
        """From now: what is acknowledged must arrive, and each Fr-PACS have something new
        acknowledged."""
        now, waiting = time.monotonic(), self._world.waiting()
        before = {one.pacs: len(one.acknowledged) for one in self._world.ledgers()}
        self._due.append(Due(row, now, waiting, before))

    def check(self) -> int:
        """Note what has been recovered from; how many are left."""
        ledgers = self._world.ledgers()
        errors = self._world.expected.errors
        left = []
        for due in self._due:
            for one in ledgers:
                due.scans[one.pacs] -= one.reported.keys() | errors
            silent = any(
                one.endless and len(one.acknowledged) <= due.acknowledged[one.pacs]
                for one in ledgers
            )
            if silent or any(due.scans.values()):
                left.append(due)
            else:
                due.row.recovered_s.append(time.monotonic() - due.since)
        self._due = left
        return len(left)

    def wait(self, within_s: float = RECOVERS_S) -> None:
        """Wait for all of them; what does not arrive in time is stuck.

        Halfway, scans that kills have failed are requeued, as a person would.
        """
        if not self._world.wait(lambda: self.check() == 0, within_s / 2):
            self._world.requeue_killed()
            self._world.wait(lambda: self.check() == 0, within_s / 2)
        for due in self._due:
            detail = f"{within_s:.0f} s after it not all units work again"
            due.row.violations.append(Violation(Kind.STUCK, due.row.name, detail))
            for pacs, scans in due.scans.items():
                for scan_id in sorted(scans)[:100]:
                    detail = f"not delivered to {pacs} {within_s:.0f} s after the fault"
                    due.row.violations.append(Violation(Kind.STUCK, scan_id, detail))
        self._due = []


@dataclass
class Scene:
    """What a fault's function gets."""

    world: World
    random: random.Random
    row: Row
    recoveries: Recoveries
    kills: int
    """Of each unit, where the fault is a storm of them."""
    tell: Callable[[str], None]

    def healed(self) -> None:
        """A fault is over: count it, and measure from now."""
        self.row.injected += 1
        self.recoveries.begin(self.row)

    def demand(self, condition: object, subject: str, detail: str) -> None:
        """If it is not so, that is a violation."""
        if not condition:
            self.row.violations.append(Violation(Kind.UNEXPECTED, subject, detail))

    def pick(self, unit: str) -> str:
        """The name of a slot of this unit."""
        return self.random.choice([slot.name for slot in self.world.cluster.of(unit)])


class ProgressReporter(Protocol):
    """Shows the progress."""

    def show_step(self, text: str) -> None:
        """Until the next."""

    def print_line(self, line: str) -> None:
        """For good; with rich's markup."""

    def step_done(self) -> None:
        """A fault is over."""


class Nemesis:
    """Breaks one world.

    Args:
        options: of the run.
        teller: shows the progress.
        build: makes a world.
        rows: of earlier rounds, which are added to.
    """

    def __init__(
        self,
        options: Options,
        reporter: ProgressReporter,
        build: Callable[[Place, Path, Security], "contextlib.AbstractContextManager[World]"],
        rows: dict[str, Row],
    ) -> None:
        self.rows = rows
        self._options = options
        self._reporter = reporter
        self._build = build

    def run(self, place: Place, steps: list[Step]) -> Episode | None:
        """From the world's start to its end; None where this machine cannot have it."""
        self._reporter.show_step("starting")
        with self._folder() as folder:
            return self._episode(place, steps, folder)

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        base = self._options.faults_folder
        if base is not None:
            base.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="fr-faults-", dir=base))
        try:
            yield folder
        finally:
            if base is None:
                shutil.rmtree(folder, ignore_errors=True)

    def _row(self, step: Step) -> Row:
        fault = step.fault
        return self.rows.setdefault(fault.name, Row(fault.name, str(fault.place), fault.what))

    def _episode(self, place: Place, steps: list[Step], folder: Path) -> Episode | None:
        security = security_of(place, steps)
        episode = Episode(str(place), str(security))
        self._reporter.print_line(f"{security}")
        try:
            with self._build(place, folder, security) as world:
                world.start()
                self._steps(world, steps)
                self._end(world, episode)
        except NotHere as error:
            for step in steps:
                self._row(step).not_run = str(error)
                self._reporter.step_done()
            return None
        return episode

    def _steps(self, world: World, steps: list[Step]) -> None:
        recoveries = Recoveries(world)
        seen: set[Violation] = set()
        for step in steps:
            fault = step.fault
            row = self._row(step)

            def tell(text: str, name: str = fault.name) -> None:
                self._reporter.show_step(f"{name}: {text}")

            if not fault.swarm:
                tell("waiting for the recovery from what was before")
                recoveries.wait()
            tell("injecting")
            scene = Scene(world, step.random(), row, recoveries, self._options.kills, tell)
            began = time.monotonic()
            try:
                fault.act(scene)
            except NotHere as error:
                row.not_run = str(error)
                self._reporter.step_done()
                continue
            except Exception as error:  # noqa: BLE001 - the other faults still have their turn
                where = traceback.extract_tb(error.__traceback__)[-1]
                detail = f"{type(error).__name__}: {error!s:.300} ({where.filename}:{where.lineno})"
                row.violations.append(Violation(Kind.UNEXPECTED, fault.name, detail))
            if not fault.swarm:
                tell("recovering")
                recoveries.wait()
            new = self._found(world, row, seen)
            seen.update(new)
            row.violations += new
            self._print_result(world, row, time.monotonic() - began)
            self._reporter.step_done()
        recoveries.wait()

    @staticmethod
    def _found(world: World, row: Row, seen: set[Violation]) -> list[Violation]:
        """The violations since the last check."""
        try:
            return [violation for violation in world.check() if violation not in seen]
        except PyMongoError as error:
            detail = f"the store cannot be read after it: {error!s:.200}"
            return [Violation(Kind.STUCK, row.name, detail)]

    def _print_result(self, world: World, row: Row, seconds: float) -> None:
        kinds = Counter(str(violation.kind) for violation in row.violations)
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        found = f"[red]violations: {counts}[/]" if kinds else "ok"
        recovered = "" if row.p50 is None else f", recovered in {row.p50:.1f} s"
        self._reporter.print_line(
            f"{row.name}: {row.injected} injected{recovered}, {found} "
            f"({seconds:.1f} s; {world.acknowledged():,} acknowledged)"
        )

    def _end(self, world: World, episode: Episode) -> None:
        """Send no more, let all arrive, account for every scan."""
        self._reporter.show_step("draining and checking")
        world.requeue_killed()
        drained = world.drain()
        found, episode.counts = world.account()
        episode.usage, episode.requeued = world.usage, world.requeued
        units = {name: slot.unit for name, slot in world.cluster.slots.items()}
        episode.violations += exceeded(world.usage, units)
        known = {v for row in self.rows.values() for v in row.violations}
        episode.violations += [v for v in found if v not in known]
        if not drained:
            detail = f"not drained after {RECOVERS_S:.0f} s"
            episode.violations.append(Violation(Kind.STUCK, episode.place, detail))
        episode.gaps = world.verified_gaps()
        if episode.gaps:
            detail = f"make verify finds {episode.gaps} gaps"
            episode.violations.append(Violation(Kind.UNEXPECTED, episode.place, detail))
        episode.audit_gaps, kinds = world.audited_gaps()
        for kind in kinds:
            detail = f"make audit finds {kind}"
            episode.violations.append(Violation(Kind.UNEXPECTED, episode.place, detail))
        for slot in world.cluster.slots.values():
            for end in slot.ends:
                detail = f"ended, and nobody had killed it: {end}"
                episode.violations.append(Violation(Kind.UNEXPECTED, slot.name, detail))
        episode.kills = world.kills()
