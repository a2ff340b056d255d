"""The label maps of a report on their way: received packed, kept in a file, handed out as NIfTI."""

import math
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from common.domain.label_maps import PackedMap, unpacked_labels
from common.domain.labels_header import LabelsHeader
from common.errors import VoxelsDamaged
from common.wire.messages import Chunk
from common.wire.scan_transfer import LabelsVerifier


class ArrivingMaps:
    """The label maps that came before a report. They are kept in a file without a name, so that
    nothing stays when the process is killed. Used by one thread.

    A file that cannot be written is told by ``failure``: what still comes is checked and dropped.

    Args:
        header: what came before them.
        folder: where the file is kept.
    """

    def __init__(self, header: LabelsHeader, folder: Path) -> None:
        self.header = header
        self.failure: OSError | None = None
        """Why they could not be kept; None: they are."""
        self._verifier = LabelsVerifier(header)
        self._descriptor: int | None = None
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                self._descriptor = os.dup(file.fileno())
        except OSError as error:
            self.failure = error

    @property
    def complete(self) -> bool:
        """Whether all have arrived, with the hashes that the header declares."""
        return self._verifier.complete

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk.

        Raises:
            ProtocolError: it is not the next one, or a map does not have its hash.
        """
        self._verifier.add(chunk)
        left = memoryview(chunk.voxels)
        try:
            while left and self._descriptor is not None:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            self.failure = error
            self.close()

    def files(self, waited: Callable[[], None] = lambda: None) -> dict[str, Iterator[bytes]]:
        """The files by the name of the map: compressed NIfTI, made in pieces while they are read.

        Args:
            waited: called often while they are made, which may take long.

        Raises (while they are read):
            VoxelsDamaged: a map is not one that was packed.
            OSError: they could not be kept.
        """
        # Imported here because it takes long: most Fr-PACS get no label maps.
        from common.formats.nifti.writing import gzipped, label_map_header

        shape, affine = self.header.shape, self.header.affine
        return {
            one.name: gzipped(
                chain([label_map_header(shape, affine, one.meanings)], self._labels(one, waited))
            )
            for one in self.header.maps
        }

    def _labels(self, one: PackedMap, waited: Callable[[], None]) -> Iterator[bytes]:
        shape, read = self.header.shape, partial(self._read, one)
        for piece in unpacked_labels(read, one, shape, 0, math.prod(shape)):
            yield piece
            waited()

    def _read(self, one: PackedMap, start: int, end: int) -> bytes:
        if self._descriptor is None:
            raise self.failure or ValueError("closed")
        found = os.pread(self._descriptor, end - start, one.offset + start)
        if len(found) != end - start:
            raise VoxelsDamaged("a label map is cut off")
        return found

    def close(self) -> None:
        """Drop them. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
