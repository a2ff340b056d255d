"""Run all units on this machine: ``fr all``, ``make all``.

The launcher starts Fr-HUB, Fr-BRAIN and Fr-PACS as separate processes, relays their log lines,
restarts Fr-HUB and Fr-BRAIN if they die, shuts everything down in order and prints the totals. It
knows the units by name only.
"""

import asyncio
import contextlib
import fcntl
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from common.domain.scan_key import scan_key
from common.errors import AlreadyRunning, FrError, SettingsError
from common.launcher.summary import acknowledged_in, revisions_received, sum_up
from common.launcher.unit_certificates import own_certificates
from common.launcher.unit_secrets import own_secrets
from common.launcher.units import STOP_FAILED_S, STOP_S, Unit
from common.runtime import output
from common.runtime.console import Console, unit_console
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import DO_NOT_RESTART, Exit, Lifecycle, describe_exit
from common.runtime.logger import configure
from common.runtime.run_totals import ProgressBar, Totals, progress_bar
from common.settings.launch import LaunchSettings
from common.settings.loading import load_settings
from common.store.opening import open_store


class Launcher:
    """Runs all units.

    Raises:
        SettingsError: TLS is on, but a unit has no certificate.
    """

    def __init__(self, settings: LaunchSettings, console: Console, lifecycle: Lifecycle) -> None:
        self._settings = settings
        self._certificates = own_certificates(settings)
        self._secrets = own_secrets(settings)
        self._console = console
        self._lifecycle = lifecycle
        self._totals: Totals | None = None
        self.cause: str | None = None
        """Why a unit cannot run, so that the run has ended."""
        self.web_cause: str | None = None
        """Why the API and its page could not run, though the run went on."""
        self._cannot_run = False

    async def run(
        self, ledger: Path | None, received: Callable[[], Awaitable[None]] | None = None
    ) -> tuple[int, Totals | None]:
        """Run until Fr-PACS finishes or a stop is requested; return exit code and totals.

        Args:
            ledger: of Fr-PACS.
            received: ends when no other revision of a report is expected; called when Fr-PACS has
                all reports, which receives revisions until then. None: it ends then.
        """
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        self._lifecycle.on_stop(lambda: _soon(loop, stop.set))
        lifeline, held = os.pipe()
        totals_read, totals_write = os.pipe()
        reported_read, reported_write = os.pipe()
        hold_read, hold_write = os.pipe()
        environment = self._environment(ledger, totals_write)
        if received is not None:
            environment["REPORTED_FD"] = str(reported_write)
            environment["HOLD_FD"] = str(hold_read)
        shown = None if self._settings.log_format == "json" else self._console
        hub, brain, pacs, web = (
            Unit(
                name,
                shown,
                {**environment, **self._certificates.get(name, {}), **self._secrets[name]},
            )
            for name in ("fr-hub", "fr-brain", "fr-pacs", "fr-web")
        )
        with self._bar() as bar:
            following = asyncio.create_task(self._follow(totals_read, bar))
            serving: asyncio.Task[None] | None = None
            releasing: asyncio.Task[None] | None = None
            try:
                await hub.start(lifeline)
                await brain.start(lifeline)
                await pacs.start(lifeline, totals_write, reported_write, hold_read)
                for fd in (totals_write, reported_write, hold_read):
                    os.close(fd)
                releasing = asyncio.create_task(_release(reported_read, hold_write, received))
                serving = asyncio.create_task(self._serve(web, lifeline))
                code = await self._watch(stop, pacs, {hub: lifeline, brain: lifeline})
            finally:
                for task in (serving, releasing):
                    if task is not None and task.cancel():
                        await asyncio.wait([task])
                # Fr-PACS first, so that Fr-HUB can acknowledge what it sent. Then Fr-BRAIN, so that
                # Fr-HUB can see its last reports.
                for unit in (pacs, web, brain, hub):
                    await unit.stop(STOP_FAILED_S if self._cannot_run else STOP_S)
                os.close(lifeline)
                os.close(held)
                await following
        return code, self._totals

    async def _serve(self, web: Unit, lifeline: int) -> None:
        """Keep the API running. Scans need it not, so the others go on without it."""
        if not self._settings.web:
            return
        await web.start(lifeline)
        await web.keep_running(lifeline)
        web.notice(f"the API and its page are off; everything else runs: {web.last_line}")
        self.web_cause = f"the API and its page were off: {web.last_line}"

    def _environment(self, ledger: Path | None, totals_fd: int) -> dict[str, str]:
        # Pass on settings from the command line and .env as environment variables.
        settings = self._settings
        given = {
            name.upper(): _as_text(getattr(settings, name)) for name in settings.model_fields_set
        }
        color = {"FORCE_COLOR": "1"} if self._console.is_terminal else {}
        environment = {**os.environ, **given, **color, "PROGRESS_FD": str(totals_fd)}
        environment["HUB_PACS"] = _as_text(self._known_pacs())
        environment.pop("SUMMARY", None)
        if ledger is not None:
            environment["LEDGER"] = str(ledger)
        return environment

    def _known_pacs(self) -> dict[str, tuple[str, int]]:
        """HUB_PACS, plus the Fr-PACS started here."""
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
        """Read the totals that Fr-PACS reports until it exits."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**23)  # failures with their reasons
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
            asyncio.create_task(unit.keep_running(lifeline)): unit
            for unit, lifeline in others.items()
        }
        sending = asyncio.create_task(pacs.ended())
        try:
            await asyncio.wait({stopping, sending, *watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopping, *watching):
                task.cancel()
        for task, unit in watching.items():
            if task.done() and not task.cancelled():
                self._cannot_run = True
                self.cause = f"{unit.name} cannot run: {unit.last_line}"
                return task.result()
        if stop.is_set():
            return Exit.OK
        code = sending.result()
        if code != Exit.OK and pacs.last_line.startswith("fr pacs: "):  # not one of its log
            self.cause = f"{pacs.name} has ended: {pacs.last_line}"
        if code != Exit.OK or not self._settings.finite:
            pacs.notice(f"ended: {describe_exit(code)}")
        if code in DO_NOT_RESTART:
            self.cause = f"{pacs.name} cannot run: {pacs.last_line}"
        return code if code >= 0 else Exit.FAILED


async def _release(
    reported_fd: int, hold_fd: int, received: Callable[[], Awaitable[None]] | None
) -> None:
    """Let Fr-PACS end, by closing ``hold_fd``, once it has all reports and their revisions."""
    reader = asyncio.StreamReader()
    pipe: IO[bytes] = os.fdopen(reported_fd, "rb", buffering=0)
    with os.fdopen(hold_fd, "wb", buffering=0):
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            if await reader.read(1) and received is not None:
                # Whatever the store says: without an answer, Fr-PACS would wait for ever.
                with contextlib.suppress(FrError):
                    await received()
        finally:
            transport.close()


def _as_text(value: object) -> str:
    """Format a setting for the environment; None is an empty string."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{name}={_as_item(one)}" for name, one in value.items())
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    reveal = getattr(value, "get_secret_value", None)
    return str(value if reveal is None else reveal())


