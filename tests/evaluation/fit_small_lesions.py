"""Fit the weights of ``fr_brain.analyzers.volume.small_lesions`` on tuning heads, and print them:
``python -m tests.evaluation.fit_small_lesions`` (15 minutes)."""

import argparse
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.small_lesions import NAMES, Candidates
from fr_pacs.sources.phantom.source import make_phantom
from tests.evaluation.fit_confidence import TUNING_KINDS as OTHER_KINDS
from tests.evaluation.fit_confidence import fit
from tests.evaluation.reading import read_candidates
from tests.evaluation.realistic.anatomy import SHARPENED, TUNING
from tests.evaluation.realistic.head import make_head
from tests.evaluation.realistic.kinds import Kind
from tests.evaluation.realistic.rows import KINDS, TUNING_SEEDS
from tests.evaluation.rows import ROWS
from tests.evaluation.rows import TUNING_SEEDS as PHANTOM_SEEDS

LESION_SHARE = 0.1
"""Share of a candidate's voxel from which it lies in a lesion."""

_FIRST = 8500  # of the tuning seeds; METHOD.md's fit has other seeds
_FAINT, _HEALTHY = OTHER_KINDS["small faint"], OTHER_KINDS["healthy confounded"]
_NOISY_PERCENT = (5.0, 9.0)
_PHANTOMS = "1 mm 9/40"
_3_T, _COILS = KINDS["3 T contrast"], KINDS["strong coils"]

TUNING_KINDS: dict[str, tuple[Kind, int]] = {
    name: (OTHER_KINDS[name], heads)
    for name, heads in {
        "small faint": 64, "healthy confounded": 26, "old 1 mm": 16, "bright linings": 10,
        "MS 1 mm": 12, "soft 1 mm": 3, "noise, motion": 7, "1.5 T contrast": 3,
        "3 T contrast": 28, "strong coils": 17, "sharp 1 mm": 2, "MS stripped": 2,
    }.items()
} | {
    "faint, noisy": (replace(_FAINT, noise_percent=_NOISY_PERCENT), 12),
    "healthy, noisy": (replace(_HEALTHY, noise_percent=_NOISY_PERCENT), 12),
    # Bright cortex, most of it without a lesion, is what false findings come from.
    "healthy, 3 T": (replace(_HEALTHY, grey=_3_T.grey), 16),
    "few, 3 T": (replace(_3_T, lesions=(0, 3), confluent=(0, 0)), 7),
    "healthy, coils": (replace(_HEALTHY, field_percent=_COILS.field_percent, coils=True), 4),
}  # fmt: skip
"""Kinds, and how many heads of each."""


def main(arguments: list[str] | None = None) -> int:
    """Make the heads, measure the candidates, fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="share of the heads (1)")
    part = parser.parse_args(arguments).share
    measures: list[npt.NDArray[np.float64]] = []
    are_lesions: list[npt.NDArray[np.bool_]] = []

    def add(found: Candidates, lesion: npt.NDArray[Any]) -> None:
        measures.append(found.measures)
        are_lesions.append(lesion[tuple(found.positions.T)] > LESION_SHARE)

    families = (*TUNING, *TUNING, *SHARPENED)
    for number, (kind, heads) in enumerate(TUNING_KINDS.values()):
        for index in range(max(1, round(part * heads))):
            family = families[(number + index) % len(families)]
            head = make_head(family, TUNING_SEEDS[_FIRST + number], index, kind)
            add(*read_candidates(kind.contrast, head.voxels, head.affine, head.share))
    row = next(row for row in ROWS if row.name == _PHANTOMS)
    for index in range(max(1, round(part * 12))):
        phantom = make_phantom(PHANTOM_SEEDS[-1], index, row.shape, row.recipe)
        share = (phantom.truth.labels > 0).astype(np.float32)
        add(*read_candidates(phantom.contrast, phantom.voxels, phantom.affine, share))
    truth = np.concatenate(are_lesions)
    lesions = int(np.count_nonzero(truth))
    sys.stdout.write(f"{len(truth)} candidates, {lesions} lesions\n")
    if not 0 < lesions < len(truth):
        sys.stdout.write("nothing to tell apart\n")
        return 1
    weights = fit(np.concatenate(measures).tolist(), truth.tolist())
    for name, weight in zip(("intercept", *NAMES), weights, strict=True):
        sys.stdout.write(f"{name:16} {weight:8.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
