"""Names of rhythms."""

import numpy as np

from fr_brain.analyzers.ecg.classes import Sorted
from fr_brain.analyzers.ecg.rhythm import name_rhythm


def intervals(*seconds: float) -> Sorted:
    rr = np.array([np.nan, *seconds])
    none = np.zeros(len(rr), bool)
    return Sorted(rr, none, none.copy(), ~none, rr)


REGULAR = intervals(*[0.8] * 20)
IRREGULAR = intervals(*np.random.default_rng(2).uniform(0.4, 1.2, 30))


def test_p_waves_tell_sinus_from_other_regular_rhythms() -> None:
    assert name_rhythm(REGULAR, has_p=True, p_judged=True).name == "sinus"
    regular = name_rhythm(REGULAR, has_p=False, p_judged=True)
    assert (regular.name, regular.findings) == ("regular", ("no_p_waves",))
    assert name_rhythm(REGULAR, has_p=False, p_judged=False).name is None


def test_fibrillation_is_irregular_without_p_waves() -> None:
    found = name_rhythm(IRREGULAR, has_p=False, p_judged=True)
    assert found.name == "irregular"
    assert "irregularly_irregular" in found.findings


def test_rates_pauses_and_dropped_beats_are_findings() -> None:
    assert "bradycardia" in name_rhythm(intervals(*[1.5] * 9), has_p=True, p_judged=True).findings
    fast = name_rhythm(intervals(*[0.4] * 9), has_p=True, p_judged=True)
    assert fast.findings == ("tachycardia",)
    paused = name_rhythm(intervals(*[0.8] * 9, 3.1, *[0.8] * 9), has_p=True, p_judged=True)
    assert (paused.pauses, "pauses" in paused.findings) == (1, True)
    dropped = intervals(*[0.8, 0.8, 0.8, 1.6] * 4)
    assert "dropped_beats" in name_rhythm(dropped, has_p=True, p_judged=True).findings


def test_few_beats_have_no_rhythm() -> None:
    assert name_rhythm(intervals(0.8), has_p=True, p_judged=True).withheld is not None
