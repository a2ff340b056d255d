"""Whether heads are registered rightly, and lesions get the region that they lie in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.evaluation.intervals import Figure, wilson
from tests.evaluation.reading import Reading
from tests.evaluation.realistic.head import Head, Landmarks

ERROR_MM_MAX = 5.0
"""Goal for the median error of registration, mm."""
WORST_MM_MAX = 10.0
"""Goal for that of the worst head, mm."""
RIGHT_MIN = 0.85
"""Goal for the share of lesions with the right region."""

_SAME = {
    "periventricular": "periventricular",
    "juxtacortical": "juxtacortical",
    "deep": "deep_white_matter",
    "infratentorial": "infratentorial",
}
"""The generator's places, as the report names them."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The places in the report on one head, compared with the truth."""

    error_mm: float | None
    """Mean distance of the brain's points from their true place in MNI space; None if the report
    withholds the registration."""
    regions: tuple[tuple[str, str], ...]
    """True and reported region of each listed finding that is a lesion."""


@dataclass(frozen=True, slots=True)
class Places:
    """The places in the reports on several heads."""

    heads: int
    withheld: int
    error_mm: float | None
    """Median over heads."""
    worst_mm: float | None
    right: Figure
    """Share of lesions with the right region."""
    lesions: int
    confused: dict[str, int]
    """How often which region was taken for which."""

    @property
    def met(self) -> bool:
        """Whether the goals are met."""
        known = self.error_mm is not None and self.worst_mm is not None
        near = (
            known and (self.error_mm or 0) <= ERROR_MM_MAX and (self.worst_mm or 0) <= WORST_MM_MAX
        )
        return near and (self.right.value is None or self.right.value >= RIGHT_MIN)


def error_mm(landmarks: Landmarks, to_mni: Any) -> float:
    """Mean distance of points from their true place, mm.

    Args:
        landmarks: the points.
        to_mni: affine transform from the scan's space to MNI space, 3 x 4.
    """
    affine: npt.NDArray[np.float64] = np.array(to_mni)
    moved = landmarks.scan_mm @ affine[:, :3].T + affine[:, 3]
    return float(np.linalg.norm(moved - landmarks.mni_mm, axis=1).mean())


def placed_of(head: Head, reading: Reading) -> Placed:
    """Compare the places of a report with the truth."""
    pairs = []
    for label, region in reading.regions.items():
        own = head.labels[reading.labels == label]
        if own.any():
            place = head.places[int(np.bincount(own[own > 0]).argmax()) - 1]
            pairs.append((_SAME[place], region))
    known = reading.to_mni is not None
    return Placed(error_mm(head.landmarks, reading.to_mni) if known else None, tuple(pairs))


def places_of(placed: Sequence[Placed]) -> Places:
    """Pool several heads."""
    errors = [one.error_mm for one in placed if one.error_mm is not None]
    pairs = [pair for one in placed for pair in one.regions]
    wrong = Counter(f"{true} as {found}" for true, found in pairs if true != found)
    return Places(
        heads=len(placed),
        withheld=len(placed) - len(errors),
        error_mm=float(np.median(errors)) if errors else None,
        worst_mm=max(errors, default=None),
        right=wilson(len(pairs) - wrong.total(), len(pairs)),
        lesions=len(pairs),
        confused=dict(wrong.most_common()),
    )


def table_of(places: Mapping[str, Places], everywhere: Places) -> str:
    """Format a Markdown table of the rows, and a line on the goals."""
    lines = ["", "| places in MNI space | heads | withheld | error, mm (median) | worst, mm | "
             "right region |", "|---|---|---|---|---|---|"]  # fmt: skip
    lines += [f"| {name} | {_cells(own)} |" for name, own in places.items()]
    lines += [f"| all | {_cells(everywhere)} |", ""]
    confused = "; ".join(f"{count} {what}" for what, count in everywhere.confused.items())
    met = "the goals met" if everywhere.met else (
        f"missed: error at most {ERROR_MM_MAX:.0f} mm, worst at most {WORST_MM_MAX:.0f} mm, "
        f"right regions at least {RIGHT_MIN:.0%}"
    )  # fmt: skip
    return "\n".join([*lines, f"- places: {met}; wrong regions: {confused or 'none'}"])


def _cells(places: Places) -> str:
    error, worst = ("-" if mm is None else f"{mm:.1f}" for mm in (places.error_mm, places.worst_mm))
    right = "-"
    if places.right.value is not None:
        share = places.right
        right = f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}] of {places.lesions}"
    return f"{places.heads} | {places.withheld} | {error} | {worst} | {right}"
