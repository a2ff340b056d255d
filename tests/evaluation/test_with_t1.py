"""The evaluation of FLAIR with T1 knows the truth of its pairs."""

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.realistic.kinds import Kind
from tests.evaluation.realistic.pairs import make_contrasts
from tests.evaluation.with_t1 import Read, read_pair, row_of

KIND = Kind(spacing_mm=(2.0, 2.0, 3.0))


def test_the_same_lesions_are_in_both_scans_of_a_pair() -> None:
    pair = make_contrasts("coded", 200_040, 0, KIND)
    assert (pair.flair.contrast, pair.t1.contrast) == ("flair", "t1")
    common = set(pair.flair.numbers) & set(pair.t1.numbers)
    assert common
    assert pair.dark <= set(range(1, 60))
    for number in common:
        places = []
        for head in (pair.flair, pair.t1):
            label = head.numbers.index(number) + 1
            affine = np.array(head.affine)
            middle = np.argwhere(head.labels == label).mean(axis=0)
            places.append(affine[:, :3] @ middle + affine[:, 3])
        back = pair.t1.to_first[:, :3] @ places[1] + pair.t1.to_first[:, 3]
        np.testing.assert_allclose(back, places[0], atol=2.5)


READ = Read(
    None, 0.98, 0.2, -1.0, False, ((-3.0, -2.0), (6.0, 5.0), (-4.0, -4.0)), (0.9, 0.4), (0.1,)
)


def test_a_row_says_whether_the_correction_helps() -> None:
    row, met = row_of("MS", [READ, Read("They do not fit.")])
    assert met
    assert row.startswith("| MS | 2 | 1 | 0.20 | 0.980 | -1.0 | 3.0 to 2.0 | 6.0 to 5.0 |")
    assert row.endswith("| 1 of 2 | 0 of 1 |")
    worse = replace(READ, errors=((-3.0, -2.0), (6.0, 7.0), (-4.0, -4.0)))
    assert not row_of("MS", [worse])[1]
    assert not row_of("MS", [])[1]


@pytest.mark.long
def test_a_pair_is_read_and_judged() -> None:
    found = read_pair(make_contrasts("coded", 200_041, 0, Kind()))
    assert found.withheld is None
    assert found.error_mm < 1
    assert len(found.errors) == 3
