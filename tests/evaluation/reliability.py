"""Whether the confidence of findings is the share of them that are lesions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.evaluation.intervals import Figure, wilson

EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Bounds of the bins of confidence; each bin holds its lower bound, the last one both."""
FINDINGS_MIN = 20
"""A bin with fewer findings has no goal."""
OFF_MAX = 0.05
"""Goal: the mean confidence of a bin lies within the 95 % interval of its share of lesions, widened
by this."""

Rated = tuple[float, bool]
"""Confidence of a finding, and whether it is a lesion."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The findings with a confidence within some bounds."""

    low: float
    high: float
    findings: int
    lesions: int
    """Findings that are lesions."""
    confidence: float | None
    """The mean; None without findings."""
    share: Figure
    """Lesions among the findings, with the interval."""

    @property
    def met(self) -> bool:
        """Whether confidence and share agree, or findings are too few to tell."""
        low, high = self.share.low, self.share.high
        if self.findings < FINDINGS_MIN or None in (low, high, self.confidence):
            return True
        return (low or 0) - OFF_MAX <= (self.confidence or 0) <= (high or 0) + OFF_MAX


@dataclass(frozen=True, slots=True)
class Reliability:
    """The findings of several heads, by confidence."""

    bins: tuple[Bin, ...]
    all: Bin
    separation: float | None
    """Chance that a lesion has a higher confidence than a false finding, an equal one counting
    half; None without false findings or without lesions."""

    @property
    def met(self) -> bool:
        """Whether all bins meet their goal."""
        return all(part.met for part in self.bins)


def reliability_of(rated: Sequence[Rated]) -> Reliability:
    """Sort findings into bins of confidence."""
    last = EDGES[-1]
    bins = [
        _bin(low, high, [one for one in rated if low <= one[0] < high or one[0] == high == last])
        for low, high in pairwise(EDGES)
    ]
    return Reliability(tuple(bins), _bin(EDGES[0], EDGES[-1], rated), _separation(rated))


def reliability_text(reliability: Reliability) -> str:
    """Format a Markdown table and the verdict on its goal."""
    lines = [
        "",
        "| confidence | findings | lesions | false | mean confidence | share of lesions |",
        "|---|---|---|---|---|---|",
    ]
    for part in (*reliability.bins, reliability.all):
        name = "all" if part is reliability.all else f"{part.low:g} to {part.high:g}"
        lines.append(
            f"| {name} | {part.findings} | {part.lesions} | {part.findings - part.lesions} "
            f"| {_number(part.confidence)} | {_number(part.share.value)} "
            f"[{_number(part.share.low)}, {_number(part.share.high)}] |"
        )
    off = [f"{part.low:g} to {part.high:g}" for part in reliability.bins if not part.met]
    verdict = f"missed: confidence and share differ in {', '.join(off)}" if off else "the goal met"
    lines += [
        "",
        f"- confidence: a lesion has a higher one than a false finding with a chance of "
        f"{_number(reliability.separation)}: {verdict}",
    ]
    return "\n".join(lines)


def _bin(low: float, high: float, rated: Sequence[Rated]) -> Bin:
    lesions = sum(is_lesion for _, is_lesion in rated)
    mean = sum(confidence for confidence, _ in rated) / len(rated) if rated else None
    return Bin(low, high, len(rated), lesions, mean, wilson(lesions, len(rated)))


def _separation(rated: Sequence[Rated]) -> float | None:
    lesions = [confidence for confidence, is_lesion in rated if is_lesion]
    false = [confidence for confidence, is_lesion in rated if not is_lesion]
    if not lesions or not false:
        return None
    higher = sum((one > other) + (one == other) / 2 for one in lesions for other in false)
    return higher / (len(lesions) * len(false))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
