"""Sizes that follow from a NIfTI header."""

from dataclasses import replace

import numpy as np

from common.formats.nifti.layout import Layout

PLAIN = Layout(
    (2, 3, 4), 5, np.dtype("<i2"), 352, 1.0, 0.0, ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))
)


def test_sizes_are_those_of_one_volume_and_the_end_that_of_all() -> None:
    assert (PLAIN.volume_bytes, PLAIN.memory_bytes, PLAIN.end) == (48, 48, 352 + 5 * 48)
    assert not PLAIN.scaled


def test_scaled_values_take_four_bytes() -> None:
    scaled = replace(PLAIN, slope=0.5)
    assert scaled.scaled
    assert (scaled.volume_bytes, scaled.memory_bytes) == (48, 96)
