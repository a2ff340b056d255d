"""The events of the audit trail: what happened to which scans, when, with what outcome.

No patient data: scans are named by the ids that their senders chose.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from common.domain.types import Document, utc_now

CAUSE_LONGEST = 300
IDS_KEPT = 100
"""Of refusals that are counted together, so many ids are named."""


class Kind(StrEnum):
    """What happened. Stored: a name is never changed."""

    # A writer's chain begins; it ends in order.
    OPENED = "opened"
    CLOSED = "closed"
    # Other chains' heads are named: nothing else happened.
    ANCHOR = "anchor"
    # A peer was greeted, or could not be; or a scan was not taken.
    CONNECT = "connect"
    REFUSE = "refuse"
    # Durable before its acknowledgement: 'stored', or 'known' (it was there with this content).
    RECEIVE = "receive"
    # The id is taken by other content: refused.
    CONFLICT = "conflict"
    # A processor has it now; it gave it back, or its supervisor did.
    CLAIM = "claim"
    RELEASE = "release"
    # Its report is written: durable before 'Done'.
    REPORT = "report"
    # Its report has arrived at Fr-PACS: durable before it counts as sent.
    SEND = "send"
    # An attempt gave no report; the outcome is the state that follows.
    ERROR = "error"
    # A person requeued it after it failed.
    REQUEUE = "requeue"
    # A person scheduled it to be analysed again; entries of earlier releases say 'requeue'.
    SCHEDULE_REANALYSIS = "schedule_reanalysis"
    # Its voxels, or all of it, were removed for their age.
    RETENTION = "retention"


def event(
    kind: Kind,
    ids: Sequence[str] = (),
    *,
    peer: str | None = None,
    outcome: str | None = None,
    cause: str | None = None,
    facts: Mapping[str, str | int | None] = MappingProxyType({}),
) -> Document:
    """An event as an entry has it.

    Args:
        kind: what happened.
        ids: of the scans to which it happened.
        peer: who else took part: a Fr-PACS' name, an address.
        outcome: what became of it, a word or two.
        cause: a reason for people; cut at ``CAUSE_LONGEST`` characters.
        facts: others, such as ``attempt``.
    """
    made: Document = {"kind": str(kind), "at": utc_now()}
    if ids:
        made["ids"] = list(ids)
    known: dict[str, str | int | None] = {"peer": peer, "outcome": outcome, "cause": cause, **facts}
    for name, value in known.items():
        if isinstance(value, str):
            # What BSON cannot hold must not keep the rest of an entry from being written.
            value = value[:CAUSE_LONGEST].encode("utf-8", "replace").decode().replace("\0", "?")
        if value is not None:
            made[name] = value
    return made


class RepeatCounter:
    """Events that a stranger can cause at will, counted together: one entry a minute and sort.

    The first of a sort is told at once, what follows within ``every_s`` as one event with its
    count. Sorts are bounded too: past ``sorts`` of them, what is new is one sort together.
    """

    def __init__(self, every_s: float = 60.0, max_keys: int = 256) -> None:
        self._every_s = every_s
        self._max_keys = max_keys
        self._recorded_at: dict[tuple[str, ...], float] = {}
        self._suppressed: dict[tuple[str, ...], Document] = {}

    def add(self, one: Document, seconds: float) -> Document | None:
        """An event at this time; returned if it is to be told now, else held."""
        key = tuple(str(one.get(name, "")) for name in ("kind", "peer", "outcome"))
        if key not in self._recorded_at and len(self._recorded_at) >= self._max_keys:
            key = (key[0], "others")
            one = {**one, "peer": "others"}
        if key not in self._recorded_at:
            self._recorded_at[key] = seconds
            return one
        suppressed = self._suppressed.setdefault(key, {**one, "ids": [], "count": 0})
        suppressed["count"] += 1
        suppressed["ids"] = [*suppressed["ids"], *one.get("ids", ())][:IDS_KEPT]
        return None

    def due(self, seconds: float, *, every: bool = False) -> list[Document]:
        """What was held for long enough (or all); what was quiet for so long is forgotten."""
        over = [
            s for s, told in self._recorded_at.items() if every or seconds - told >= self._every_s
        ]
        found = []
        for key in over:
            if (one := self._suppressed.pop(key, None)) is None:
                del self._recorded_at[key]
            else:
                self._recorded_at[key] = seconds
                found.append({name: value for name, value in one.items() if value != []})
        return found

    def next_due(self) -> float:
        """When something held is due; infinity: nothing is held."""
        return min(
            (self._recorded_at[key] + self._every_s for key in self._suppressed), default=math.inf
        )
