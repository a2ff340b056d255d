"""The events of the audit trail: what happened to which scans, when, and with what outcome.

Events contain no patient data: they name scans by the ids that their senders chose.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from common.domain.foreign_text import escape
from common.domain.types import Document, utc_now

CAUSE_LONGEST = 300
IDS_KEPT = 100
"""The most ids that an event of counted refusals names."""

ASKED_FOR = "asked for"
"""The outcome of an event that is recorded before what it is about is done."""

_OF_ACCOUNT = frozenset({"account", "tenant", "route", "cause"})


class Kind(StrEnum):
    """What happened."""

    # The values are stored: never change one.
    # A writer's chain begins; it ends cleanly.
    OPENED = "opened"
    CLOSED = "closed"
    # The heads of other chains are named.
    ANCHOR = "anchor"
    # A peer connected; a connection or a scan was refused.
    CONNECT = "connect"
    REFUSE = "refuse"
    # A scan was received: 'stored', or 'known' (it existed with this content). Durable before the
    # acknowledgement.
    RECEIVE = "receive"
    # MongoDB failed while the scan was being stored: it may be stored, and was not acknowledged.
    UNANSWERED = "unanswered"
    # The id has other content, so the scan was refused.
    CONFLICT = "conflict"
    # A processor claimed the scan; it, or its supervisor, released the claim.
    CLAIM = "claim"
    RELEASE = "release"
    # Its report was written. Durable before the scan is 'Done'.
    REPORT = "report"
    # Its report arrived at Fr-PACS. Durable before the report is marked as sent.
    SEND = "send"
    # A report was given up as undeliverable; an operator made such reports due again.
    UNDELIVERABLE = "undeliverable"
    REDELIVER = "redeliver"
    # Fr-PACS was told that its scan failed for good.
    NOTIFY = "notify"
    # An attempt ended without a report; the outcome is the state that follows.
    ERROR = "error"
    # An operator requeued the failed scan.
    REQUEUE = "requeue"
    # An operator scheduled a reanalysis; or Fr-BRAIN did, to read a FLAIR and a T1 scan of a study
    # together, and gives that as the cause. Earlier releases recorded this as 'requeue', with the
    # outcome 'to be analysed again'.
    SCHEDULE_REANALYSIS = "schedule_reanalysis"
    # A user changed the priority of the waiting scan; the outcome is the new one.
    PRIORITY = "priority"
    # Retention removed the voxels, or the scan and its report.
    RETENTION = "retention"
    # An operator asked for the erasure of the scan; it is complete.
    ERASE = "erase"
    # Requests of the API, one event each, by user and route. A query returns a list, a view one
    # thing, an export a file. Refused requests are 'refuse'.
    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    # An emergency account is used.
    EMERGENCY = "emergency"
    QUERY = "query"
    VIEW = "view"
    EXPORT = "export"
    CHANGE = "change"
    DELETE = "delete"
    # An administrator archived chains and may now remove their entries: see ``audit_checkpoint``.
    CHECKPOINT = "checkpoint"


def event(
    kind: Kind,
    ids: Sequence[str] = (),
    *,
    peer: str | None = None,
    outcome: str | None = None,
    cause: str | None = None,
    facts: Mapping[str, str | int | None] = MappingProxyType({}),
) -> Document:
    """An event, as stored in an entry.

    Args:
        kind: what happened.
        ids: ids of the scans to which it happened.
        peer: the other party: the name of a Fr-PACS, or an address.
        outcome: the outcome, a word or two.
        cause: a reason for people; cut after ``CAUSE_LONGEST`` characters.
        facts: other facts, such as ``attempt``.
    """
    made: Document = {"kind": str(kind), "at": utc_now()}
    if ids:
        made["ids"] = list(ids)
    known: dict[str, str | int | None] = {"peer": peer, "outcome": outcome, "cause": cause, **facts}
    for name, value in known.items():
        if isinstance(value, str):
            # Text that BSON cannot hold must not keep the rest of the entry from being written.
            value = escape(value, CAUSE_LONGEST)
        if value is not None:
            made[name] = value
    return made


class RepeatCounter:
    """Counts events that unauthenticated peers can cause at will, so that they cannot flood the
    trail.

    Events of the same kind, peer and outcome share a key; if they name a route or an account, of
    the same route and account. Strangers cannot make up either: guesses at an account must not
    vanish among other refusals. The first event of a key is recorded immediately; those within the
    next ``every_s`` seconds become one event with their count. Beyond ``max_keys`` keys, all new
    ones of a kind and account share the peer 'others'; beyond twice as many, all of a kind.
    """

    def __init__(self, every_s: float = 60.0, max_keys: int = 256) -> None:
        self._every_s = every_s
        self._max_keys = max_keys
        self._recorded_at: dict[tuple[str, ...], float] = {}
        self._suppressed: dict[tuple[str, ...], Document] = {}

    def add(self, one: Document, seconds: float) -> Document | None:
        """Count an event at time ``seconds``; returns it if it is to be recorded now, else None."""
        names = ("kind", "peer", "outcome", "route", "account")
        key = tuple(str(one.get(name, "")) for name in names)
        if key not in self._recorded_at and len(self._recorded_at) >= self._max_keys:
            key = (key[0], "others", key[-1])
            one = {**one, "peer": "others"}
        if key not in self._recorded_at and len(self._recorded_at) >= 2 * self._max_keys:
            key = (key[0], "others", "")
            one = {name: value for name, value in one.items() if name not in _OF_ACCOUNT}
        if key not in self._recorded_at:
            self._recorded_at[key] = seconds
            return one
        suppressed = self._suppressed.setdefault(key, {**one, "ids": [], "count": 0})
        suppressed["count"] += 1
        suppressed["ids"] = [*suppressed["ids"], *one.get("ids", ())][:IDS_KEPT]
        return None

    def due(self, seconds: float, *, every: bool = False) -> list[Document]:
        """The counted events that are due, or all; keys without new events are forgotten."""
        over = [s for s, at in self._recorded_at.items() if every or seconds - at >= self._every_s]
        found = []
        for key in over:
            if (one := self._suppressed.pop(key, None)) is None:
                del self._recorded_at[key]
            else:
                self._recorded_at[key] = seconds
                found.append({name: value for name, value in one.items() if value != []})
        return found

    def next_due(self) -> float:
        """When the next counted event is due; infinity if there is none."""
        return min(
            (self._recorded_at[key] + self._every_s for key in self._suppressed), default=math.inf
        )
