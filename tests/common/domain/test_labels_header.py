"""The header of label maps that are sent: its fields must agree, and its size is bounded."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.domain import labels_header
from common.domain.label_maps import LABEL_MAPS_MAX, PackedMap
from common.domain.labels_header import VOXELS_MAX, LabelsHeader
from common.domain.scan import Packing
from common.domain.types import hash_voxels
from tests.common.wire.frames import LABELS

AT = {"scan_id": "scan-1", "revision": 1, "shape": (4, 5, 6)}


def a_map(name: str, offset: int, size: int, **fields: Any) -> PackedMap:
    packing = Packing(codec="blosc", bytes=size, hash=hash_voxels(b""))
    return PackedMap(name=name, values=(), offset=offset, packing=packing, **fields)


def refused(**fields: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        LabelsHeader.model_validate({**AT, "maps": (a_map("a", 0, 50),), **fields})
    return str(raised.value)


def test_it_comes_back_from_its_document_which_names_nothing_without_a_value() -> None:
    assert LabelsHeader.model_validate(LABELS.document()) == LABELS
    assert (LABELS.bytes, LABELS.unpacked_bytes) == (70, 2 * 120)
    plain = LabelsHeader.model_validate({**AT, "maps": (a_map("a", 0, 50),)}).document()
    assert "affine" not in plain
    assert "planes" not in plain["maps"][0]


@pytest.mark.parametrize(
    ("maps", "reason"),
    [
        ((), "at least 1 item"),
        (tuple(a_map(f"m{n}", 9 * n, 9) for n in range(LABEL_MAPS_MAX + 1)), "at most 8 items"),
        ((a_map("a", 0, 50), a_map("a", 50, 9)), "the same name"),
        ((a_map("a", 1, 50),), "overlap or leave gaps"),
        ((a_map("a", 0, 50), a_map("b", 51, 9)), "overlap or leave gaps"),
        ((a_map("a", 0, 50), a_map("b", 49, 9)), "overlap or leave gaps"),
        ((a_map("a", 0, 120 + 17),), "'a' is larger than any of its scan"),
    ],
)
def test_maps_that_contradict_one_another_are_refused(
    maps: tuple[PackedMap, ...], reason: str
) -> None:
    assert reason in refused(maps=maps)


@pytest.mark.parametrize("name", ["", "Lesions", "../a", "a" * 33, "a.b"])
def test_a_map_with_an_unknown_kind_of_name_is_refused(name: str) -> None:
    described = {**a_map("a", 0, 50).stored(), "name": name}
    assert "maps.0.name" in refused(maps=[described])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"revision": 0}, "greater than or equal to 1"),
        ({"scan_id": "../a"}, "match pattern"),
        ({"shape": (4,)}, "at least 2 items"),
        ({"shape": (4, 0, 6)}, "greater than or equal to 1"),
        ({"shape": (VOXELS_MAX // 2, 2, 2)}, "more than"),
        ({"affine": ((1, 0, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0))}, "singular"),
        ({"more": 1}, "Extra inputs"),
    ],
)
def test_what_is_no_scan_is_refused(fields: dict[str, Any], reason: str) -> None:
    assert reason in refused(**fields)


def test_planes_outside_the_scan_are_refused() -> None:
    [lesions, _] = LABELS.maps
    assert "do not fit the scan" in refused(maps=(lesions,), shape=(3, 5, 6))


def test_more_than_a_receiver_keeps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = (a_map("a", 0, 50), a_map("b", 50, 50))
    LabelsHeader.model_validate({**AT, "maps": maps})
    monkeypatch.setattr(labels_header, "PACKED_MAX", 99)
    assert "more than 99 bytes" in refused(maps=maps)
