"""What a benchmark measures and how its figures are put together.

A part has subjects. In each round every subject runs once, one after the other, so that what the
machine does meanwhile falls on all of them; a ratio is taken within a round, and the median over
the rounds is quoted.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Figures = dict[str, float]
"""Figures of one run of one subject, by name: the name ends with the unit."""


class Missing(Exception):
    """A peer that is not installed here: named in the table, no error."""


@dataclass(frozen=True)
class Goal:
    """A ratio of two subjects' figures, or one figure, and what it should be.

    Args:
        what: as the table names it.
        of: (subject, figure).
        over: (subject, figure) that ``of`` is divided by; None: the figure itself.
        least: what must be reached. ``below``: what must not be exceeded.
        aim: what would be better still.
    """

    what: str
    of: tuple[str, str]
    over: tuple[str, str] | None
    least: float
    aim: float
    below: bool = False

    def met(self, value: float, wanted: float) -> bool:
        """Whether ``value`` is as good as ``wanted``."""
        return value <= wanted if self.below else value >= wanted


class Part(Protocol):
    """One question that the benchmark asks."""

    @property
    def name(self) -> str:
        """For ONLY=."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def rounds(self) -> int:
        """How often each subject runs."""

    @property
    def samples(self) -> dict[str, list[float]]:
        """Single values by subject, for a picture of their distribution; mostly none."""

    @property
    def goals(self) -> Sequence[Goal]:
        """What is wanted."""

    def subjects(self) -> dict[str, Callable[[], Figures]]:
        """What runs in each round, in this order. May raise Missing when called."""

    def close(self) -> None:
        """Stop what was started."""


@dataclass
class Results:
    """All rounds of one part."""

    name: str
    title: str
    goals: Sequence[Goal]
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    """Single values by subject, where a part has a distribution to show."""
    steal: float = 0.0
    """Share of the processors' time that went to other machines meanwhile, 0 to 1."""

    def add(self, subject: str, figures: Figures) -> None:
        """One run of one subject."""
        self.rounds.setdefault(subject, []).append(figures)

    def values(self, subject: str, figure: str) -> list[float]:
        """A figure's value in each round."""
        return [run[figure] for run in self.rounds.get(subject, []) if figure in run]

    def ratio(self, goal: Goal) -> list[float]:
        """The goal's value in each round; empty where something is missing."""
        above = self.values(*goal.of)
        if goal.over is None:
            return above
        return [a / b for a, b in zip(above, self.values(*goal.over), strict=False) if b]

    def as_json(self) -> dict[str, Any]:
        """Every value, for other machines."""
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
    """The figures' names, in the order in which they first came."""
    return list(dict.fromkeys(name for run in runs for name in run))
