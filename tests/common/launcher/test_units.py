"""A unit's output, line by line."""

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


def test_lines_are_split_wherever_the_chunks_end() -> None:
    assert read(b"one\ntw", b"o\n", b"\nthree\n") == [b"one", b"two", b"", b"three"]


def test_a_last_line_without_an_end_is_a_line() -> None:
    assert read(b"one\nTraceback") == [b"one", b"Traceback"]


def test_a_line_longer_than_the_limit_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "_LINE_MAX", 100_000)
    found = read(b"x" * 300_000 + b"\nafter\n")
    assert found[-1] == b"after"
    assert b"".join(found[:-1]) == b"x" * 300_000
    assert max(map(len, found)) <= 100_000 + 2**16
