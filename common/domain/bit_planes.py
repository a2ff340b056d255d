"""Label maps as bit planes: one bit for each voxel and each bit of its label, of a box that holds
all labelled voxels.

An analyzer has such masks already, and they take an eighth of the memory of bytes, so they are made
and packed in a fraction of the time. The format is our own. A packed map has the planes in layers
along the box's axis that is the scan's last one, in the scan's direction. So consecutive voxels of
the scan (Fortran order) are in consecutive layers, and a part is read without the rest. A layer has
the planes one after another, that of the lowest bit first; each is in C order. Along the last axis
of the box, a byte holds eight voxels, the first in its lowest bit; bits past the end of a row are
0.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from common.domain.scan import Packing
from common.domain.types import Count, Frozen
from common.domain.voxel_compression import unpack_part
from common.errors import VoxelsDamaged

BITS_MAX = 8
"""Most planes: labels up to 255."""

Bytes = npt.NDArray[np.uint8]

_Axis = Literal[0, 1, 2]
_Size = Annotated[int, Field(ge=1, le=2**31)]

_PIECE_BYTES = 1 << 20
_COUNTED_AT_ONCE = 1 << 18


class BitPlanes(Frozen):
    """How many planes a map has, and where their box lies in the scan.

    The box has its own axes, which are the scan's in any order and direction.
    """

    bits: Annotated[int, Field(ge=1, le=BITS_MAX)]
    """Number of planes."""
    order: tuple[_Axis, _Axis, _Axis]
    """The scan's axis along each axis of the box."""
    flipped: tuple[bool, bool, bool]
    """For each axis of the box, whether it runs against the scan's."""
    start: tuple[Count, Count, Count]
    """The first voxel of the box along each of its axes; along a flipped one counted from the
    scan's end."""
    shape: tuple[_Size, _Size, _Size]
    """Voxels along each axis of the box."""

    @model_validator(mode="after")
    def _permutation(self) -> Self:
        if sorted(self.order) != [0, 1, 2]:
            raise ValueError("an axis occurs twice")
        return self

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether the box lies inside a scan of this shape."""
        return len(shape) == 3 and all(
            first + size <= shape[axis]
            for first, size, axis in zip(self.start, self.shape, self.order, strict=True)
        )

    @property
    def plane_shape(self) -> tuple[int, int, int]:
        """Shape of each plane: along the last axis a byte holds eight voxels."""
        return self.shape[0], self.shape[1], -(-self.shape[2] // 8)

    @property
    def layered(self) -> int:
        """The box's axis along which the layers lie."""
        return self.order.index(2)

    @property
    def layers_shape(self) -> tuple[int, int, int, int]:
        """Shape of all layers: layers, planes, and the two other axes of the box."""
        count = self.plane_shape[self.layered]
        first, second = (n for axis, n in enumerate(self.plane_shape) if axis != self.layered)
        return count, self.bits, first, second


def layers_of(layout: BitPlanes, planes: Sequence[Bytes]) -> Bytes:
    """The layers of a map, as they are packed: an array of ``layout.layers_shape``, C order.

    Args:
        layout: of the planes.
        planes: the lowest bit first, each of ``layout.plane_shape``; bits past the end of a row may
            have any value.
    """
    axis = layout.layered
    backwards = layout.flipped[axis]
    layers = np.empty(layout.layers_shape, np.uint8)
    for bit, plane in enumerate(planes):
        turned = np.moveaxis(plane, axis, 0)
        layers[:, bit] = turned[::-1] if backwards else turned
    if over := layout.shape[2] % 8:
        ends = layers[..., -1] if axis < 2 else layers[0 if backwards else -1]
        ends &= np.uint8((1 << over) - 1)
    return layers


def count_labels(layers: Bytes, expected: Sequence[int]) -> dict[int, int]:
    """The voxels of each label but 0, those without a voxel left out.

    Args:
        layers: of a map.
        expected: labels to look for first, if they are few: much quicker than a histogram.
    """
    counts = np.zeros(1 << BITS_MAX, np.int64)
    thick = max(1, _COUNTED_AT_ONCE // max(1, layers[0].nbytes))
    for start in range(0, len(layers), thick):
        part = layers[start : start + thick]
        labelled = np.bitwise_or.reduce(part, axis=1)
        left = _ones(labelled)
        if not left:
            continue
        found = {label: _ones(_voxels_with(label, part, labelled)) for label in expected}
        if sum(found.values()) == left:
            for label, count in found.items():
                counts[label] += count
        else:
            counts += _histogram(part, labelled)
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}


def _voxels_with(label: int, layers: Bytes, labelled: Bytes) -> Bytes:
    """The bits of voxels with a label."""
    bits = layers.shape[1]
    if label >> bits:
        return np.zeros_like(labelled)
    found = labelled.copy()
    for bit in range(bits):
        found &= layers[:, bit] if label >> bit & 1 else ~layers[:, bit]
    return found


