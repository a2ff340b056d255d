"""Who read an input better."""

from dataclasses import dataclass
from enum import StrEnum

from tests.readers.volumes import Volume, same


class Verdict(StrEnum):
    """What a comparison found."""

    EQUAL = "equal"
    OURS = "ours better"
    THEIRS = "theirs better"
    REFUSED = "both refuse"


@dataclass(frozen=True, slots=True)
class Row:
    """One input."""

    name: str
    ours: int
    theirs: int
    verdict: Verdict
    said: str
    """What Fr said of what it did not send."""


def judge(ours: list[Volume], theirs: list[Volume], truth: list[Volume] | None) -> Verdict:
    """Judge by the truth where it is known, else by agreement.

    Without a truth, a reader that reads something is better than one that reads nothing. Where both
    read and differ, the other one is taken to be right: it is older.
    """
    if truth is not None:
        mine, his = same(ours, truth), same(theirs, truth)
        if mine and his:
            return Verdict.EQUAL if truth else Verdict.REFUSED
        if mine or his:
            return Verdict.OURS if mine else Verdict.THEIRS
    if not ours and not theirs:
        return Verdict.REFUSED
    if truth is not None and not ours:
        return Verdict.OURS  # refused, where the other one is wrong
    if same(ours, theirs):
        return Verdict.EQUAL
    alone = bool(ours) and not theirs and truth is None
    return Verdict.OURS if alone else Verdict.THEIRS
