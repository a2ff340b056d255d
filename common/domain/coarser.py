"""A coarser image: each voxel is the mean of a block of voxels, or of a label map the most frequent
label. It is made of bands of some lines, so that neither the whole image nor a whole slice of it is
in memory; only where blocks span several slices are the sums of a coarser slice."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.affine import Affine
from common.domain.scan import BrainScan
from common.errors import VoxelsDamaged

LEVEL_MAX = 6
HELD_BYTES_MAX = 32 * 1024 * 1024
"""The most bytes in memory while the image is made coarser, beside some megabytes of a band."""

_BAND_VOXELS = 2**18
"""So many voxels are made coarser at a time, each as a float64."""


@dataclass(frozen=True, slots=True)
class Coarser:
    """The geometry of an image of which each voxel stands for a block of ``blocks`` voxels; blocks
    at the far ends may be smaller."""

    blocks: tuple[int, ...]
    shape: tuple[int, ...]
    affine: Affine | None

    @property
    def deep(self) -> int:
        """How many slices a block spans."""
        return self.blocks[2] if len(self.blocks) == 3 else 1


def coarser(scan: BrainScan, level: int, labels: int | None = None) -> Coarser:
    """The geometry of a scan whose voxels are ``2 ** level`` times as large along each axis.

    Args:
        scan: the header of the scan.
        level: from 1 to ``LEVEL_MAX``.
        labels: how many labels its label map has, if that is to be made coarser.

    Raises:
        ValueError: it would take more than ``HELD_BYTES_MAX`` of memory.
    """
    blocks = tuple(min(2**level, size) for size in scan.shape)
    shape = tuple(-(-size // block) for size, block in zip(scan.shape, blocks, strict=True))
    flat = Coarser(blocks, shape, None)
    if _held_bytes(flat, scan.shape[0] * scan.voxel_bytes, labels) > HELD_BYTES_MAX:
        raise ValueError("a slice is too large to be made coarser")
    if scan.affine is None:
        return flat
    factors = np.array((*blocks, 1)[:3], dtype=float)
    matrix = np.array(scan.affine)
    # The centre of the first block.
    origin = matrix[:, 3] + matrix[:, :3] @ ((factors - 1) / 2)
    made = np.column_stack([matrix[:, :3] * factors, origin])
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in made)
    return Coarser(blocks, shape, (x, y, z))


def _held_bytes(made: Coarser, line_bytes: int, labels: int | None) -> int:
    """What is in memory between bands: a line of blocks, and what was summed up in their slices."""
    size = 8 if labels is None else labels * _count_type(made).itemsize
    sums = made.shape[0] * made.shape[1] * size if made.deep > 1 else 0
    return line_bytes * made.blocks[1] + sums


def coarser_voxels(scan: BrainScan, made: Coarser, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The voxels of the coarser image, some lines at a time, in the scan's data type and order.

    Args:
        scan: the header of the scan.
        made: of ``coarser``.
        pieces: the scan's voxels, in pieces of any sizes.

    Raises:
        VoxelsDamaged: there are fewer voxels than the header declares.
    """
    dtype = np.dtype(scan.dtype).newbyteorder("<")
    counts = [
        np.diff(np.append(np.arange(0, size, block), size))
        for size, block in zip(scan.shape[:2], made.blocks, strict=False)
    ]
    totals: dict[int, npt.NDArray[np.float64]] = {}
    for band in _bands(scan.shape, made, pieces, dtype, "voxels"):
        total = totals.pop(band.first, 0.0) + _sums(band.voxels, made.blocks, np.float64)
        if not band.slices:
            totals[band.first] = total
            continue
        lines = counts[1][band.first : band.first + total.shape[1]]
        total /= np.outer(counts[0], lines) * band.slices
        whole = np.rint(total) if dtype.kind in "iu" else total
        yield whole.astype(dtype).tobytes(order="F")


