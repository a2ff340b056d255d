"""Bit planes of label maps: there and back in whole and in part, and what damaged ones do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.domain import bit_planes
from common.domain.bit_planes import BitPlanes, count_labels, layers_of, unpack_planes
from common.domain.label_maps import packed_labels
from common.domain.scan import Packing
from common.domain.types import hash_voxels
from common.errors import VoxelsDamaged

Labels = npt.NDArray[np.uint8]


def planes_of(labels: Labels, layout: BitPlanes, *, past: int = 0) -> list[Labels]:
    """The planes of a map in the scan's axes, with ``past`` in each bit past the end of a row."""
    flips = tuple(slice(None, None, -1 if flip else 1) for flip in layout.flipped)
    box = tuple(slice(a, a + n) for a, n in zip(layout.start, layout.shape, strict=True))
    own = labels.transpose(layout.order)[flips][box]
    room = -own.shape[2] % 8
    return [
        np.packbits(
            np.pad(own >> bit & 1, ((0, 0), (0, 0), (0, room)), constant_values=past),
            axis=-1,
            bitorder="little",
        )
        for bit in range(layout.bits)
    ]


def packed(layers: Labels) -> tuple[Callable[[int, int], bytes], Packing]:
    payload = b"".join(packed_labels(layers.data))
    packing = Packing(codec="blosc", bytes=len(payload), hash=hash_voxels(payload))
    return lambda start, end: payload[start:end], packing


@st.composite
def maps(draw: st.DrawFn) -> tuple[Labels, BitPlanes]:
    """Any small map, with 0 outside of the box of its layout."""
    shape = draw(st.tuples(*[st.integers(1, 19)] * 3))
    order = draw(st.permutations([0, 1, 2]))
    flipped = draw(st.tuples(*[st.booleans()] * 3))
    bits = draw(st.integers(1, 8))
    ends = [
        sorted(draw(st.tuples(st.integers(0, shape[axis] - 1), st.integers(1, shape[axis]))))
        for axis in order
    ]
    start = [min(a, b - 1) for a, b in ends]
    size = [max(1, b - a) for a, (_, b) in zip(start, ends, strict=True)]
    layout = BitPlanes.model_validate(
        {"bits": bits, "order": order, "flipped": flipped, "start": start, "shape": size}
    )
    memory = draw(st.sampled_from("CF"))
    labels = np.zeros(shape, np.uint8, order=memory)  # type: ignore[call-overload]
    flips = tuple(slice(None, None, -1 if flip else 1) for flip in flipped)
    box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
    # Drawn voxel by voxel they would take a hundred times as long.
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    own = random.integers(0, 2**bits, size, np.uint8, endpoint=False)
    own[random.random(size) > draw(st.floats(0, 1))] = 0
    labels.transpose(order)[flips][box] = own
    return labels, layout


@given(maps(), st.data())
def test_any_map_comes_back_in_whole_and_in_part(
    made: tuple[Labels, BitPlanes], data: st.DataObject
) -> None:
    labels, layout = made
    past = data.draw(st.integers(0, 1))
    layers = layers_of(layout, planes_of(labels, layout, past=past))
    read, packing = packed(layers)
    flat = labels.tobytes(order="F")
    start = data.draw(st.integers(0, len(flat)))
    end = data.draw(st.integers(start, len(flat)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bit_planes, "_PIECE_BYTES", data.draw(st.integers(1, 500)))
        patched.setattr(bit_planes, "_COUNTED_AT_ONCE", data.draw(st.integers(1, 500)))
        for first, last in ((0, len(flat)), (start, end)):
            found = unpack_planes(read, packing, layout, labels.shape, first, last)
            assert b"".join(found) == flat[first:last]
        wanted = {n: int(c) for n, c in enumerate(np.bincount(labels.ravel())) if n and c}
        for expected in ([], [1, 2, 200], [*wanted]):
            assert count_labels(layers, expected) == wanted


@given(maps())
def test_planes_round_trip_through_a_layout_of_a_document(made: tuple[Labels, BitPlanes]) -> None:
    _, layout = made
    assert BitPlanes.model_validate_json(layout.model_dump_json()) == layout


WHOLE: dict[str, Any] = {
    "bits": 8,
    "order": (2, 1, 0),
    "flipped": (False, True, True),
    "start": (0, 0, 0),
    "shape": (9, 8, 7),
}


def example() -> tuple[Labels, BitPlanes]:
    labels = np.random.default_rng(1).integers(0, 256, (7, 8, 9), np.uint8)
    return labels, BitPlanes.model_validate(WHOLE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits": 0},
        {"bits": 9},
        {"order": (0, 0, 1)},
        {"order": (0, 1, 3)},
        {"order": (0, 1)},
        {"start": (0, 0, -1)},
        {"shape": (9, 8, 0)},
        {"more": 1},
    ],
)
def test_what_is_no_layout_is_refused(wrong: dict[str, Any]) -> None:
    BitPlanes.model_validate(WHOLE)
    with pytest.raises(ValidationError):
        BitPlanes.model_validate(WHOLE | wrong)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"start": (1, 0, 0)}, "do not fit the scan"),
        ({"shape": (9, 8, 8)}, "do not fit the scan"),
        ({"order": (0, 1, 2)}, "do not fit the scan"),
        ({"bits": 7}, "do not have the declared size"),
        ({"shape": (8, 8, 7)}, "do not have the declared size"),
    ],
)
def test_a_layout_of_another_map_is_damage(wrong: dict[str, Any], reason: str) -> None:
    labels, layout = example()
    read, packing = packed(layers_of(layout, planes_of(labels, layout)))
    other = BitPlanes.model_validate(WHOLE | wrong)
    with pytest.raises(VoxelsDamaged, match=reason):
        list(unpack_planes(read, packing, other, labels.shape, 0, labels.size))


def test_a_payload_cut_short_is_damage() -> None:
    labels, layout = example()
    read, packing = packed(layers_of(layout, planes_of(labels, layout)))
    short = packing.model_copy(update={"bytes": packing.bytes - 1})
    with pytest.raises(VoxelsDamaged):
        list(unpack_planes(read, short, layout, labels.shape, 0, labels.size))


def test_a_scan_of_two_axes_has_no_planes() -> None:
    _, layout = example()
    assert not layout.fits((7, 8))


def test_a_part_reads_only_the_buffers_that_have_it() -> None:
    """Three buffers of 4 MiB; a piece has at most 1 MiB."""
    shape = (2048, 1024, 24)
    layout = BitPlanes(
        bits=2,
        order=(2, 1, 0),
        flipped=(True, False, False),
        start=(0, 0, 0),
        shape=(24, 1024, 2048),
    )
    planes = list(np.random.default_rng(1).integers(0, 256, (2, *layout.plane_shape), np.uint8))
    read, packing = packed(layers_of(layout, planes))
    taken: list[int] = []

    def watched(start: int, end: int) -> bytes:
        taken.append(end - start)
        return read(start, end)

    area = shape[0] * shape[1]
    pieces = list(unpack_planes(watched, packing, layout, shape, 9 * area, 11 * area))
    assert sum(taken) < packing.bytes / 2
    assert [len(piece) for piece in pieces] == [area, area]  # a plane has 2 MiB
    bits = [np.unpackbits(one[-10], axis=-1, bitorder="little") for one in planes]
    assert pieces[0] == (bits[0] | bits[1] << 1).tobytes()
