"""Splitting a unit's output into lines."""

import asyncio
import io
import json
import os
import re
from typing import Any

import pytest
import structlog

from common.launcher.units import Unit, lines
from common.runtime.console import Console
from common.runtime.logger import configure


def read(*chunks: bytes) -> list[bytes]:
    async def collect() -> list[bytes]:
        stream = asyncio.StreamReader()
        for chunk in chunks:
            stream.feed_data(chunk)
        stream.feed_eof()
        return [line async for line in lines(stream)]

    return asyncio.run(collect())


def test_lines_are_split_independently_of_chunks() -> None:
    assert read(b"one\ntw", b"o\n", b"\nthree\n") == [b"one", b"two", b"", b"three"]


def test_a_last_line_without_a_newline_is_a_line() -> None:
    assert read(b"one\nTraceback") == [b"one", b"Traceback"]


@pytest.mark.parametrize("size", [4096, 70_000, 300_000])
@pytest.mark.parametrize("chunk", [1000, 65_536])
def test_the_rest_of_a_line_over_4_kib_is_left_out(size: int, chunk: int) -> None:
    data = b"before\n" + b"\x1b" * size + b"\nafter\n"
    found = read(*(data[at : at + chunk] for at in range(0, len(data), chunk)))
    assert (found[0], found[-1], len(found)) == (b"before", b"after", 3)
    assert len(found[1]) < 4096
    assert found[1].endswith(b" [cut]")


def test_a_long_line_without_an_end_is_cut() -> None:
    (line,) = read(b"x" * 5000)
    assert line.endswith(b"x [cut]")


LINES = b"""a line
\x1b[32mgreen\x1b[0m \x1b[2J\x9b2J [/] [bold]
{"event": "stopping"}
Traceback \x1b[2J
"""


def relayed(data: bytes, console: Console | None) -> None:
    """Run a unit whose output is this data, and show it."""

    async def run() -> None:
        unit = Unit("fr-hub", console, {})
        read, write = os.pipe()
        process = await asyncio.create_subprocess_exec(
            "cat", stdin=read, stdout=asyncio.subprocess.PIPE
        )
        os.close(read)
        writing = asyncio.create_task(asyncio.to_thread(write_all, write, data))
        await unit._relay(process)
        await writing
        assert await process.wait() == 0

    asyncio.run(run())


def write_all(fd: int, data: bytes) -> None:
    with os.fdopen(fd, "wb") as pipe:
        pipe.write(data)


def test_lines_are_shown_with_their_colors_and_nothing_else() -> None:
    out = io.StringIO()
    relayed(LINES, Console(file=out, width=200, force_terminal=True, color_system="standard"))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert "\x1b[32mgreen" in out.getvalue()
    assert [line.isprintable() for line in shown.splitlines()] == [True] * 4
    assert "green \\x1b[2J\ufffd2J [/] [bold]" in shown


def test_of_json_lines_the_others_become_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json", "launcher")
    relayed(LINES, None)
    structlog.reset_defaults()
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found[2] == {"event": "stopping"}
    assert found[3]["event"] == "Traceback \\x1b[2J"
    assert [line.get("about") for line in found] == ["fr-hub", "fr-hub", None, "fr-hub"]


class Unshowable(Console):
    """Fails on the first line."""

    failed = False

    def print(self, *things: Any, **options: Any) -> None:
        if not self.failed:
            self.failed = True
            raise ValueError("cannot be shown")
        super().print(*things, **options)


def test_a_line_that_cannot_be_shown_is_an_error_that_is_seen_and_ends_nothing() -> None:
    out = io.StringIO()
    relayed(b"bad\n" + b"x" * 80 + b"\n" + b"y\n" * 10_000, Unshowable(file=out, width=200))
    shown = out.getvalue()
    assert "a line of its output cannot be shown: ValueError" in shown
    assert shown.count("│ y") == 10_000
