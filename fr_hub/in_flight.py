"""The reports and notices that are under way to a Fr-PACS."""

import random
from typing import NamedTuple

from common.store.due_times import LONGEST_DELAY_S

FIRST_DELAY_S = 1.0
REFUSED_DELAY_S = 30.0

NOTICE = 0
"""In the place of a revision: not a report, but the notice that a scan failed for good."""


class InFlight(NamedTuple):
    """A report or a notice that was sent and is not answered."""

    revision: int
    tries: int
    leased_at: float
    """``time.monotonic()``; of a renewed lease, when that was."""
    labels_s: float = 0.0
    """How much longer the answer to a report may take because of its label maps, seconds; 0: none
    were sent."""


class Outgoing:
    """What was sent over one connection, by the key of the scan, in the order of the leases."""

    def __init__(self) -> None:
        self.unanswered: dict[str, InFlight] = {}
        self.acknowledged: dict[str, None] = {}
        """Of these, the keys of those that were acknowledged, and are not marked yet."""
        self.answered = 0
        """How many were acknowledged or refused."""


def delay_s(tries: int, first_s: float = FIRST_DELAY_S) -> float:
    """Seconds until the next try of a report: exponential backoff with full jitter."""
    longest = min(LONGEST_DELAY_S, first_s * 2 ** min(max(tries, 1) - 1, 16))
    return random.uniform(0, longest)  # noqa: S311 - jitter, not a secret
