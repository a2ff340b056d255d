"""From what was found in each scan to the figures of a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.evaluation.intervals import Figure, bootstrap, wilson
from tests.evaluation.matching import Matched, dice_of, f1_of

SMALL_ML = 0.03
"""Lesions from here on are counted once more, without those below."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scan, read and compared with its truth."""

    matched: Matched
    lesion_ml: tuple[float, ...]
    """Of the true lesions, in their order."""
    true_ml: dict[str, float]
    """``grey``, ``white``, ``csf``, ``intracranial``, ``lesion``."""
    found_ml: dict[str, float]
    """The same, those that the analyzer measured."""
    failed: str | None
    """Why it was not read: then all of it is missed."""
    seconds: float
    """CPU time of the analysis."""


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, Figure]:
    """All figures of a row's scans.

    ``sensitivity``: share of all lesions found, ``sensitivity_large``: of those of at least 0.03
    ml (Wilson's intervals). The others have intervals by bootstrap over scans: ``false_per_scan``;
    ``f1`` of all lesions together; ``dice``: mean of the scans that have lesions; ``dice_pooled``:
    of all voxels together; ``lesion_error``: mean of the scans' relative errors of the total
    volume of lesions, without sign; ``grey_error`` and so on: the same of tissues; ``unread``:
    share of scans of quality 'fail'; ``seconds``: CPU time of the analysis, median.
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