def _as_item(value: tuple[str | int, ...]) -> str:
    """Format an address of HUB_PACS, or the names of Fr-PACS of WEB_TENANTS."""
    return (":" if isinstance(value[-1], int) else "+").join(map(str, value))


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(call)


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the launcher's lock on this data folder.

    Raises:
        AlreadyRunning: another launcher holds it.
        SettingsError: the folder is not writable.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data_dir / "all.lock").open("a+")
    except OSError as error:
        raise SettingsError(f"DATA_DIR={str(data_dir)!r}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"'fr all' is already running on {data_dir}: stop it first (Ctrl-C there), "
                "or set another DATA_DIR, HUB_PORT, PACS_PORT and WEB_PORT"
            ) from None
        yield


def main() -> int:
    """Run all units."""
    settings = load_settings(LaunchSettings, "fr all")
    lifecycle = Lifecycle(settings.lifeline_fd)
    json_lines = settings.log_format == "json"
    if json_lines:
        configure(settings.log_level, "json", "launcher")
    else:
        output.start(lambda count: f"{count} lines dropped: they were not read\n")
    # Standard output must contain only JSON lines then.
    console = unit_console(stderr=json_lines)
    with contextlib.ExitStack() as stack:
        launcher = Launcher(settings, console, lifecycle)
        stack.enter_context(only_one(settings.data_dir))
        store = stack.enter_context(open_store(settings))
        ledger = settings.ledger
        start = 0
        if ledger is not None and ledger.is_file():
            # Skip an incomplete last line, which Fr-PACS removes.
            start = ledger.read_bytes().rfind(b"\n") + 1
        if settings.finite and ledger is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fr-"))
            ledger = Path(folder) / "ledger.jsonl"
        acknowledged = partial(_acknowledged, settings, ledger, start)

        async def received() -> None:
            keys = await asyncio.to_thread(acknowledged)
            await revisions_received(store, keys, settings.report_patience_s)

        code, totals = asyncio.run(launcher.run(ledger, received if settings.finite else None))
        if totals is None:
            _print_causes(launcher, console)
            return code or Exit.OK
        if ledger is not None and ledger.is_file():
            totals = sum_up(totals, store, acknowledged())
        totals.show(console, settings.reports)
        if settings.summary is not None:
            totals.write(settings.summary)
        _print_causes(launcher, console)
        stopped = lifecycle.stop.is_set()
        if stopped and settings.finite and not totals.complete:
            of = "" if totals.total is None else f" of {totals.total:,}"
            again = (
                "run the same command again for the others"
                if settings.source is not None
                else "the next run delivers the other reports"
            )
            console.print(
                f"stopped before the end: {totals.acknowledged:,}{of} scans are stored, "
                f"{totals.delivered:,} reports were delivered; {again}",
                soft_wrap=True,
            )
    # If it was asked to stop, an incomplete run is no failure.
    incomplete = totals.failed > 0 if stopped else not totals.complete
    return Exit.FAILED if code == Exit.OK and settings.finite and incomplete else code


def _acknowledged(settings: LaunchSettings, ledger: Path | None, start: int) -> list[str]:
    """The keys of the scans that Fr-HUB has acknowledged to this run."""
    if ledger is None or not ledger.is_file():
        return []
    return [scan_key(one, settings.pacs_name) for one in acknowledged_in(ledger, start)]


def _print_causes(launcher: Launcher, console: Console) -> None:
    """Repeat why the run has ended, and why there was no page: the lines themselves are far above,
    among those of other units."""
    if launcher.web_cause is not None:
        console.print(launcher.web_cause, style="yellow", soft_wrap=True)
    if launcher.cause is not None:
        console.print(launcher.cause, style="red", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(run_unit("fr all", main))
