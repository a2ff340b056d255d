"""Fit the weights of ``fr_brain.analyzers.volume.confidence`` on tuning heads, and print them:
``python -m tests.evaluation.fit_confidence`` (20 minutes of processor time)."""

import argparse
import math
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.confidence import Evidence
from tests.evaluation.matching import match
from tests.evaluation.reading import read_evidence
from tests.evaluation.realistic.head import make_head
from tests.evaluation.realistic.kinds import Kind
from tests.evaluation.realistic.rows import KINDS, TUNING_SEEDS
from tests.evaluation.tuning import Plan

FAMILIES = ("coded", "mni", "mni 1")
"""Anatomies of the heads, by turns."""

_FIRST = 8000  # of the tuning seeds
_PENALTY = 1.0  # of the squares of the weights of standardized measures
_ROUNDS = 50

Doubles = npt.NDArray[np.float64]

_OLD, _MS, _HEALTHY = KINDS["old 1 mm"], KINDS["MS 1 mm"], KINDS["healthy confounded"]
_RIMS = replace(
    _HEALTHY, rim=(0.15, 0.3), caps=(0.15, 0.35), dirty=(0.02, 0.04), wide=(0.2, 0.45),
    limbic=(0.08, 0.15),
)  # fmt: skip
_FIVE, _THREE, _COILS = (0.9, 0.9, 5.0), (1.0, 1.0, 3.0), KINDS["strong coils"]

TUNING_KINDS: dict[str, Kind] = {
    name: kind for name, kind in KINDS.items() if kind.contrast == "flair"
} | {
    "healthy 3 mm": replace(_HEALTHY, spacing_mm=_THREE, tilt=15.0),
    "healthy 5 mm": replace(_HEALTHY, spacing_mm=_FIVE),
    "bright linings": _RIMS,
    "bright linings 5 mm": replace(_RIMS, spacing_mm=_FIVE),
    "old 3 mm": replace(_OLD, spacing_mm=_THREE, tilt=15.0),
    "old 5 mm": replace(_OLD, spacing_mm=_FIVE),
    "old coils": replace(_OLD, field_percent=_COILS.field_percent, coils=True),
    "MS coils": replace(_MS, field_percent=_COILS.field_percent, coils=True),
}
"""The rows' kinds on FLAIR, and more that have false findings."""

NAMES = (
    "intercept", "log cnr", "contrast", "spread", "surface", "thick", "small", "small logit",
)  # fmt: skip


def measures_of(evidence: Evidence) -> list[float]:
    """The measures in the order of ``NAMES``, without the intercept."""
    return [
        math.log(max(evidence.cnr, 1.0)),
        evidence.contrast,
        evidence.spread,
        evidence.surface,
        float(evidence.thick),
        float(evidence.small_logit is not None),
        evidence.small_logit or 0.0,
    ]


def fit(measures: Sequence[Sequence[float]], are_lesions: Sequence[bool]) -> Doubles:
    """Weights of a logistic model with a ridge penalty, in the order of ``NAMES``, by Newton's
    method.

    Args:
        measures: of each finding.
        are_lesions: whether it is a lesion; some must be and some not.
    """
    values, truth = np.array(measures, np.float64), np.array(are_lesions, np.float64)
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
    columns = np.column_stack([np.ones(len(values)), (values - mean) / spread])
    penalty = _PENALTY * np.diag([0.0, *np.ones(values.shape[1])])
    weights = np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        expected = 1 / (1 + np.exp(-columns @ weights))
        slope = columns.T @ (truth - expected) - penalty @ weights
        curve = (columns.T * (expected * (1 - expected))) @ columns + penalty
        weights += np.linalg.solve(curve, slope)
    own = weights[1:] / spread
    return np.array([weights[0] - own @ mean, *own])


def _measured(plan: Plan) -> tuple[list[list[float]], list[bool]]:
    """The measures of the findings of a head, and which are lesions."""
    head = make_head(plan.family, plan.seed, plan.index, plan.kind)
    labels, listed = read_evidence(plan.kind.contrast, head.voxels, head.affine)
    matched = match(head.labels, labels, len(head.lesion_ml), head.share)
    return [measures_of(evidence) for evidence in listed], list(matched.right[: len(listed)])


def main(arguments: list[str] | None = None) -> int:
    """Make the heads, read them, fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=12, help="heads of a kind (12)")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes (1)")
    options = parser.parse_args(arguments)
    plans = [
        Plan(FAMILIES[(number + index) % len(FAMILIES)], TUNING_SEEDS[_FIRST + number], index,
             name, kind)
        for number, (name, kind) in enumerate(TUNING_KINDS.items())
        for index in range(options.heads)
    ]  # fmt: skip
    measures: list[list[float]] = []
    are_lesions: list[bool] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        for own, right in pool.map(_measured, plans):
            measures += own
            are_lesions += right
    false = are_lesions.count(False)
    sys.stdout.write(f"{len(measures)} findings, {false} false\n")
    if not 0 < false < len(measures):
        sys.stdout.write("nothing to tell apart\n")
        return 1
    for name, weight in zip(NAMES, fit(measures, are_lesions), strict=True):
        sys.stdout.write(f"{name:11} {weight:8.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
