"""A NIfTI file as bytes: the same whether it is compressed or not."""

import bz2
import gzip
import lzma
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.formats.nifti.byte_stream import ByteStream

CONTENT = bytes(range(256)) * 9000


@pytest.fixture(params=["plain", "compressed"])
def stream(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ByteStream]:
    path = tmp_path / "a.nii"
    path.write_bytes(CONTENT if request.param == "plain" else gzip.compress(CONTENT))
    opened = ByteStream(path)
    assert opened.compressed == (request.param == "compressed")
    assert opened.stamp == (path.stat().st_size, path.stat().st_mtime_ns)
    assert opened.current_stamp() == opened.stamp
    yield opened
    opened.close()


def test_bytes_come_in_order_and_the_position_follows(stream: ByteStream) -> None:
    assert stream.read(300) == CONTENT[:300]
    buffer = bytearray(1000)
    stream.fill(memoryview(buffer))
    assert buffer == CONTENT[300:1300]
    assert stream.position == 1300


@pytest.mark.parametrize("position", [0, 7, 1 << 20, (1 << 20) + 5, len(CONTENT)])
def test_it_moves_forwards(stream: ByteStream, position: int) -> None:
    stream.seek(position)
    assert stream.position == position
    assert stream.read(10) == CONTENT[position : position + 10]


def test_the_end_is_an_error_when_more_is_wanted(stream: ByteStream) -> None:
    stream.seek(len(CONTENT) - 5)
    with pytest.raises(EOFError):
        stream.fill(memoryview(bytearray(6)))


def test_a_compressed_file_cannot_be_moved_beyond_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(CONTENT))
    stream = ByteStream(path)
    with pytest.raises(EOFError):
        stream.seek(len(CONTENT) + 1)
    stream.close()
    stream.close()


@pytest.mark.parametrize(
    "tail", [b"x", b"appended by an archive" * 9000, b"\0" * 9 + b"y", b"\x1f"]
)
def test_bytes_behind_the_compressed_data_are_not_read(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(CONTENT) + tail)
    stream = ByteStream(path)
    assert stream.read(len(CONTENT) + 9) == CONTENT
    stream.close()


def test_a_member_may_begin_where_a_block_ends(tmp_path: Path) -> None:
    first, second = gzip.compress(CONTENT[:5000]), gzip.compress(CONTENT[5000:])
    path = tmp_path / "a.nii.gz"
    # The first byte of the second member is the last one of the block that is read.
    path.write_bytes(first + bytes((1 << 17) - 1 - len(first)) + second)
    stream = ByteStream(path)
    assert stream.read(len(CONTENT)) == CONTENT
    stream.close()


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_other_compressions_are_recognised(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(pack(CONTENT[:5000]) + pack(CONTENT[5000:]) + b"tail")
    stream = ByteStream(path)
    assert stream.compressed
    assert not stream.is_gzip
    assert stream.read(len(CONTENT) + 9) == CONTENT
    stream.close()


def test_members_follow_one_another_and_padding_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    halves = (gzip.compress(CONTENT[:5000]), gzip.compress(CONTENT[5000:]))
    path.write_bytes(halves[0] + bytes(300_000) + halves[1] + bytes(9))
    stream = ByteStream(path)
    assert stream.read(len(CONTENT) + 1) == CONTENT
    stream.close()


def test_a_compressed_volume_is_in_memory_once(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20), 1))
    buffer = bytearray(64 << 20)
    stream = ByteStream(path)
    tracemalloc.start()
    stream.fill(memoryview(buffer))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    stream.close()
    assert peak < 4 << 20
