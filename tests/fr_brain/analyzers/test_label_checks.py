"""A label map must fit its scan, and each of its labels must have a meaning."""

from typing import Any

import numpy as np
import pytest

from common.domain.bit_planes import BitPlanes
from common.domain.scan import BrainScan
from common.errors import AnalysisError
from fr_brain.analyzers.base import LabelMap, PlanesMap
from fr_brain.analyzers.label_checks import checked_map
from tests.factories import make_scan

SHAPE = (70, 80, 90)


@pytest.fixture(scope="module")
def scan() -> BrainScan:
    return make_scan(voxels=bytes(70 * 80 * 90), shape=SHAPE, dtype="uint8")[0]


LAYOUT = BitPlanes(
    bits=2, order=(2, 1, 0), flipped=(False, True, False), start=(1, 2, 3), shape=(89, 78, 60)
)
PLANE = np.zeros(LAYOUT.plane_shape, np.uint8)


def labels(**places: int) -> Any:
    made = np.zeros(SHAPE, np.uint8)
    for value, count in places.items():
        made.flat[np.flatnonzero(made == 0)[-count:]] = int(value[1:])
    return made


@pytest.mark.parametrize("many", [3, 200])
def test_voxels_are_counted_by_label_whether_there_are_few_or_many(
    scan: BrainScan, many: int
) -> None:
    made = labels(n1=5, n2=70_000)
    meanings = {n: f"label {n}" for n in range(1, many + 1)}
    checked = checked_map(LabelMap("cells", meanings, made), scan)
    assert [one.voxels for one in checked.described.values] == [5, 70_000, *[0] * (many - 2)]
    assert checked.layout is None
    assert np.array_equal(checked.labels, made.reshape(-1, order="F"))


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        ("labels", "str instead of a label map"),
        (LabelMap("cells", {}, labels().tolist()), "not an array of uint8"),
        (LabelMap("cells", {}, labels().astype(np.int16)), "not an array of uint8"),
        (LabelMap("cells", {}, labels()[1:]), r"has the shape \(69, 80, 90\); the scan has"),
        (LabelMap("../cells", {}, labels()), "describes a label map wrongly"),
        (LabelMap("Cells", {}, labels()), "describes a label map wrongly"),
        (LabelMap("cells", {0: "nothing"}, labels()), "describes a label map wrongly"),
        (LabelMap("cells", {256: "much"}, labels()), "describes a label map wrongly"),
        (LabelMap("cells", {1: ""}, labels()), "describes a label map wrongly"),
        (LabelMap("cells", {1: "x" * 81}, labels()), "describes a label map wrongly"),
        (LabelMap("cells", {"a": "b"}, labels()), "describes a label map wrongly"),  # type: ignore[dict-item]
        (LabelMap("cells", None, labels()), "describes a label map wrongly"),  # type: ignore[arg-type]
        (LabelMap("cells", {1: "one"}, labels(n1=4, n2=1)), "'cells' has a label without a mean"),
        (
            LabelMap("cells", dict.fromkeys(range(1, 20), "n"), labels(n1=4, n20=1)),
            "'cells' has a label without a meaning",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_with_the_reason(
    scan: BrainScan, one: Any, reason: str
) -> None:
    with pytest.raises(AnalysisError, match=reason):
        checked_map(one, scan)


@pytest.mark.parametrize("many", [2, 200])
def test_bit_planes_are_counted_without_what_is_past_the_end_of_a_row(
    scan: BrainScan, many: int
) -> None:
    ones, twos = PLANE.copy(), PLANE.copy()
    ones[0, 0, 0] = 0b0111
    twos[0, 0, 0] = 0b1110
    twos[..., -1] |= 0b1111_0000  # a row has 60 voxels
    values = {n: f"label {n}" for n in (1, 2, 3, *range(4, many + 1))}
    checked = checked_map(PlanesMap("cells", values, LAYOUT, [ones, twos]), scan)
    assert [one.voxels for one in checked.described.values][:4] == [1, 1, 2, *[0] * (many > 3)]
    assert checked.layout == LAYOUT
    assert checked.labels.nbytes == 2 * PLANE.nbytes


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"layout": None}, "the layout of a label map is not BitPlanes"),
        ({"layout": LAYOUT.model_copy(update={"start": (2, 2, 3)})}, "do not fit the scan of"),
        ({"planes": [PLANE]}, "does not have the 2 bit planes"),
        ({"planes": None}, "does not have the 2 bit planes"),
        ({"planes": [PLANE, PLANE.astype(np.int8)]}, "is not an array of uint8"),
        ({"planes": [PLANE, PLANE[1:]]}, r"has the shape \(88, 78, 8\); its layout \(89,"),
        ({"name": "Cells"}, "describes a label map wrongly"),
        ({"values": {256: "much"}}, "describes a label map wrongly"),
        ({"planes": [PLANE, PLANE | 1]}, "'cells' has a label without a meaning"),
    ],
)
def test_bit_planes_that_break_a_rule_are_refused_with_the_reason(
    scan: BrainScan, changed: dict[str, Any], reason: str
) -> None:
    right: dict[str, Any] = {"name": "cells", "values": {1: "one"}, "layout": LAYOUT}
    right["planes"] = [PLANE, PLANE]
    checked_map(PlanesMap(**right), scan)
    with pytest.raises(AnalysisError, match=reason):
        checked_map(PlanesMap(**right | changed), scan)
