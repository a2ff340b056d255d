"""All units on this machine: ``python -m common.launcher.launcher``, ``make all``.

Starts Fr-HUB, Fr-BRAIN and Fr-PACS as processes of their own, tells their lines apart, restarts
Fr-HUB and Fr-BRAIN if they die, stops all in order, and sums up. It knows the units only by name.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.text import Text

from common.domain.states import ReportGenerated
from common.errors import AlreadyRunning, SettingsError
from common.launcher.unit_certificates import own_certificates
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import NO_USE_TO_RESTART, Exit, Lifecycle, describe_exit
from common.runtime.run_totals import ProgressBar, Totals, progress_bar
from common.settings.loading import LaunchSettings, load_settings
from common.store.db_manager import DBManager
from common.store.opening import open_store

STYLES = {"fr-hub": "cyan", "fr-brain": "magenta", "fr-pacs": "green", "all": "bold"}

STOP_S = 25.0
"""Longer than any unit's own time for stopping in order."""

RESTART_S = 1.0


class Unit:
    """One unit's process."""

    def __init__(self, name: str, console: Console, environment: dict[str, str]) -> None:
        self.name = name
        self._console = console
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Task[None] | None = None

    async def start(self, lifeline: int, *extra_fds: int) -> None:
        """Start it. It stops by itself when ``lifeline``, a pipe's end, closes."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.name.replace("-", "_"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**self._environment, "LIFELINE_FD": str(lifeline)},
            pass_fds=(lifeline, *extra_fds),
            # A Ctrl-C reaches the launcher alone, which stops the units in order.
            start_new_session=True,
            limit=2**20,
        )
        self._output = asyncio.create_task(self._relay(self._process))

    async def _relay(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        async for line in process.stdout:
            self.say(line.decode(errors="replace").rstrip("\n"))

    def say(self, line: str) -> None:
        """Print a line as this unit's."""
        prefix = Text(f"{self.name:<8} │ ", style=STYLES[self.name])
        self._console.print(prefix + Text.from_ansi(line), soft_wrap=True, highlight=False)

    async def ended(self) -> int:
        """Wait for its end; the exit code."""
        assert self._process is not None  # noqa: S101 - it was started
        code = await self._process.wait()
        if self._output is not None:
            # Its processors may hold the pipe a little longer.
            await asyncio.wait([self._output], timeout=2)
        return code

    async def stop(self) -> None:
        """Stop it in order, at once if that takes too long."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self.ended()
        except TimeoutError:
            self.say("did not stop in time: killed")
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self.ended()


class Launcher:
    """Runs the three units.

    Raises:
        SettingsError: there is TLS, and a unit has no certificate.
    """

    def __init__(self, settings: LaunchSettings, console: Console, lifecycle: Lifecycle) -> None:
        self._settings = settings
        self._certificates = own_certificates(settings)
        self._console = console
        self._lifecycle = lifecycle
        self._totals: Totals | None = None

    async def run(self, ledger: Path | None) -> tuple[int, Totals | None]:
        """Run until Fr-PACS is done or it is time to stop; exit code and totals."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        self._lifecycle.on_stop(lambda: _soon(loop, stop.set))
        lifeline, held = os.pipe()
        totals_read, totals_write = os.pipe()
        environment = self._environment(ledger, totals_write)
        hub, brain, pacs = (
            Unit(name, self._console, {**environment, **self._certificates.get(name, {})})
            for name in ("fr-hub", "fr-brain", "fr-pacs")
        )
        with self._bar() as bar:
            following = asyncio.create_task(self._follow(totals_read, bar))
            try:
                await hub.start(lifeline)
                await brain.start(lifeline)
                await pacs.start(lifeline, totals_write)
                os.close(totals_write)
                code = await self._watch(stop, pacs, {hub: lifeline, brain: lifeline})
            finally:
                # Fr-PACS first, so that what it sent is acknowledged; then Fr-BRAIN, whose last
                # reports Fr-HUB can still take.
                for unit in (pacs, brain, hub):
                    await unit.stop()
                os.close(lifeline)
                os.close(held)
                await following
        return code, self._totals

    def _environment(self, ledger: Path | None, totals_fd: int) -> dict[str, str]:
        # What the command line or .env said reaches the units as environment.
        settings = self._settings
        given = {
            name.upper(): _as_text(getattr(settings, name)) for name in settings.model_fields_set
        }
        color = {"FORCE_COLOR": "1"} if self._console.is_terminal else {}
        environment = {**os.environ, **given, **color, "PROGRESS_FD": str(totals_fd)}
        environment["HUB_PACS"] = _as_text(self._known_pacs())
        environment.pop("SUMMARY", None)
        if settings.tls_cert is None and settings.shared_secret is None:
            # Of this run only: no other program of this machine can be one of these units.
            environment["SHARED_SECRET"] = secrets.token_hex(32)
        if ledger is not None:
            environment["LEDGER"] = str(ledger)
        return environment

    def _known_pacs(self) -> dict[str, tuple[str, int]]:
        """The settings' Fr-PACS, and the one that is started here."""
        settings = self._settings
        here = {settings.pacs_name: (settings.pacs_host, settings.pacs_port)}
        return {**settings.hub_pacs, **here}

    @contextlib.contextmanager
    def _bar(self) -> Iterator[ProgressBar | None]:
        if self._settings.finite and self._console.is_terminal:
            with progress_bar(self._console) as bar:
                yield bar
        else:
            yield None

    async def _follow(self, fd: int, bar: ProgressBar | None) -> None:
        """Read the totals that Fr-PACS tells, until it ends."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**20)
        pipe: IO[bytes] = os.fdopen(fd, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        async for line in reader:
            self._totals = Totals.model_validate_json(line)
            if bar is not None:
                bar.update(self._totals)
        transport.close()

    async def _watch(self, stop: asyncio.Event, pacs: Unit, others: dict[Unit, int]) -> int:
        stopping = asyncio.create_task(stop.wait())
        watching = {
            asyncio.create_task(self._keep(unit, lifeline)) for unit, lifeline in others.items()
        }
        sending = asyncio.create_task(pacs.ended())
        try:
            await asyncio.wait({stopping, sending, *watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopping, *watching):
                task.cancel()
        for task in watching:
            if task.done() and not task.cancelled():
                return task.result()
        if stop.is_set():
            return Exit.OK
        code = sending.result()
        if code != Exit.OK or not self._settings.finite:
            pacs.say(f"ended: {describe_exit(code)}")
        return code if code >= 0 else Exit.FAILED

    @staticmethod
    async def _keep(unit: Unit, lifeline: int) -> int:
        """Restart a unit that dies; returns the code of one for which that is no use."""
        while True:
            code = await unit.ended()
            unit.say(f"ended: {describe_exit(code)}")
            if code in NO_USE_TO_RESTART:
                return code
            await asyncio.sleep(RESTART_S)
            unit.say("starting it again")
            await unit.start(lifeline)


def sum_up(totals: Totals, store: DBManager, acknowledged: list[str]) -> Totals:
    """Add what the store says of the acknowledged scans."""
    stored = reported = 0
    for start in range(0, len(acknowledged), 1000):
        for state, report in store.queries.states_of(acknowledged[start : start + 1000]).values():
            stored += state is not None
            reported += state == ReportGenerated.DONE and report is not None
    return totals.model_copy(update={"stored": stored, "reported": reported})


def _as_text(value: object) -> str:
    """A setting as it is written in the environment, where none is an empty one."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{name}={host}:{port}" for name, (host, port) in value.items())
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    reveal = getattr(value, "get_secret_value", None)
    return str(value if reveal is None else reveal())


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has closed
        loop.call_soon_threadsafe(call)


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold this folder's lock.

    Raises:
        AlreadyRunning: another launcher holds it.
        SettingsError: the folder cannot be written.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = (data_dir / "all.lock").open("a+")
    except OSError as error:
        raise SettingsError(f"DATA_DIR={str(data_dir)!r}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"'make all' is running already on {data_dir}: stop it (Ctrl-C there) first, "
                "or set DATA_DIR, HUB_PORT and PACS_PORT to others"
            ) from None
        yield


