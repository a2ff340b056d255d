"""Shared memory: written once, mapped without a copy, used again, refused unless sealed."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest

from common.formats.reading import shared_voxels
from common.formats.reading.shared_voxels import KEPT_FILES, MappedBuffers, SharedBuffers

SIZE = 3 << 20


def lent(buffers: SharedBuffers, value: int, size: int = SIZE) -> tuple[int, int]:
    """Descriptor and serial of a buffer filled with ``value``."""
    buffers.allocate(size)[:] = value
    buffer = buffers.lend()
    return buffer.fd, buffer.serial


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_what_is_written_is_mapped_read_only() -> None:
    buffers, mapped = SharedBuffers(), MappedBuffers(os.getpid())
    fd, serial = lent(buffers, 7)
    array = mapped.array(fd, serial, SIZE)
    assert (array == 7).all()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_a_buffer_is_used_again_only_when_nothing_refers_to_it() -> None:
    buffers, mapped = SharedBuffers(), MappedBuffers(os.getpid())
    fd, serial = lent(buffers, 1)
    view = mapped.array(fd, serial, SIZE).data[5:10]
    assert mapped.take_news() == {"mapped": [serial], "returned": []}
    other, _ = lent(buffers, 2)
    assert other != fd
    assert bytes(view) == b"\1" * 5
    del view
    gc.collect()
    news = mapped.take_news()
    assert news == {"mapped": [], "returned": [serial]}
    buffers.heed(**news)
    assert lent(buffers, 3) == (fd, serial)


def test_a_child_keeps_only_so_much_of_what_is_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_voxels, "KEPT_MAX", 2 * SIZE)
    buffers, mapped = SharedBuffers(), MappedBuffers(os.getpid())
    arrays = []
    for n in range(5):
        fd, serial = lent(buffers, n)
        arrays.append(mapped.array(fd, serial, SIZE))
        buffers.heed(**mapped.take_news())
    assert len(buffers._lent) == 2
    for n, array in enumerate(arrays):
        assert (array == n).all()


def test_a_child_keeps_few_files_open_however_small_what_is_lent() -> None:
    buffers, mapped = SharedBuffers(), MappedBuffers(os.getpid())
    before = open_files()
    arrays = []
    for n in range(200):
        fd, serial = lent(buffers, n, 4096)
        arrays.append(mapped.array(fd, serial, 4096))
        buffers.heed(**mapped.take_news())
    assert open_files() - before <= 2 * KEPT_FILES
    assert [array[0] for array in arrays] == list(range(200))


def test_a_file_that_could_shrink_or_is_too_small_is_refused() -> None:
    fd = os.memfd_create("voxels", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, SIZE)
    with pytest.raises(ValueError, match="not sealed"):
        MappedBuffers(os.getpid()).array(fd, 0, SIZE)
    with pytest.raises(ValueError, match="not the voxels"):
        MappedBuffers(os.getpid()).array(fd, 0, SIZE + 1)
    os.close(fd)
    read, write = os.pipe()
    with pytest.raises(ValueError, match="not the voxels"):
        MappedBuffers(os.getpid()).array(read, 0, SIZE)
    os.close(read)
    os.close(write)


def test_no_descriptor_is_kept_for_what_is_mapped() -> None:
    buffers, mapped = SharedBuffers(), MappedBuffers(os.getpid())
    fd, serial = lent(buffers, 1)
    before = open_files()
    array = mapped.array(fd, serial, SIZE)
    assert open_files() == before
    assert np.all(array == 1)


def test_large_voxels_take_no_memory_once_nothing_refers_to_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_voxels, "KEPT_MAX", SIZE)
    buffers, mapped = SharedBuffers(), MappedBuffers(os.getpid())

    def is_mapped(size: int) -> bool:
        fd, serial = lent(buffers, 1, size)
        array = mapped.array(fd, serial, size)
        inode = Path(f"/proc/self/fd/{fd}").stat().st_ino
        assert array[-1] == 1
        buffers.heed(**mapped.take_news())
        del array
        gc.collect()
        buffers.heed(**mapped.take_news())
        lines = Path("/proc/self/maps").read_text().splitlines()
        return any(line.split()[4] == str(inode) for line in lines)

    assert is_mapped(SIZE)
    assert not is_mapped(2 * SIZE)
