"""Figures, intervals and goals of a row, on handmade outcomes."""

import json
from dataclasses import replace

import pytest

from fr_pacs.sources.phantom.source import Recipe
from tests.evaluation.intervals import Figure, bootstrap, wilson
from tests.evaluation.matching import Matched
from tests.evaluation.measures import Doubts, Outcome, Wrong, doubts_of, figures_of
from tests.evaluation.real import RealImage
from tests.evaluation.rows import EVALUATION_SEEDS, ROWS, TUNING_SEEDS, Row, seed_of
from tests.evaluation.table import json_of, missed_by, text_of, verdict_of


def outcome(
    found: tuple[bool, ...],
    false: int = 0,
    voxels: tuple[int, int, int] = (0, 0, 0),
    ml: tuple[float, ...] | None = None,
    failed: str | None = None,
    grey: float = 700.0,
) -> Outcome:
    return Outcome(
        matched=Matched(found, false, *voxels),
        lesion_ml=ml if ml is not None else (0.1,) * len(found),
        true_ml={"grey": 700.0, "lesion": 1.0},
        found_ml={} if failed else {"grey": grey, "lesion": 0.8},
        failed=failed,
        seconds=0.25,
    )


OUTCOMES = (
    outcome((True, True, False), voxels=(80, 100, 100), ml=(0.5, 0.02, 0.01), grey=770),
    outcome((True,), false=1, voxels=(10, 10, 30), ml=(0.03,), grey=665),
    outcome((), false=0),
    outcome((False,), voxels=(0, 60, 0), failed="too noisy"),
)


def test_figures_are_those_of_the_definitions() -> None:
    figures = {name: figure.value for name, figure in figures_of(OUTCOMES).items()}
    assert figures["sensitivity"] == pytest.approx(3 / 5)
    assert figures["sensitivity_large"] == pytest.approx(2 / 3)
    assert figures["false_per_scan"] == pytest.approx(1 / 4)
    assert figures["f1"] == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))
    assert figures["dice"] == pytest.approx((0.8 + 0.5 + 0) / 3)
    assert figures["dice_pooled"] == pytest.approx(2 * 90 / (170 + 130))
    assert figures["grey_error"] == pytest.approx((0.1 + 0.05 + 0) / 3)
    assert figures["lesion_error"] == pytest.approx(0.2)
    assert figures["white_error"] is None
    assert figures["unread"] == pytest.approx(1 / 4)
    assert figures["seconds"] == 0.25


def test_each_interval_holds_its_figure() -> None:
    for name, figure in figures_of(OUTCOMES).items():
        if figure.value is not None and figure.low is not None and figure.high is not None:
            assert figure.low <= figure.value <= figure.high, name


def test_wilsons_interval_is_that_of_the_books() -> None:
    figure = wilson(8, 10)
    assert figure.value == 0.8
    assert figure.low == pytest.approx(0.490, abs=0.001)
    assert figure.high == pytest.approx(0.943, abs=0.001)
    whole = wilson(20, 20)
    assert (whole.value, whole.high) == (1.0, 1.0)
    assert whole.low == pytest.approx(0.839, abs=0.001)
    assert wilson(0, 0) == Figure(None)


def test_the_bootstrap_is_the_same_each_time_and_narrows_with_more_scans() -> None:
    def mean(values: object) -> float:
        numbers = list(values)  # type: ignore[call-overload]
        return float(sum(numbers) / len(numbers))

    few, many = bootstrap([0.0, 1.0] * 5, mean), bootstrap([0.0, 1.0] * 100, mean)
    assert few == bootstrap([0.0, 1.0] * 5, mean)
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert many.high - many.low < (few.high - few.low) / 2
    assert bootstrap([1.0], lambda _: None) == Figure(None)


def test_seeds_for_tuning_are_never_evaluated() -> None:
    assert not set(TUNING_SEEDS) & set(EVALUATION_SEEDS)
    seeds = [seed_of(row) for row in ROWS]
    assert len(set(seeds)) == len(ROWS)
    assert all(seed in EVALUATION_SEEDS for seed in seeds)


