"""Splitting a unit's output into lines."""

import asyncio

import pytest

from common.launcher import units
from common.launcher.units import lines


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


def test_a_line_above_the_limit_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "_LINE_MAX", 100_000)
    found = read(b"x" * 300_000 + b"\nafter\n")
    assert found[-1] == b"after"
    assert b"".join(found[:-1]) == b"x" * 300_000
    assert max(map(len, found)) <= 100_000 + 2**16
