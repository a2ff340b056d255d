"""Label maps are packed without loss, one at a time."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from common.domain.label_maps import LABEL_MAPS_MAX, PackedMaps
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels
from common.domain.voxel_compression import unpack_part
from common.errors import AnalysisError
from fr_brain.analyzers.base import LabelMap
from fr_brain.label_maps import pack_maps
from tests.factories import make_scan

SHAPE = (190, 180, 150)
"""More than one buffer of 4 MiB."""


@pytest.fixture(scope="module")
def scan() -> BrainScan:
    return make_scan(voxels=bytes(np.prod(SHAPE)), shape=SHAPE, dtype="uint8")[0]


def random_labels(seed: int, order: str = "F") -> npt.NDArray[np.uint8]:
    made = np.random.default_rng(seed).integers(0, 3, SHAPE, np.uint8)
    return np.asarray(made, order=order)  # type: ignore[call-overload, no-any-return]


def unpacked(packed: PackedMaps, name: str, start: int, end: int) -> bytes:
    one = next(one for one in packed.maps if one.name == name)
    payload = packed.payload[one.offset : one.end]
    assert hash_voxels(payload) == one.packing.hash
    size = int(np.prod(SHAPE))
    return b"".join(
        unpack_part(lambda a, b: payload[a:b], one.packing, size, start, end),
    )


@pytest.mark.parametrize("order", ["F", "C"])
def test_maps_come_back_whole_and_in_part(scan: BrainScan, order: str) -> None:
    first, second = random_labels(1, order), random_labels(2, order)
    meanings = {1: "one", 2: "two"}
    packed = pack_maps(
        [LabelMap("first", meanings, first), LabelMap("second", meanings, second)], scan
    )
    assert packed is not None
    assert packed.bytes < first.size
    for name, labels in (("first", first), ("second", second)):
        flat = labels.tobytes(order="F")
        assert unpacked(packed, name, 0, len(flat)) == flat
        assert unpacked(packed, name, 4_194_300, 4_194_310) == flat[4_194_300:4_194_310]


def test_maps_are_made_one_at_a_time(scan: BrainScan) -> None:
    alive: list[int] = []

    def maps() -> Iterator[LabelMap]:
        for n in range(3):
            alive.append(n)
            yield LabelMap(f"map{n}", {}, np.zeros(SHAPE, np.uint8))
            alive.remove(n)
            assert not alive

    packed = pack_maps(maps(), scan)
    assert packed is not None
    assert [one.name for one in packed.maps] == ["map0", "map1", "map2"]


def test_none_too_many_and_names_twice(scan: BrainScan) -> None:
    empty = np.zeros(SHAPE, np.uint8)
    assert pack_maps([], scan) is None
    with pytest.raises(AnalysisError, match="two label maps 'a'"):
        pack_maps([LabelMap("a", {}, empty)] * 2, scan)
    many = [LabelMap(f"map{n}", {}, empty) for n in range(LABEL_MAPS_MAX + 1)]
    with pytest.raises(AnalysisError, match="more than 8 label maps"):
        pack_maps(many, scan)
