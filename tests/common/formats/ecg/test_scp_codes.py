"""The codes of SCP-ECG: what is packed is unpacked, and nothing else is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SourceError
from common.formats.ecg.scp_codes import DEFAULT, Code, decode
from tests.common.formats.ecg.scp_files import packed


@given(st.lists(st.integers(-(2**15), 2**15 - 1), max_size=60))
def test_what_is_packed_is_unpacked(values: list[int]) -> None:
    assert decode(packed(values), len(values), [DEFAULT]) == values


def test_no_code_of_the_default_table_begins_another() -> None:
    texts = [format(one.prefix, f"0{one.bits}b")[::-1] for one in DEFAULT]
    assert len(set(texts)) == 19
    assert not [(a, b) for a in texts for b in texts if a != b and b.startswith(a)]


def test_a_number_that_is_cut_off_or_a_table_that_is_not_there_is_refused() -> None:
    with pytest.raises(SourceError, match="cut off"):
        decode(packed([1000])[:2], 1, [DEFAULT])
    with pytest.raises(SourceError, match="a missing table: export it again"):
        decode(b"\xff", 1, [[Code(1, 1, 3, 1, switches=True)]])
    with pytest.raises(SourceError, match="damaged"):
        decode(b"\0", 1, [[Code(1, 1, 3, 1)]])
