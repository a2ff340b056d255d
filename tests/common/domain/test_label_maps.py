"""Descriptions of label maps: what is stored about them."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.bit_planes import BitPlanes
from common.domain.label_maps import (
    DescribedMap,
    PackedMap,
    PackedMaps,
    packed_labels,
    values_of,
)
from common.domain.scan import Packing
from common.domain.types import hash_voxels
from common.domain.voxel_compression import BLOCK_BYTES, most_packed, unpack_part


def test_values_come_in_order_with_their_voxels() -> None:
    values = values_of({3: "three", 1: "one"}, {3: 7})
    assert [(one.value, one.meaning, one.voxels) for one in values] == [
        (1, "one", 0),
        (3, "three", 7),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "A"},
        {"name": "a/b"},
        {"name": "a" * 33},
        {"values": values_of({1: "a"}, {}) * 2},
        {"values": [{"value": 0, "meaning": "a", "voxels": 1}]},
        {"values": [{"value": 256, "meaning": "a", "voxels": 1}]},
        {"values": [{"value": 1, "meaning": "", "voxels": 1}]},
        {"values": [{"value": 1, "meaning": "a", "voxels": -1}]},
    ],
)
def test_what_is_no_description_is_refused(wrong: dict[str, Any]) -> None:
    right = {"name": "lesions", "values": values_of({1: "a"}, {1: 2})}
    DescribedMap.model_validate(right)
    with pytest.raises(ValidationError):
        DescribedMap.model_validate(right | wrong)


def test_packed_labels_come_back_block_by_block() -> None:
    labels = bytes(n % 251 % 3 for n in range(BLOCK_BYTES + 100))
    buffers = list(packed_labels(labels))
    assert len(buffers) == 2
    payload = b"".join(buffers)
    packing = Packing(codec="blosc", bytes=len(payload), hash=hash_voxels(payload))
    one = PackedMap(name="a", values=(), offset=5, packing=packing)
    assert one.end == 5 + len(payload)
    assert PackedMaps((one,), payload).bytes == len(payload)
    found = unpack_part(
        lambda a, b: payload[a:b], packing, len(labels), BLOCK_BYTES - 3, BLOCK_BYTES + 3
    )
    assert b"".join(found) == labels[BLOCK_BYTES - 3 : BLOCK_BYTES + 3]


def test_the_most_bytes_of_a_map_are_those_of_its_labels_or_planes() -> None:
    packing = Packing(codec="blosc", bytes=9, hash=hash_voxels(b""))
    one = PackedMap(name="a", values=(), offset=0, packing=packing)
    assert one.most_bytes((10, 20, 30)) == most_packed(6000)
    planes = BitPlanes(
        bits=2, order=(0, 1, 2), flipped=(False,) * 3, start=(0,) * 3, shape=(3, 4, 9)
    )
    of_planes = one.model_copy(update={"planes": planes})
    assert of_planes.most_bytes((10, 20, 30)) == most_packed(3 * 4 * 2 * 2)
