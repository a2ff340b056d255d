"""Compressed data, inflated piece by piece and up to a limit."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import SourceError
from common.formats.compression import (
    EMPTY_MEMBERS_MAX,
    inflated,
    inflater_for,
    is_gzip,
    is_zstd,
    pieces,
    unpacked,
    unpacked_max,
)
from common.formats.nifti.byte_stream import ByteStream

CONTENT = bytes(range(256)) * 2000
PACKERS = [gzip.compress, bz2.compress, lzma.compress]


@pytest.mark.parametrize("pack", PACKERS)
def test_data_come_back_whole_in_pieces_of_a_bounded_size(pack: Callable[[bytes], bytes]) -> None:
    parts = list(inflated(io.BytesIO(pack(CONTENT)), 1000))
    assert b"".join(parts) == CONTENT
    assert max(map(len, parts)) <= 1000


@pytest.mark.parametrize("pack", PACKERS)
def test_members_follow_one_another_and_other_bytes_end_them(
    pack: Callable[[bytes], bytes],
) -> None:
    data = pack(CONTENT[:5000]) + bytes(7) + pack(CONTENT[5000:]) + b"appended"
    assert b"".join(inflated(io.BytesIO(data))) == CONTENT


@pytest.mark.parametrize("pack", PACKERS)
def test_empty_members_are_read_up_to_a_limit(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    empty, path = pack(b"") * EMPTY_MEMBERS_MAX, tmp_path / "data"
    path.write_bytes(pack(CONTENT) + empty + pack(CONTENT) + empty)
    assert b"".join(inflated(io.BytesIO(path.read_bytes()))) == 2 * CONTENT
    with contextlib.closing(ByteStream(path)) as stream:
        assert stream.read(3 * len(CONTENT)) == 2 * CONTENT
    path.write_bytes(empty + pack(b"") + pack(CONTENT))
    with pytest.raises(zlib.error):
        list(inflated(io.BytesIO(path.read_bytes())))
    with contextlib.closing(ByteStream(path)) as stream, pytest.raises(zlib.error):
        stream.read(1)


@pytest.mark.parametrize("pack", PACKERS)
def test_truncated_and_damaged_data_are_told_apart(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(os.urandom(50_000))
    with pytest.raises(EOFError):
        list(inflated(io.BytesIO(packed[:-20])))
    damaged = bytearray(packed)
    damaged[25_000] ^= 0xFF
    with pytest.raises(zlib.error):
        list(inflated(io.BytesIO(damaged)))


def test_what_is_not_compressed_is_told_by_its_first_bytes() -> None:
    assert inflater_for(CONTENT) is None
    assert inflater_for(b"BZhx") is None
    assert is_gzip(gzip.compress(b""))
    assert is_zstd(b"\x28\xb5\x2f\xfd\0")


def test_a_bomb_stops_at_its_limit() -> None:
    bomb = gzip.compress(bytes(10 << 20))
    with pytest.raises(SourceError, match="over 5 MiB"):
        unpacked(inflated(io.BytesIO(bomb)), 5 << 20)
    with unpacked(pieces(io.BytesIO(CONTENT)), len(CONTENT)) as file:
        assert file.read() == CONTENT
    assert unpacked_max(10) == 160 << 20
    assert unpacked_max(10 << 20) == 2500 << 20
