"""NIfTI-1 and NIfTI-2 single files (``.nii``, ``.nii.gz``), read one volume at a time.

nibabel parses the header. The voxels are read here instead of through its array proxies: straight
into the buffer that is sent, never more bytes than the header declares, never memory-mapped (a
mapped file that shrinks kills the process), and a compressed series in one pass per reader instead
of from the start for each volume.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from common.domain.types import Affine
from common.errors import SourceError
from common.formats.nifti.byte_stream import ByteStream
from common.formats.nifti.header import HEADER_BYTES, Layout, check_size, parse_header
from common.formats.nifti.reading_errors import as_source_error
from common.formats.nifti.scaling import read_values

_IDLE_STREAMS = 8


class _File:
    """A file and its open streams, shared by its volumes and by the threads that load them.

    A compressed file can only be read forwards. Idle streams stay open where they stopped, and the
    closest one before the wanted volume continues, so that a series costs each reader one pass.
    """

    def __init__(self, path: Path, layout: Layout, stamp: tuple[int, int]) -> None:
        self.layout = layout
        self._path = path
        self._stamp = stamp  # size and mtime_ns when the header was read
        self._idle: list[ByteStream] = []
        self._finished = False
        self._lock = threading.Lock()

    def __del__(self) -> None:
        for stream in self._idle:
            stream.close()

    def read(self, volume: int) -> npt.NDArray[Any]:
        """Volume ``volume`` (from 0): scaled, (i, j, k) in Fortran order, little-endian."""
        layout = self.layout
        start = layout.offset + volume * layout.volume_bytes
        last = volume == layout.volumes - 1
        with as_source_error():
            stream = self._take(start)
            try:
                stream.seek(start)
                array = read_values(stream, layout)
                if last and stream.compressed:
                    stream.read(1)  # gzip checks its checksum only when it is read to the end
            except BaseException:
                stream.close()
                raise
        self._give_back(stream, last)
        return array

    def _take(self, start: int) -> ByteStream:
        with self._lock:
            before = [stream for stream in self._idle if stream.position <= start]
            if before:
                stream = max(before, key=lambda idle: idle.position)
                self._idle.remove(stream)
                return stream
        stream = ByteStream(self._path)
        if (stream.size, stream.mtime_ns) != self._stamp:
            stream.close()
            raise SourceError("the file changed after its header was read: send it again")
        return stream

    def _give_back(self, stream: ByteStream, last: bool) -> None:
        with self._lock:
            self._finished |= last
            self._idle.append(stream)
            # Opening a plain file again is cheap, and a finished file needs no streams any more.
            open_ended = stream.compressed and not self._finished
            keep = self._idle[-_IDLE_STREAMS:] if open_ended else []
            done = [idle for idle in self._idle if idle not in keep]
            self._idle = keep
        for idle in done:
            idle.close()


@dataclass(frozen=True, slots=True)
class NiftiVolume:
    """One volume of a file."""

    label: str
    path: Path
    _file: _File
    _volume: int

    @property
    def acquired_at(self) -> None:
        """None: NIfTI has no field for the time of acquisition."""

    @property
    def subject(self) -> None:
        """None: NIfTI has no field for the patient."""

    @property
    def declared_bytes(self) -> int:
        """Bytes of memory that the volume takes, as its header declares it."""
        return self._file.layout.memory_bytes

    def read(self) -> tuple[npt.NDArray[Any], Affine]:
        """Read the voxels (``scaling.read_values`` says how they are scaled).

        Returns:
            Voxels (i, j, k) in Fortran order, little-endian; and the affine that maps their
            indices to mm, RAS+.

        Raises:
            SourceError: the file is truncated, damaged, has changed, or no type holds its values.
        """
        return self._file.read(self._volume), self._file.layout.affine


def nifti_volumes(path: Path, label: str) -> list[NiftiVolume]:
    """Find the volumes of a file; only its header is read.

    Trailing axes of length 1 beyond the third are dropped, and a plane (i, j) becomes (i, j, 1).
    The volumes of a 4-D file are labelled ``[volume 1]``, ``[volume 2]`` … in their order.

    Args:
        path: the file, compressed with gzip or not.
        label: names the file to its user.

    Raises:
        SourceError: not a NIfTI file, truncated, or of a kind that cannot become scans.
    """
    with as_source_error():
        stream = ByteStream(path)
        try:
            block = stream.read(HEADER_BYTES)
        finally:
            stream.close()
        if not stream.size:
            raise SourceError("the file is empty")
        layout = parse_header(block)
    check_size(layout, stream.size, compressed=stream.compressed)
    file = _File(path, layout, (stream.size, stream.mtime_ns))
    if layout.volumes == 1:
        return [NiftiVolume(label, path, file, 0)]
    return [
        NiftiVolume(f"{label} [volume {volume + 1}]", path, file, volume)
        for volume in range(layout.volumes)
    ]
