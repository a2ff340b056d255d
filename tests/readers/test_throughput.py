"""The comparison of speed: both readers read all, and a difference is noticed."""

from pathlib import Path

import pytest

from tests.readers.throughput import Throughput, measure, write_folder


def test_both_readers_read_the_whole_folder(tmp_path: Path) -> None:
    size = write_folder(tmp_path, series=2, slices=3, side=16)
    found = measure(tmp_path, size, rounds=1)
    assert (found.slices, len(found.ours_s), len(found.theirs_s)) == (6, 1, 1)
    (tmp_path / "1" / "0002.dcm").unlink()
    with pytest.raises(ValueError, match="do not read the same"):
        measure(tmp_path, size, rounds=1)


def test_the_ratio_is_that_of_speeds_round_by_round() -> None:
    found = Throughput(6, 10**6, [2.0, 2.0, 1.0], [1.0, 4.0, 1.0])
    assert found.ratio == 1.0
    assert str(found).startswith("6 slices, 1 MB: Fr 2.00 s (0 MB/s), dcm2niix 1.00 s (1 MB/s)")