def coarser_labels(
    shape: tuple[int, ...], made: Coarser, pieces: Iterable[bytes]
) -> Iterator[bytes]:
    """The labels of the coarser map, some lines at a time: the most frequent one of each block. Of
    two that are as frequent it is the larger one, so what fills half of a block stays.

    Args:
        shape: of the map.
        made: of ``coarser``.
        pieces: the map's labels, a byte each in Fortran order, in pieces of any sizes.

    Raises:
        VoxelsDamaged: there are fewer labels than voxels.
    """
    kind = _count_type(made)
    held: dict[int, dict[int, npt.NDArray[np.unsignedinteger]]] = {}
    for band in _bands(shape, made, pieces, np.dtype(np.uint8), "labels"):
        counts = held.pop(band.first, {})
        for label in _labels_in(band.voxels):
            count = _sums(band.voxels == label, made.blocks, kind)
            counts[label] = counts[label] + count if label in counts else count
        if band.slices:
            yield _most_frequent(counts).tobytes(order="F")
        else:
            held[band.first] = counts


def _labels_in(voxels: npt.NDArray[np.generic]) -> list[int]:
    flat = voxels.ravel(order="K")
    found = np.zeros(256, bool)
    for start in range(0, flat.size, _BAND_VOXELS):  # as indices, they take eight times as much
        found[flat[start : start + _BAND_VOXELS]] = True
    return [int(label) for label in np.flatnonzero(found)]


def _count_type(made: Coarser) -> np.dtype[np.unsignedinteger]:
    """The smallest type that holds the voxels of a block."""
    return np.dtype(np.min_scalar_type(int(np.prod(made.blocks))))


def _most_frequent(counts: dict[int, npt.NDArray[np.unsignedinteger]]) -> npt.NDArray[np.uint8]:
    first, *others = sorted(counts)
    most = counts[first]
    labels = np.full(most.shape, first, np.uint8)
    for label in others:
        labels[counts[label] >= most] = label
        most = np.maximum(most, counts[label])
    return labels


@dataclass(frozen=True, slots=True)
class _Band:
    """Some lines of a slice, which are whole blocks.

    Args:
        voxels: of them, (width, lines).
        first: their first line in the coarser image.
        slices: how many slices the blocks span that end with them; 0: they go on in the next one.
    """

    voxels: npt.NDArray[np.generic]
    first: int
    slices: int


def _bands(
    shape: Sequence[int],
    made: Coarser,
    pieces: Iterable[bytes],
    dtype: np.dtype[np.generic],
    what: str,
) -> Iterator[_Band]:
    width, height = shape[:2]
    depth = shape[2] if len(shape) == 3 else 1
    step = max(1, _BAND_VOXELS // (width * made.blocks[1])) * made.blocks[1]
    lines = [min(step, height - start) for start in range(0, height, step)]
    cut = _cut(pieces, (width * many * dtype.itemsize for _ in range(depth) for many in lines))
    for k in range(depth):
        ends = (k + 1) % made.deep == 0 or k + 1 == depth
        for number, many in enumerate(lines):
            data = next(cut, None)
            if data is None:
                raise VoxelsDamaged(f"fewer {what} are stored than the header declares")
            yield _Band(
                np.frombuffer(data, dtype).reshape((width, many), order="F"),
                number * step // made.blocks[1],
                k % made.deep + 1 if ends else 0,
            )


def _sums(
    voxels: npt.NDArray[np.generic], blocks: Sequence[int], dtype: npt.DTypeLike
) -> npt.NDArray[Any]:
    """The sum of each block of a band, (blocks along x, blocks along y)."""
    width, lines = voxels.shape
    across = np.arange(0, lines, blocks[1])
    step = max(1, _BAND_VOXELS // (lines * blocks[0])) * blocks[0]
    found = []
    for start in range(0, width, step):
        part = voxels[start : start + step]
        along = np.add.reduceat(part, np.arange(0, len(part), blocks[0]), axis=0, dtype=dtype)
        found.append(np.add.reduceat(along, across, axis=1, dtype=dtype))
    return found[0] if len(found) == 1 else np.concatenate(found)


def _cut(pieces: Iterable[bytes], sizes: Iterable[int]) -> Iterator[bytes]:
    """The bytes in parts of these sizes, as far as they are whole."""
    held = bytearray()
    start = 0
    source = iter(pieces)
    for size in sizes:
        while len(held) - start < size:
            piece = next(source, None)
            if piece is None:
                return
            del held[:start]
            start = 0
            held += piece
        yield bytes(held[start : start + size])
        start += size
