"""A coarser image: each voxel is the mean of a block of voxels, or of a label map the most frequent
label. It is made slice by slice, so that the whole image is never in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.domain.affine import Affine
from common.domain.scan import BrainScan
from common.errors import VoxelsDamaged

LEVEL_MAX = 6
SLICE_BYTES_MAX = 64 * 1024 * 1024
"""A slice is in memory while the image is made coarser."""


@dataclass(frozen=True, slots=True)
class Coarser:
    """The geometry of an image of which each voxel stands for a block of ``blocks`` voxels; blocks
    at the far ends may be smaller."""

    blocks: tuple[int, ...]
    shape: tuple[int, ...]
    affine: Affine | None


def coarser(scan: BrainScan, level: int) -> Coarser:
    """The geometry of a scan whose voxels are ``2 ** level`` times as large along each axis.

    Raises:
        ValueError: a slice of the scan is larger than ``SLICE_BYTES_MAX``.
    """
    if scan.shape[0] * scan.shape[1] * scan.voxel_bytes > SLICE_BYTES_MAX:
        raise ValueError("a slice is too large to be made coarser")
    blocks = tuple(min(2**level, size) for size in scan.shape)
    shape = tuple(-(-size // block) for size, block in zip(scan.shape, blocks, strict=True))
    if scan.affine is None:
        return Coarser(blocks, shape, None)
    factors = np.array((*blocks, 1)[:3], dtype=float)
    matrix = np.array(scan.affine)
    # The centre of the first block.
    origin = matrix[:, 3] + matrix[:, :3] @ ((factors - 1) / 2)
    made = np.column_stack([matrix[:, :3] * factors, origin])
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in made)
    return Coarser(blocks, shape, (x, y, z))


def coarser_voxels(scan: BrainScan, made: Coarser, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The voxels of the coarser image, slice by slice, in the scan's data type and order.

    Args:
        scan: the header of the scan.
        made: of ``coarser``.
        pieces: the scan's voxels, in pieces of any sizes.

    Raises:
        VoxelsDamaged: there are fewer voxels than the header declares.
    """
    dtype = np.dtype(scan.dtype).newbyteorder("<")
    width, height = scan.shape[:2]
    depth, deep = (scan.shape[2], made.blocks[2]) if len(scan.shape) == 3 else (1, 1)
    starts = [
        np.arange(0, size, block) for size, block in zip(scan.shape, made.blocks, strict=True)
    ]
    counts = [
        np.diff(np.append(start, size)) for start, size in zip(starts, scan.shape, strict=True)
    ]
    area = np.outer(counts[0], counts[1])
    total = np.zeros(area.shape)
    slices = _slices(pieces, width * height * scan.voxel_bytes)
    for k in range(depth):
        data = next(slices, None)
        if data is None:
            raise VoxelsDamaged("fewer voxels are stored than the header declares")
        one = np.frombuffer(data, dtype).reshape((width, height), order="F")
        rows = np.add.reduceat(one, starts[0], axis=0, dtype=np.float64)
        total += np.add.reduceat(rows, starts[1], axis=1)
        if (k + 1) % deep == 0 or k + 1 == depth:
            mean = total / (area * (k % deep + 1))
            whole = np.rint(mean) if dtype.kind in "iu" else mean
            yield whole.astype(dtype).tobytes(order="F")
            total[:] = 0


def coarser_labels(
    shape: tuple[int, ...], made: Coarser, pieces: Iterable[bytes]
) -> Iterator[bytes]:
    """The labels of the coarser map, slice by slice: the most frequent one of each block. Of two
    that are as frequent it is the larger one, so what fills half of a block stays.

    Args:
        shape: of the map.
        made: of ``coarser``.
        pieces: the map's labels, a byte each in Fortran order, in pieces of any sizes.

    Raises:
        VoxelsDamaged: there are fewer labels than voxels.
    """
    width, height = shape[:2]
    depth, deep = (shape[2], made.blocks[2]) if len(shape) == 3 else (1, 1)
    columns, rows = (np.arange(0, shape[axis], made.blocks[axis]) for axis in (0, 1))
    counts: dict[int, npt.NDArray[np.uint32]] = {}
    slices = _slices(pieces, width * height)
    for k in range(depth):
        data = next(slices, None)
        if data is None:
            raise VoxelsDamaged("fewer labels are stored than the header declares")
        one = np.frombuffer(data, np.uint8).reshape((width, height), order="F")
        for label in np.flatnonzero(np.bincount(one.ravel(), minlength=256)).tolist():
            inside = np.add.reduceat(one == label, columns, axis=0, dtype=np.uint32)
            count = np.add.reduceat(inside, rows, axis=1)
            counts[label] = counts[label] + count if label in counts else count
        if (k + 1) % deep == 0 or k + 1 == depth:
            yield _most_frequent(counts).tobytes(order="F")
            counts = {}


def _most_frequent(counts: dict[int, npt.NDArray[np.uint32]]) -> npt.NDArray[np.uint8]:
    first, *others = sorted(counts)
    most = counts[first]
    labels = np.full(most.shape, first, np.uint8)
    for label in others:
        labels[counts[label] >= most] = label
        most = np.maximum(most, counts[label])
    return labels


def _slices(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The bytes of each whole slice."""
    held = bytearray()
    for piece in pieces:
        held += piece
        start = 0
        while len(held) - start >= size:
            yield bytes(held[start : start + size])
            start += size
        del held[:start]
