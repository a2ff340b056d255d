"""Match beats found with true beats."""

from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE_S = 0.15
"""As in ANSI/AAMI EC57."""


@dataclass(frozen=True, slots=True)
class BeatCounts:
    """Beats of one or more records."""

    true: int = 0
    found: int = 0
    common: int = 0

    def __add__(self, other: "BeatCounts") -> "BeatCounts":
        return BeatCounts(
            self.true + other.true, self.found + other.found, self.common + other.common
        )

    @property
    def sensitivity(self) -> float | None:
        """Share of true beats that were found; None without true beats."""
        return self.common / self.true if self.true else None

    @property
    def precision(self) -> float | None:
        """Share of beats found that are true; None if none was found."""
        return self.common / self.found if self.found else None

    @property
    def f1(self) -> float | None:
        """Twice the common beats over true and found ones; None if there are neither."""
        both = self.true + self.found
        return 2 * self.common / both if both else None


def match_beats(true_s: Sequence[float], found_s: Sequence[float]) -> BeatCounts:
    """Pair beats that are at most ``TOLERANCE_S`` apart, each once; times ascend."""
    common = true = found = 0
    while true < len(true_s) and found < len(found_s):
        apart = found_s[found] - true_s[true]
        if abs(apart) <= TOLERANCE_S:
            common += 1
        true += apart >= -TOLERANCE_S
        found += apart <= TOLERANCE_S
    return BeatCounts(len(true_s), len(found_s), common)
