"""Run a unit as a process: start it, relay its output by line, stop it."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping

from rich.text import Text

from common.runtime.console import Console, colored_line
from common.runtime.lifecycle import DO_NOT_RESTART, describe_exit
from common.runtime.logger import get_log
from common.runtime.output import LINE_BYTES, write_line

STYLES = {"fr-hub": "cyan", "fr-brain": "magenta", "fr-pacs": "green", "fr-web": "blue"}

MODULES = {"fr-hub": "fr_hub", "fr-brain": "fr_brain", "fr-pacs": "fr_pacs", "fr-web": "fr_hub.web"}
"""What each unit is run as: ``python -m module``."""

STOP_S = 25.0
"""Longer than any unit needs to shut down cleanly."""

STOP_FAILED_S = 2.0
"""The same if a unit cannot run at all: what the others wait for does not come."""

RESTART_S = 1.0
_READ_BYTES = 2**16
_CUT = b" [cut]"


class Unit:
    """One unit's process.

    Args:
        console: where to print its lines, prefixed by the unit's name; None: pass them on to
            standard output as they are (JSON lines).
    """

    def __init__(self, name: str, console: Console | None, environment: Mapping[str, str]) -> None:
        self.name = name
        self._console = console
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Task[None] | None = None
        self.last_line = ""
        """The last line of its output: the cause, if it exited with an error."""

    async def start(self, lifeline: int, *extra_fds: int) -> None:
        """Start the process; it stops when the pipe of ``lifeline`` closes."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            MODULES[self.name],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**self._environment, "LIFELINE_FD": str(lifeline)},
            pass_fds=(lifeline, *extra_fds),
            # Ctrl-C then reaches only the launcher, which stops the units in order.
            start_new_session=True,
        )
        self._output = asyncio.create_task(self._relay(self._process))

    async def _relay(self, process: asyncio.subprocess.Process) -> None:
        """Show the process' output until its end.

        Whatever a line holds, the ones behind it are read: a pipe that nobody reads would fill up.
        """
        assert process.stdout is not None  # noqa: S101 - start() requests it
        try:
            async for line in lines(process.stdout):
                text = line.decode(errors="replace")
                self.last_line = text or self.last_line
                try:
                    self._show(text)
                except Exception as error:  # noqa: BLE001 - one line must not end the reading
                    self.notice(f"a line of its output cannot be shown: {type(error).__name__}")
        except OSError as error:
            self.notice(f"its output cannot be read any more: {error.strerror}")

    def _show(self, line: str) -> None:
        if self._console is None:
            if _is_json(line):
                write_line(sys.stdout, line + "\n")
            elif line:
                # What Python or a library prints; standard output must contain only JSON lines.
                get_log().warning(line, about=self.name)
            return
        prefix = Text(f"{self.name:<8} │ ", style=STYLES[self.name])
        self._console.print(prefix + colored_line(line), soft_wrap=True, highlight=False)

    def notice(self, event: str) -> None:
        """Log a message of the launcher about this unit."""
        if self._console is None:
            get_log().warning(event, about=self.name)
        else:
            self._show(event)

    async def ended(self) -> int:
        """Wait until the process exits and return its exit code."""
        assert self._process is not None  # noqa: S101 - start() sets it
        code = await self._process.wait()
        if self._output is not None:
            # Its child processes may keep the pipe open a little longer.
            await asyncio.wait([self._output], timeout=2)
        return code

    async def stop(self, within_s: float = STOP_S) -> None:
        """Shut it down cleanly; kill it after ``within_s`` seconds."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(within_s):
                await self.ended()
        except TimeoutError:
            self.notice("did not stop in time: killed")
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self.ended()

    async def keep_running(self, lifeline: int) -> int:
        """Restart it whenever it exits; return once a restart cannot help, with the exit code."""
        while True:
            code = await self.ended()
            self.notice(f"ended: {describe_exit(code)}")
            if code in DO_NOT_RESTART:
                return code
            await asyncio.sleep(RESTART_S)
            self.notice("restarting")
            await self.start(lifeline)


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a stream without their newline; the rest of one over 4 KiB is left out.

    ``StreamReader.readline`` would raise on such a line and leave the unit with a full pipe.
    """
    rest = b""
    skipping = False  # up to the end of a line that was cut
    while chunk := await stream.read(_READ_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if not skipping:
                yield _cut(line)
            skipping = False
        if skipping:
            rest = b""
        elif len(rest) >= LINE_BYTES:
            yield _cut(rest)
            rest, skipping = b"", True
    if rest:
        yield _cut(rest)


def _cut(line: bytes) -> bytes:
    return line if len(line) < LINE_BYTES else line[: LINE_BYTES - 1 - len(_CUT)] + _CUT
