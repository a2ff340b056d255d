"""Label maps: what an analyzer found where, a small whole number for each voxel.

A map is packed as voxels are (``voxel_compression``): Blosc buffers of 4 MiB each, compressed with
Zstandard. They have a label for each voxel in Fortran order, or bit planes of a part of the scan
(``bit_planes``). So a part of it can be read without the rest. The maps of a report are packed one
after another.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from common.domain.bit_planes import BitPlanes, unpack_planes
from common.domain.scan import Packing
from common.domain.types import Count, Frozen, Text
from common.domain.voxel_compression import most_packed, packed_blocks, unpack_part

LABEL_MAPS_MAX = 8
"""Most label maps of a report."""

LABEL_MAX = 255
"""The largest label. 0 is what has none."""

MEANING_MAX = 80
"""Most characters of the meaning of a label."""

_CODEC = b"zstd"

LABEL_MAP_NAME = r"^[a-z][a-z0-9_]{0,31}$"

LabelMapName = Annotated[str, Field(pattern=LABEL_MAP_NAME)]


class LabelValue(Frozen):
    """A label, and how many voxels have it."""

    value: Annotated[int, Field(ge=1, le=LABEL_MAX)]
    meaning: Annotated[Text, Field(min_length=1, max_length=MEANING_MAX)]
    voxels: Count


class DescribedMap(Frozen):
    """A label map without its voxels."""

    name: LabelMapName
    values: Annotated[tuple[LabelValue, ...], Field(max_length=LABEL_MAX)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({one.value for one in self.values}) < len(self.values):
            raise ValueError("two meanings for one label")
        return self

    @property
    def meanings(self) -> dict[int, str]:
        """What each label means."""
        return {one.value: one.meaning for one in self.values}


class PackedMap(DescribedMap):
    """A packed label map, as the document of its report describes it."""

    offset: Count
    """Where it begins among the packed maps of its report, bytes."""
    packing: Packing
    planes: BitPlanes | None = None
    """None: a label for each voxel."""

    @property
    def end(self) -> int:
        """Where it ends among the packed maps."""
        return self.offset + self.packing.bytes

    def most_bytes(self, shape: tuple[int, ...]) -> int:
        """Size above which no packed map of a scan of this shape can be, bytes."""
        unpacked = math.prod(shape if self.planes is None else self.planes.layers_shape)
        return most_packed(unpacked)

    def stored(self) -> dict[str, Any]:
        """As a document says it; without ``planes`` if there are none, as before they existed."""
        return self.model_dump(exclude_none=True)


@dataclass(frozen=True, slots=True)
class PackedMaps:
    """The packed label maps of a report."""

    maps: tuple[PackedMap, ...]
    payload: bytes = field(repr=False)
    """All of them, one after another."""

    @property
    def bytes(self) -> int:
        """Size of the payload."""
        return len(self.payload)


def packed_labels(labels: memoryview | bytes) -> Iterator[bytes]:
    """The Blosc buffers of a label map.

    Args:
        labels: a byte for each voxel, in Fortran order; or the layers of its bit planes.
    """
    return packed_blocks(labels, 1, _CODEC)


def unpacked_labels(
    read: Callable[[int, int], bytes], one: PackedMap, shape: tuple[int, ...], start: int, end: int
) -> Iterator[bytes]:
    """The labels of a packed map from ``start`` to before ``end``, a byte for each voxel in Fortran
    order, in pieces.

    Args:
        read: the bytes of this map's payload from a position to before another.
        one: the map.
        shape: of the scan.
        start: first voxel.
        end: one after the last voxel; the number of voxels at most.

    Raises:
        VoxelsDamaged: the map is not one that was packed.
    """
    if one.planes is not None:
        return unpack_planes(read, one.packing, one.planes, shape, start, end)
    return unpack_part(read, one.packing, math.prod(shape), start, end)


def values_of(meanings: Mapping[int, str], counts: Mapping[int, int]) -> tuple[LabelValue, ...]:
    """The labels of a map with their meanings, in order.

    Args:
        meanings: by label.
        counts: voxels by label; a label that no voxel has may be missing.
    """
    return tuple(
        LabelValue(value=value, meaning=meaning, voxels=counts.get(value, 0))
        for value, meaning in sorted(meanings.items())
    )
