"""Headers and volumes of NIfTI-1 and NIfTI-2 files (``.nii``, ``.nii.gz``, …).

nibabel parses the header. The voxels are read here instead of through its array proxies: straight
into the buffer that is sent, never more bytes than the header declares, never memory-mapped, and
a compressed series in one pass instead of from the start for each volume.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from common.errors import SourceError
from common.formats.buffers import Allocate, in_memory
from common.formats.nifti.byte_stream import ByteStream
from common.formats.nifti.header import HEADER_BYTES, check_size, parse_header
from common.formats.nifti.layout import Layout
from common.formats.nifti.mgh import OFFSET as MGH_OFFSET
from common.formats.nifti.pairs import is_header, voxels_of
from common.formats.nifti.reading_errors import as_source_error
from common.formats.nifti.scaling import read_values
from common.formats.nifti.volumes import NiftiVolume


def read_layout(
    path: Path, on_size: Callable[[int], None] = lambda _: None
) -> tuple[Layout, tuple[int, int]]:
    """Read the header of a file, and check that it has the volumes that the header declares.

    Trailing axes of length 1 beyond the third are dropped, and a plane (i, j) becomes (i, j, 1).
    A compressed series is inflated for that: its size on disk says little, and a few bytes could
    declare 65,535 volumes, each of which would be a scan.

    Args:
        path: the file, compressed or not, or a member of an archive; of a pair, the header.
        on_size: called with the bytes to inflate before they are.

    Returns:
        The layout; size of the file, bytes, and when it was last written, ns since the epoch.

    Raises:
        SourceError: not a NIfTI file, truncated, or of a kind that cannot become scans.
    """
    with as_source_error():
        layout = _read_pair_header(path) if is_header(path.name) else None
        stream = ByteStream(voxels_of(path))
        try:
            if not stream.size:
                raise SourceError("the file is empty: copy it again")
            layout = layout or parse_header(stream.read(HEADER_BYTES))
            endless = not stream.is_gzip
            check_size(layout, stream.size, compressed=stream.compressed, endless=endless)
            if layout.volumes > 1 and stream.compressed:
                on_size(layout.end)
                stream.seek(layout.end)
        finally:
            stream.close()
    return layout, stream.stamp


def _read_pair_header(path: Path) -> Layout:
    stream = ByteStream(path)
    try:
        return parse_header(stream.read(HEADER_BYTES), pair=True)
    finally:
        stream.close()


class VolumeReader:
    """Reads volumes, and keeps the stream of the last compressed series open where it stopped."""

    def __init__(self) -> None:
        self._kept: tuple[Path, ByteStream] | None = None

    def read(self, volume: NiftiVolume, allocate: Allocate = in_memory) -> npt.NDArray[Any]:
        """Read the voxels (``scaling.read_values`` says how they are scaled).

        Returns:
            Voxels (i, j, k) in Fortran order, little-endian.

        Raises:
            SourceError: the file is truncated, damaged, has changed, or no type holds its values.
        """
        layout = volume.layout
        start = layout.offset + volume.number * layout.volume_bytes
        last = volume.number == layout.volumes - 1
        with as_source_error():
            stream = self._stream(volume, start)
            try:
                stream.seek(start)
                array = read_values(stream, layout, allocate)
                if last:  # a checksum is checked only when all is read
                    _check_rest(stream, layout)
                _check_unchanged(stream, volume)
            except BaseException:
                stream.close()
                raise
        if stream.compressed and not last:
            self._kept = volume.path, stream
        else:
            stream.close()
        return array

    def close(self) -> None:
        """Close the stream that is kept. Idempotent."""
        if self._kept:
            self._kept[1].close()
        self._kept = None

    def _stream(self, volume: NiftiVolume, start: int) -> ByteStream:
        """A stream at ``start`` or before it."""
        kept, self._kept = self._kept, None
        if kept:
            path, stream = kept
            if path == volume.path and stream.stamp == volume.stamp and stream.position <= start:
                return stream
            stream.close()
        stream = ByteStream(voxels_of(volume.path))
        if stream.stamp != volume.stamp:
            stream.close()
            raise SourceError("the file changed after its header was read: send it again")
        return stream


def _check_rest(stream: ByteStream, layout: Layout) -> None:
    """Check that no slice follows the last one. Less may follow, and so may zeros that pad a file,
    and what MGH writes about the scan."""
    rest = stream.read(max(1, layout.volume_bytes // layout.shape[2]))
    is_slice = len(rest) * layout.shape[2] >= layout.volume_bytes and rest.strip(b"\0")
    if is_slice and layout.offset != MGH_OFFSET:
        raise SourceError("it holds more slices than its header declares: export it again")


def _check_unchanged(stream: ByteStream, volume: NiftiVolume) -> None:
    if stream.current_stamp() != volume.stamp:
        raise SourceError("the file changed while it was read: send it again")
