"""The fit of the confidence finds the weights that findings were drawn with."""

from dataclasses import replace

import numpy as np
import pytest

from fr_brain.analyzers.volume.confidence import Evidence
from tests.evaluation.fit_confidence import NAMES, TUNING_KINDS, fit, measures_of
from tests.evaluation.reading import read_evidence
from tests.evaluation.realistic.head import make_head
from tests.evaluation.realistic.rows import KINDS, TUNING_SEEDS


def test_the_fit_finds_the_weights_of_a_logistic_model() -> None:
    draw = np.random.default_rng(TUNING_SEEDS[0])
    measures = draw.uniform(0, 1, (20_000, 2))
    chance = 1 / (1 + np.exp(-(1 + 3 * measures[:, 0] - 4 * measures[:, 1])))
    weights = fit(measures.tolist(), (draw.uniform(size=len(chance)) < chance).tolist())
    assert weights == pytest.approx([1, 3, -4], abs=0.3)


def test_each_measure_has_a_name() -> None:
    evidence = Evidence(cnr=0.5, contrast=0.2, spread=0.1, surface=1.1, thick=True)
    assert measures_of(evidence) == [0.0, 0.2, 0.1, 1.1, 1.0, 0.0, 0.0]
    assert measures_of(replace(evidence, small_logit=3.5))[5:] == [1.0, 3.5]
    assert len(measures_of(evidence)) == len(NAMES) - 1
    assert "T1" not in TUNING_KINDS


def test_evidence_belongs_to_the_largest_findings() -> None:
    head = make_head("coded", TUNING_SEEDS[0], 0, KINDS["soft 5 mm"])
    labels, listed = read_evidence("flair", head.voxels, head.affine)
    assert 0 < len(listed) <= labels.max()
    assert all(evidence.thick for evidence in listed)
    assert read_evidence("flair", np.zeros_like(head.voxels), head.affine)[1] == []
