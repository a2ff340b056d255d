"""The packed anatomy is what its script makes of the atlas, and its notice goes with it."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import SourceError
from fr_pacs.sources.phantom import template
from tests.fr_pacs.sources.phantom.make_template import encode, make_codes


@pytest.mark.long
def test_the_file_is_what_the_script_makes() -> None:
    made, packed = make_codes(), template.cells()
    # Another SciPy may round another way where two codes are as good.
    assert np.count_nonzero(made != packed) < 0.001 * packed.size


def test_a_cell_keeps_the_two_tissues_that_fill_it_most() -> None:
    parts = {name: np.zeros((1, 1, 4), np.float32) for name in template.TISSUES}
    parts["air"][..., 0] = 1
    parts["grey"][..., 1], parts["white"][..., 1], parts["csf"][..., 1] = 0.3, 0.6, 0.1
    parts["csf"][..., 2] = 1
    parts["white"][..., 3] = 1
    codes = encode(parts)
    read = {
        name: np.frombuffer(template.table_of({name: 255}), np.uint8)[codes][0, 0] / 255
        for name in template.TISSUES
    }
    assert read["air"].tolist() == [1, 0, 0, 0]
    assert read["grey"][1] == pytest.approx(1 / 3, abs=0.02)
    assert read["white"].tolist() == pytest.approx([0, 2 / 3, 0, 1], abs=0.02)
    assert read["csf"].tolist() == [0, 0, 1, 0]


def test_a_table_holds_each_mixture_once() -> None:
    table = template.table_of({"grey": 100, "white": 200})
    assert len(table) == 256
    start = template.PAIRS.index(("grey", "white")) * template.LEVELS
    assert list(table[start : start + template.LEVELS])[:: template.LEVELS - 1] == [100, 200]
    assert sorted(table[start : start + template.LEVELS]) == list(
        table[start : start + template.LEVELS]
    )


def test_only_air_lies_outside_of_the_boxes() -> None:
    for plane, (y0, y1, x0, x1) in zip(template.cells(), template.boxes(), strict=True):
        outside = plane.copy()
        outside[y0:y1, x0:x1] = 0
        assert not outside.any()


def test_a_template_that_is_missing_or_damaged_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "template.gz"
    monkeypatch.setattr(template, "TEMPLATE", path)
    template.load_template.cache_clear()
    try:
        with pytest.raises(SourceError, match="install Fr again"):
            template.load_template()
        path.write_bytes(b"no gzip")
        with pytest.raises(SourceError, match="cannot be read"):
            template.load_template()
    finally:
        template.load_template.cache_clear()


def test_its_notice_lies_beside_it() -> None:
    notice = template.TEMPLATE.with_suffix(".txt").read_text()
    assert "Louis Collins, McConnell Brain Imaging Centre" in notice
    assert "provided that the above copyright\nnotice appear in all copies" in notice
    assert template.TEMPLATE.stat().st_size < 1_700_000
