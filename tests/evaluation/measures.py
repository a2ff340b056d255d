"""Compute the figures of a row from the outcomes of its scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.evaluation.intervals import Figure, bootstrap, wilson
from tests.evaluation.matching import Matched, dice_of, f1_of
from tests.evaluation.places import Placed

SMALL_ML = 0.03
"""Smallest lesion that counts as large, ml."""
WRONG_FACTOR, WRONG_ML = 2.0, 0.5
"""A lesion volume is wrong if it is off by more than this factor and by more than this volume."""
WRONG_TISSUE = 0.15
"""Tissues are wrong if the volume of grey or of white matter is off by more than this share."""
ABOUT_SIZE = frozenset({"intracranial"})
"""Flags of warnings that doubt neither lesions nor tissues, but the size of the head."""


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
    flags: tuple[str, ...] = ()
    """Of the report; none with verdict ``pass``."""
    placed: Placed | None = None
    """Whether the head and its lesions were placed rightly; None where that is not known."""
    rated: tuple[tuple[float, bool], ...] = ()
    """Confidence of each listed finding, and whether it is a lesion."""


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


@dataclass(frozen=True, slots=True)
class Wrong:
    """How many of some scans have wrong volumes."""

    scans: int
    lesions: int
    """With a wrong lesion volume."""
    tissues: int
    """With wrong tissues."""
    either: int
    """With one of them, or both."""

    @property
    def share(self) -> Figure:
        """Scans with one of them, with the interval."""
        return wilson(self.either, self.scans)


@dataclass(frozen=True, slots=True)
class Doubts:
    """How often volumes are wrong, by what the reports say about them."""

    passed: Wrong
    """Scans of verdict ``pass``."""
    undoubted: Wrong
    """These, and scans whose warnings are about nothing but the size of the head."""
    doubted: Wrong
    """The other scans that were read."""


def doubts_of(outcomes: Sequence[Outcome]) -> Doubts:
    """Count the scans that were read, and those with a wrong volume among the reported ones."""
    read = [outcome for outcome in outcomes if outcome.failed is None]
    return Doubts(
        _wrong([outcome for outcome in read if not outcome.flags]),
        _wrong([outcome for outcome in read if ABOUT_SIZE.issuperset(outcome.flags)]),
        _wrong([outcome for outcome in read if not ABOUT_SIZE.issuperset(outcome.flags)]),
    )


def _wrong(outcomes: Sequence[Outcome]) -> Wrong:
    lesions = [is_wrong(outcome) for outcome in outcomes]
    tissues = [are_tissues_wrong(outcome) for outcome in outcomes]
    either = sum(one or other for one, other in zip(lesions, tissues, strict=True))
    return Wrong(len(outcomes), sum(lesions), sum(tissues), either)


def are_tissues_wrong(outcome: Outcome) -> bool:
    """Whether the reported volume of grey or of white matter is wrong; one that is withheld is
    not."""
    return any(
        abs(outcome.found_ml[name] / outcome.true_ml[name] - 1) > WRONG_TISSUE
        for name in ("grey", "white")
        if name in outcome.found_ml and outcome.true_ml.get(name, 0) > 0
    )


def is_wrong(outcome: Outcome) -> bool:
    """Whether the reported lesion volume is wrong; one that is withheld is not."""
    found, true = outcome.found_ml.get("lesion"), outcome.true_ml["lesion"]
    if found is None or abs(found - true) <= WRONG_ML:
        return False
    return max(found, true) > WRONG_FACTOR * min(found, true)


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
