"""Compute the figures of a row from the outcomes of its scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.evaluation.intervals import Figure, bootstrap, wilson
from tests.evaluation.matching import Matched, dice_of, f1_of

SMALL_ML = 0.03
"""Smallest lesion that counts as large, ml."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One analysed scan, compared with its ground truth."""

    matched: Matched
    lesion_ml: tuple[float, ...]
    """Volume of each true lesion, ml."""
    true_ml: dict[str, float]
    """``grey``, ``white``, ``csf``, ``intracranial``, ``lesion``."""
    found_ml: dict[str, float]
    """The same volumes as measured, those that the analyzer reports."""
    failed: str | None
    """Reason if the analysis failed; then every lesion counts as missed."""
    seconds: float
    """CPU time of the analysis, seconds."""


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, Figure]:
    """The figures of all scans of a row.

    With Wilson intervals: ``sensitivity``, the share of lesions found, and ``sensitivity_large``,
    that of lesions of at least 0.03 ml. With bootstrap intervals over scans: ``false_per_scan``;
    ``f1`` over all lesions; ``dice``, the mean over scans with lesions; ``dice_pooled``, over all
    voxels; ``lesion_error``, the mean absolute relative error of the total lesion volume;
    ``grey_error`` and so on, the same for tissues; ``unread``, the share of scans of quality
    'fail'; ``seconds``, the median CPU time of the analysis.
    """
    hits = [hit for outcome in outcomes for hit in outcome.matched.found]
    volumes = [ml for outcome in outcomes for ml in outcome.lesion_ml]
    large = [hit for hit, ml in zip(hits, volumes, strict=True) if ml >= SMALL_ML]
    figures = {
        "sensitivity": wilson(sum(hits), len(hits)),
        "sensitivity_large": wilson(sum(large), len(large)),
        "false_per_scan": bootstrap(outcomes, _false),
        "f1": bootstrap(outcomes, _f1),
        "dice": bootstrap(outcomes, _dice),
        "dice_pooled": bootstrap(outcomes, _dice_pooled),
    }
    for name in ("lesion", "grey", "white", "csf", "intracranial"):
        figures[f"{name}_error"] = bootstrap(outcomes, partial(_error, name=name))
    figures["unread"] = wilson(
        sum(outcome.failed is not None for outcome in outcomes), len(outcomes)
    )
    figures["seconds"] = Figure(float(np.median([outcome.seconds for outcome in outcomes])))
    return figures


def _false(outcomes: Sequence[Outcome]) -> float | None:
    return sum(outcome.matched.false for outcome in outcomes) / len(outcomes)


def _f1(outcomes: Sequence[Outcome]) -> float | None:
    hits = sum(sum(outcome.matched.found) for outcome in outcomes)
    total = sum(len(outcome.matched.found) for outcome in outcomes)
    return f1_of(hits, total - hits, sum(outcome.matched.false for outcome in outcomes))


def _dice(outcomes: Sequence[Outcome]) -> float | None:
    shares = [outcome.matched.dice for outcome in outcomes if outcome.matched.true_voxels]
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known else None


def _dice_pooled(outcomes: Sequence[Outcome]) -> float | None:
    if not any(outcome.matched.true_voxels for outcome in outcomes):
        return None
    return dice_of(
        sum(outcome.matched.common_voxels for outcome in outcomes),
        sum(outcome.matched.true_voxels for outcome in outcomes),
        sum(outcome.matched.found_voxels for outcome in outcomes),
    )


def _error(outcomes: Sequence[Outcome], name: str) -> float | None:
    errors = [
        abs(outcome.found_ml[name] / outcome.true_ml[name] - 1)
        for outcome in outcomes
        if name in outcome.found_ml and outcome.true_ml.get(name, 0) > 0
    ]
    return sum(errors) / len(errors) if errors else None
