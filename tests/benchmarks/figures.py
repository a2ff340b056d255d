"""Structure of a benchmark, and how its figures are summarised.

A part has subjects. Each round runs every subject once, in turn, so that load on the machine
affects all of them. Ratios are computed within a round; the median over the rounds is reported.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Figures = dict[str, float]
"""The figures of one run of a subject, by name; the name ends with the unit."""


class Missing(Exception):
    """A peer is not installed: the table lists it as missing."""


@dataclass(frozen=True)
class Goal:
    """A target for one figure, or for the ratio of two subjects' figures.

    Args:
        what: name in the table.
        of: (subject, figure).
        over: (subject, figure) that ``of`` is divided by; None: the figure itself.
        least: the required value.
        aim: a better value that the project would like to reach.
        below: the values are upper bounds, not lower ones.
        limit: ``over`` is what the machine can do at best. To be better than it is a mistake of the
            benchmark.
    """

    what: str
    of: tuple[str, str]
    over: tuple[str, str] | None
    least: float
    aim: float
    below: bool = False
    limit: bool = False

    def beyond(self, value: float) -> bool:
        """Whether the value is better than the limit that it is compared with, which cannot be."""
        return self.limit and (value < 1 if self.below else value > 1)

    def met(self, value: float, wanted: float) -> bool:
        """Whether ``value`` is as good as ``wanted``."""
        return value <= wanted if self.below else value >= wanted


class Part(Protocol):
    """One question that the benchmark answers."""

    @property
    def name(self) -> str:
        """Name for ONLY."""

    @property
    def title(self) -> str:
        """Heading of the table."""

    @property
    def rounds(self) -> int:
        """Number of runs of each subject."""

    @property
    def samples(self) -> dict[str, list[float]]:
        """Single values by subject, to plot a distribution; usually empty."""

    @property
    def goals(self) -> Sequence[Goal]:
        """The goals of this part."""

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """The subjects in the order of a round; a call may raise ``Missing``."""

    def close(self) -> None:
        """Release all resources."""


@dataclass
class Results:
    """The results of all rounds of one part."""

    name: str
    title: str
    goals: Sequence[Goal]
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    """Single values by subject, to plot a distribution."""
    steal: float = 0.0
    """Share of the CPU time that the hypervisor gave to other machines, 0 to 1."""

    def add(self, subject: str, figures: Figures) -> None:
        """Add one run of a subject."""
        self.rounds.setdefault(subject, []).append(figures)

    def values(self, subject: str, figure: str) -> list[float]:
        """The value of a figure in each round."""
        return [run[figure] for run in self.rounds.get(subject, []) if figure in run]

    def ratio(self, goal: Goal) -> list[float]:
        """The value for this goal in each round; empty if a subject is missing."""
        above = self.values(*goal.of)
        if goal.over is None:
            return above
        return [a / b for a, b in zip(above, self.values(*goal.over), strict=False) if b]

    def impossible(self) -> list[str]:
        """The goals whose median is better than the limit."""
        return [
            goal.what
            for goal in self.goals
            if (values := self.ratio(goal)) and goal.beyond(statistics.median(values))
        ]

    def as_json(self) -> dict[str, Any]:
        """All values, for JSON."""
        return {
            "title": self.title,
            "steal": round(self.steal, 4),
            "missing": self.missing,
            "samples": self.samples,
            "subjects": {
                subject: {name: [run[name] for run in runs if name in run] for name in names(runs)}
                for subject, runs in self.rounds.items()
            },
            "goals": [
                {
                    "what": goal.what,
                    "least": goal.least,
                    "aim": goal.aim,
                    "below": goal.below,
                    "values": self.ratio(goal),
                    "median": statistics.median(values) if (values := self.ratio(goal)) else None,
                }
                for goal in self.goals
            ],
        }


def names(runs: Sequence[Figures]) -> list[str]:
    """The names of the figures, in order of first appearance."""
    return list(dict.fromkeys(name for run in runs for name in run))