def _histogram(layers: Bytes, labelled: Bytes) -> npt.NDArray[np.int64]:
    where = np.nonzero(labelled)
    labels = np.zeros(8 * len(where[0]), np.uint8)
    for bit in range(layers.shape[1]):
        labels |= np.unpackbits(layers[:, bit][where]) << np.uint8(bit)
    counts = np.bincount(labels, minlength=1 << BITS_MAX)
    counts[0] = 0
    return counts


def _ones(bits: Bytes) -> int:
    """How many bits are set."""
    flat = bits.reshape(-1)
    whole = len(flat) // 8 * 8  # eight bytes at a time
    words = np.bitwise_count(flat[:whole].view(np.uint64))
    return int(words.sum(dtype=np.int64)) + int(np.bitwise_count(flat[whole:]).sum(dtype=np.int64))


def unpack_planes(
    read: Callable[[int, int], bytes],
    packing: Packing,
    layout: BitPlanes,
    shape: tuple[int, ...],
    start: int,
    end: int,
) -> Iterator[bytes]:
    """The labels from ``start`` to before ``end``, a byte for each voxel of the scan in Fortran
    order, in pieces of about 1 MiB or one plane of the scan. Needs the memory of a piece, a layer
    and a buffer; the caller has checked the hash of the payload.

    Args:
        read: the bytes of the payload from a position to before another.
        packing: of the payload.
        layout: of the planes.
        shape: of the scan.
        start: first voxel.
        end: one after the last voxel; the number of voxels at most.

    Raises:
        VoxelsDamaged: the payload or the layout is not one that was packed.
    """
    if not layout.fits(shape):
        raise VoxelsDamaged("the bit planes of a label map do not fit the scan")
    if start >= end:
        return
    area = shape[0] * shape[1]
    first, last = start // area, -(-end // area)
    own = _Own(layout, shape)
    layers = _layers(read, packing, layout, own.layers(first, last))
    held, layer = -1, np.empty(0, np.uint8)
    thick = max(1, _PIECE_BYTES // area)
    for begin in range(first, last, thick):
        piece = np.zeros((min(thick, last - begin), shape[1], shape[0]), np.uint8)
        for number, out in enumerate(piece, begin):
            if number not in own.planes:
                continue
            wanted, bit = own.place(number)
            if wanted != held:
                held, layer = wanted, next(layers)
            own.draw(out, layer, bit)
        at = begin * area
        yield piece.reshape(-1)[max(0, start - at) : end - at].tobytes()


class _Own:
    """The planes of a scan (across its last axis) that cross the box of a map."""

    def __init__(self, layout: BitPlanes, shape: tuple[int, ...]) -> None:
        self._layout = layout
        axis = layout.layered
        self._backwards = layout.flipped[axis]
        begin, size = layout.start[axis], layout.shape[axis]
        if self._backwards:
            begin = shape[2] - begin - size
        self.planes = range(begin, begin + size)
        self._across = [other for other in range(3) if other != axis]

    def layers(self, first: int, last: int) -> range:
        """The layers that have the planes from ``first`` to before ``last``."""
        own = range(max(first, self.planes.start), min(last, self.planes.stop))
        return range(self.place(own[0])[0], self.place(own[-1])[0] + 1) if own else range(0)

    def place(self, plane: int) -> tuple[int, int]:
        """The layer of a plane, and its bit if a layer has the bits of eight planes."""
        n = plane - self.planes.start
        if self._layout.layered < 2:
            return n, 0
        if not self._backwards:
            return divmod(n, 8)
        byte, bit = divmod(len(self.planes) - 1 - n, 8)
        return self._layout.plane_shape[2] - 1 - byte, bit

    def draw(self, out: Bytes, layer: Bytes, bit: int) -> None:
        """Draw the labels of a layer on a plane of the scan, axes 1 and 0."""
        layout, (first, second) = self._layout, self._across
        if layout.layered < 2:
            planes = np.unpackbits(layer, axis=-1, count=layout.shape[2], bitorder="little")
        else:
            planes = layer >> np.uint8(bit) & np.uint8(1)
        labels = planes[0]
        for n in range(1, layout.bits):
            labels |= planes[n] << np.uint8(n)
        view = out if layout.order[first] == 1 else out.T
        view = view[:: -1 if layout.flipped[first] else 1, :: -1 if layout.flipped[second] else 1]
        rows, columns = (
            slice(layout.start[axis], layout.start[axis] + layout.shape[axis])
            for axis in (first, second)
        )
        view[rows, columns] = labels


def _layers(
    read: Callable[[int, int], bytes], packing: Packing, layout: BitPlanes, wanted: range
) -> Iterator[Bytes]:
    """These layers, one by one."""
    count, *own = layout.layers_shape
    size = math.prod(own)
    held = b""
    for piece in unpack_part(read, packing, count * size, wanted.start * size, wanted.stop * size):
        held += piece
        whole = len(held) // size
        yield from np.frombuffer(held, np.uint8, whole * size).reshape(whole, *own)
        held = held[whole * size :]
