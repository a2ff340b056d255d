"""Bins of confidence and their goal, on handmade findings."""

import pytest

from tests.evaluation.intervals import wilson
from tests.evaluation.reliability import EDGES, reliability_of, reliability_text

EVEN = [(0.85, True)] * 17 + [(0.85, False)] * 3


def test_findings_are_sorted_into_bins_with_the_share_of_lesions() -> None:
    reliability = reliability_of([(0.0, False), (0.5, True), (0.79, False), (1.0, True), *EVEN])
    assert [part.findings for part in reliability.bins] == [1, 2, 20, 0, 0, 1]
    assert [part.lesions for part in reliability.bins] == [0, 1, 17, 0, 0, 1]
    assert reliability.bins[1].confidence == pytest.approx(0.645)
    assert reliability.bins[3].confidence is None
    assert reliability.bins[2].share == wilson(17, 20)
    assert (reliability.all.low, reliability.all.high) == (EDGES[0], EDGES[-1])
    assert (reliability.all.findings, reliability.all.lesions) == (24, 19)
    assert reliability.met


def test_a_confidence_far_from_the_share_of_lesions_misses_the_goal() -> None:
    sure = [(0.96, True)] * 12 + [(0.96, False)] * 8
    assert not reliability_of(sure).met
    assert reliability_of(sure[:19]).met, "too few findings to tell"
    assert "differ in 0.95 to 0.98" in reliability_text(reliability_of(sure))
    assert reliability_text(reliability_of(EVEN)).endswith("0.500: the goal met")


def test_separation_is_the_chance_that_a_lesion_has_the_higher_confidence() -> None:
    assert reliability_of([(0.9, True), (0.5, False)]).separation == 1
    assert reliability_of([(0.9, True), (0.4, True), (0.5, False)]).separation == 0.5
    assert reliability_of([(0.5, True), (0.5, False)]).separation == 0.5
    assert reliability_of([(0.9, True)]).separation is None
    text = reliability_text(reliability_of([(0.9, True)]))
    assert "| all | 1 | 1 | 0 | 0.900 | 1.000 [0.207, 1.000] |" in text
    assert "| 0 to 0.5 | 0 | 0 | 0 | - | - [-, -] |" in text