def main() -> int:
    """Run all units."""
    settings = load_settings(LaunchSettings, "python -m common.launcher.launcher")
    lifecycle = Lifecycle(settings.lifeline_fd)
    console = Console(highlight=False)
    with contextlib.ExitStack() as stack:
        launcher = Launcher(settings, console, lifecycle)
        stack.enter_context(only_one(settings.data_dir))
        store = stack.enter_context(open_store(settings))
        ledger = settings.ledger
        start = 0
        if ledger is not None and ledger.is_file():
            # Fr-PACS takes a last line away that a kill cut.
            start = ledger.read_bytes().rfind(b"\n") + 1
        if settings.finite and ledger is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fr-"))
            ledger = Path(folder) / "ledger.jsonl"
        code, totals = asyncio.run(launcher.run(ledger))
        if totals is None:
            return code or Exit.OK
        if ledger is not None and ledger.is_file():
            totals = sum_up(totals, store, acknowledged_in(ledger, start))
        totals.show(console)
        if settings.summary is not None:
            totals.write(settings.summary)
    if code == Exit.OK and settings.finite and not totals.complete:
        return Exit.FAILED
    return code


def acknowledged_in(ledger: Path, start: int) -> list[str]:
    """Ids that a ledger says are acknowledged, from byte ``start`` on."""
    marker = '"event": "acknowledged"'
    with ledger.open(encoding="utf-8") as lines:
        lines.seek(start)
        return [
            str(json.loads(line)["scan_id"])
            for line in lines
            if marker in line and line.endswith("\n")
        ]


if __name__ == "__main__":
    sys.exit(run_unit("make all", main))
