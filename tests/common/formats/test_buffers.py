"""Buffers in memory have the size that was asked for."""

from common.formats.buffers import in_memory


def test_a_buffer_has_its_size() -> None:
    assert in_memory(5).nbytes == 5