def test_a_goal_is_missed_below_above_and_where_nothing_was_measured() -> None:
    row = Row("x", Recipe(), (9, 9, 9), {"f1": 0.9, "dice": 0.8}, {"false_per_scan": 0.05})
    good = {"f1": Figure(0.9), "dice": Figure(0.8), "false_per_scan": Figure(0.05)}
    assert missed_by(row, good) == []
    bad = {"f1": Figure(0.89), "dice": Figure(None), "false_per_scan": Figure(0.1)}
    assert missed_by(row, bad) == [
        "F1 0.890, at least 0.900",
        "Dice (mean) -, at least 0.800",
        "false per scan 0.10, at most 0.05",
    ]


def test_the_table_names_rows_goals_and_real_images() -> None:
    row = Row("some", Recipe(), (9, 9, 9), {"f1": 0.99})
    image = RealImage("Colin27", None, 2, 1800.0, 0.9, brain_known=True)
    results = {"some": figures_of(OUTCOMES)}
    text = text_of([row], results, [image], {"some": 4})
    assert "| some | 0.600 [0.231, 0.882] |" in text
    assert "- some: missed: F1 0.667, at least 0.990" in text
    assert "2 lesions found in a healthy brain; brain mask below a Dice of 0.95" in text
    no_goal = text_of([Row("some", Recipe(), (9, 9, 9))], results, [], {"some": 4})
    assert no_goal.endswith("- some: no goal")
    document = json.loads(json.dumps(json_of([row], results, [image], {"some": 4}, {})))
    assert document["rows"][0]["figures"]["f1"]["value"] == pytest.approx(2 / 3)
    assert document["rows"][0]["missed"]
    assert len(document["real"][0]["missed"]) == 2


def test_a_real_image_is_wrong_where_it_is() -> None:
    assert RealImage("a", None, 0, 1500.0, None, brain_known=False).wrong == ()
    assert len(RealImage("a", "no head", 0, None, None, brain_known=True).wrong) == 3


def measured(found: float | None, true: float, *flags: str, grey: float = 700.0) -> Outcome:
    return replace(
        outcome((True,)),
        true_ml={"lesion": true, "grey": 700.0, "white": 600.0},
        found_ml=({} if found is None else {"lesion": found}) | {"grey": grey},
        flags=flags,
    )


def test_wrong_volumes_are_counted_by_what_the_report_doubts() -> None:
    right = [(1.0, 1.0), (1.9, 1.0), (0.4, 0.01), (0.0, 0.4), (None, 5.0)]
    wrong = [(2.1, 1.0), (0.3, 1.0), (0.0, 0.6)]
    scans = [measured(found, true) for found, true in right + wrong]
    scans += [measured(9.0, 1.0, "intracranial"), measured(1.0, 1.0, "coarse", "intracranial")]
    scans.append(measured(9.0, 1.0, "strong_field"))
    scans.append(outcome((False,), failed="too noisy"))
    # Tissues: a withheld volume (white) is not wrong, nor one that is 15 % off.
    scans += [measured(1.0, 1.0, grey=grey) for grey in (805.0, 806.0, 594.0)]
    scans += [measured(9.0, 1.0, grey=900.0), measured(1.0, 1.0, "no_tissues", grey=900.0)]
    doubts = doubts_of(scans)
    assert doubts == Doubts(
        passed=Wrong(12, lesions=4, tissues=3, either=6),
        undoubted=Wrong(13, lesions=5, tissues=3, either=7),
        doubted=Wrong(3, lesions=1, tissues=1, either=2),
    )
    assert doubts.undoubted.share == wilson(7, 13)


def test_the_table_says_how_often_an_undoubted_volume_is_wrong() -> None:
    passed, doubted = Wrong(20, 0, 0, 0), Wrong(10, 3, 1, 4)
    good = verdict_of(Doubts(passed, Wrong(60, 0, 1, 1), doubted))
    assert "of 60 realistic FLAIR scans without a doubt" in good
    assert "1 (1.7%, 95 % upper bound 8.9%) have wrong volumes: lesions 0, tissues 1;" in good
    assert good.endswith("of 10 with doubts: lesions 3, tissues 1: the goal met")
    bad = verdict_of(Doubts(passed, Wrong(60, 1, 1, 2), doubted))
    assert bad.endswith("missed: at most 2%")
    none = Wrong(0, 0, 0, 0)
    assert "no realistic scan" in verdict_of(Doubts(none, none, doubted))
