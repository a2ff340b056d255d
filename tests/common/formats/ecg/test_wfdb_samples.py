"""Each WFDB format gives back the samples that were written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SourceError
from common.formats.ecg import wfdb_samples
from common.formats.ecg.wfdb_samples import FORMATS, format_of, frames_in, read_frames
from tests.common.formats.ecg.wfdb_files import encoded

BITS = {8: 7, 16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12, 310: 10, 311: 10}


@pytest.mark.parametrize("number", FORMATS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, number: int, data: st.DataObject
) -> None:
    half = 1 << (BITS[number] - 1)
    frame = data.draw(st.integers(1, 3))
    count = data.draw(st.integers(1, 20)) * frame
    drawn = data.draw(st.lists(st.integers(-half, half - 1), min_size=count, max_size=count))
    values = np.cumsum(drawn) % 60 if number == 8 else np.array(drawn, np.int64)
    path = tmp_path_factory.getbasetemp() / f"{number}.dat"
    path.write_bytes(b"head" + encoded(number, values))
    form = format_of(number)
    assert frames_in(path.stat().st_size - 4, form, frame) >= count // frame
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wfdb_samples, "_BLOCK_SAMPLES", 6)
        blocks = list(read_frames(path, 4, form, frame, count // frame))
    assert [start for start, _ in blocks] == [
        sum(len(block) for _, block in blocks[:n]) for n in range(len(blocks))
    ]
    found: Any = np.concatenate([block for _, block in blocks]).reshape(-1)
    found = np.cumsum(found) if number == 8 else found
    assert found.tolist() == values.tolist()


@pytest.mark.parametrize("number", FORMATS)
def test_a_file_that_is_cut_is_refused(tmp_path: Path, number: int) -> None:
    path = tmp_path / "x.dat"
    path.write_bytes(encoded(number, np.arange(12))[:-1])
    with pytest.raises(SourceError, match="cut off"):
        list(read_frames(path, 0, format_of(number), 1, 12))
    assert frames_in(path.stat().st_size, format_of(number), 1) < 12


def test_a_format_that_is_not_read_is_named() -> None:
    with pytest.raises(SourceError, match="WFDB format 516"):
        format_of(516)
