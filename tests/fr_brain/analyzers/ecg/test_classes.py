"""Kinds of beats and intervals."""

import numpy as np

from fr_brain.analyzers.ecg.classes import sort_beats
from fr_brain.analyzers.ecg.selection import Beats

NO_GAPS = np.zeros((0, 2))


def beats(times: list[float], shapes: dict[int, int] | None = None) -> Beats:
    shape = np.zeros(len(times), np.intp)
    for place, number in (shapes or {}).items():
        shape[place] = number
    zeros = np.zeros(len(times), np.intp)
    judged = np.ones(int(times[-1] // 10) + 1, bool)
    score = np.full(len(judged), 9.0)
    return Beats(np.array(times), np.full(len(times), 5.0), zeros, shape, judged, score)


def test_an_early_beat_of_another_shape_is_like_a_ventricular_one() -> None:
    times = [float(at) for at in range(20)]
    times[7] = 6.6
    found = sort_beats(beats(times, {7: 1}), NO_GAPS)
    assert list(np.flatnonzero(found.ventricular)) == [7]
    assert not found.supraventricular.any()
    assert list(np.flatnonzero(np.isnan(found.normal_rr_s))) == [0, 7, 8]


def test_an_early_beat_of_the_usual_shape_is_like_a_supraventricular_one() -> None:
    times = [float(at) for at in range(20)]
    times[7] = 6.6
    found = sort_beats(beats(times), NO_GAPS)
    assert list(np.flatnonzero(found.supraventricular)) == [7]
    assert not found.ventricular.any()


def test_in_bigeminy_the_beats_that_are_early_are_the_ectopic_ones() -> None:
    times = [one for at in range(15) for one in (1.6 * at, 1.6 * at + 0.6)]
    found = sort_beats(beats(times, dict.fromkeys(range(0, 30, 2), 1)), NO_GAPS)
    assert set(np.flatnonzero(found.ventricular)) <= set(range(1, 30, 2))
    assert found.ventricular.sum() >= 13


def test_intervals_across_gaps_and_unjudged_parts_do_not_count() -> None:
    regular = beats([float(at) for at in range(40)])
    found = sort_beats(regular, np.array([[5.2, 5.8], [30.1, 30.2]]))
    assert list(np.flatnonzero(np.isnan(found.rr_s))) == [0, 6, 31]
    regular.judged[1] = False
    assert np.isnan(sort_beats(regular, NO_GAPS).rr_s[10:21]).all()
