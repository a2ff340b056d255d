"""Beats of synthetic rhythms."""

import numpy as np
import pytest

from fr_pacs.sources.ecg.rhythms import _CHANGES, Beat, RhythmKind, make_beats


def beats(kind: RhythmKind, rate: float = 70) -> list[Beat]:
    return make_beats(kind, rate, 120, 0.16, np.random.default_rng(4))


@pytest.mark.parametrize("kind", _CHANGES)
def test_beats_are_in_order_and_a_refractory_time_apart(kind: RhythmKind) -> None:
    times = [beat.time_s for beat in beats(kind)]
    assert min(np.diff(times)) > 0.2
    assert times[-1] < 125


@pytest.mark.parametrize("rate", [30, 70, 220])
def test_sinus_rhythm_has_its_rate(rate: float) -> None:
    assert len(beats("sinus", rate)) == pytest.approx(2 * rate, rel=0.04)


def test_each_arrhythmia_has_its_mark() -> None:
    kinds = {kind: "".join(beat.kind for beat in beats(kind)) for kind in _CHANGES}
    assert "A" in kinds["atrial_ectopy"]
    assert "V" in kinds["ventricular_ectopy"]
    assert "NVNVNV" in kinds["bigeminy"]
    assert "VV" in kinds["couplets"]
    assert kinds["block_2_to_1"].count("P") == pytest.approx(
        kinds["block_2_to_1"].count("N"), abs=1
    )
    assert "P" in kinds["wenckebach"]
    assert not any(beat.pr_s for beat in beats("fibrillation"))
    assert max(np.diff([beat.time_s for beat in beats("pauses")])) > 2
