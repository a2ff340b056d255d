"""The audit trail's entries, and what a chain of them proves. No I/O.

Each process start of a writer (Fr-HUB, a processor, a command) has its own chain, so writers never
wait for each other. An entry is a batch of events that became durable together:

.. code-block:: text

    _id     {writer, seq}: the entry's place, which two entries cannot share
    prev    hash of the entry before it; 64 zeros in the first
    at      time of the entry, UTC, by the writer's clock
    events  [{kind, at, ids, peer, outcome, cause, …}] without the fields that are None
    heads   [{at: 'writer/seq', hash}] of other chains: an anchor; in some entries only
    hash    BLAKE3 of all of the above as BSON, in this order

This reveals an entry that was changed, moved or removed from between others. It also reveals that
the end of a chain, or a whole chain, was removed, if an anchor in another chain names it. Alone, it
cannot reveal that all chains were cut back to the same earlier moment, or that somebody who may
write everything rewrote them all. Heads kept outside the store reveal that too.

Entries contain no patient data: they name scans by the ids that their senders chose.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import bson
from blake3 import blake3

from common.domain.audit_events import Kind
from common.domain.types import Document, utc_now

FIRST = "0" * 64
"""``prev`` of the first entry of a chain."""

_FIELDS = ("_id", "prev", "at", "events", "heads")
_NEEDED = frozenset({"_id", "prev", "at", "events", "hash"})


def place(writer: str, seq: int) -> str:
    """An entry's place as anchors write it: 'writer/seq'."""
    return f"{writer}/{seq}"


def whole_seq(seq: Any) -> int:
    """A stored ``seq``, which damage may have made a fraction, as a whole number: rounded up."""
    return math.ceil(seq.to_decimal() if isinstance(seq, bson.Decimal128) else seq)


@dataclass(frozen=True, slots=True)
class Head:
    """The place and hash of an entry, usually the last one of a chain."""

    writer: str
    seq: int
    hash: str

    @classmethod
    def parse(cls, at: str, digest: str) -> "Head":
        """Parse a place as ``place`` writes it, with its hash.

        Raises:
            ValueError: they are not a place and a hash.
        """
        writer, _, seq = at.rpartition("/")
        if not seq.isdecimal() or not (head := cls(writer, int(seq), digest)).is_valid:
            raise ValueError(f"{at!r} {digest!r} is not the place and hash of an entry")
        return head

    @property
    def is_valid(self) -> bool:
        """Whether the fields can be a place and a hash."""
        return bool(self.writer) and self.seq >= 0 and len(self.hash) == len(FIRST)

    @property
    def at(self) -> str:
        """The place, as ``place`` writes it."""
        return place(self.writer, self.seq)


def make_entry(
    writer: str, seq: int, prev: str, events: Sequence[Document], heads: Sequence[Head] = ()
) -> Document:
    """The next entry of a chain, with its hash."""
    entry: Document = {
        "_id": {"writer": writer, "seq": seq},
        "prev": prev,
        "at": utc_now(),
        "events": list(events),
    }
    if heads:
        entry["heads"] = [{"at": head.at, "hash": head.hash} for head in heads]
    entry["hash"] = digest(entry)
    return entry


def digest(entry: Mapping[str, Any]) -> str:
    """The hash that this entry should have.

    The fields are hashed in a fixed order: MongoDB keeps the types and the order of nested values,
    but not always the order of a document's own fields.
    """
    return blake3(bson.encode({name: entry[name] for name in _FIELDS if name in entry})).hexdigest()


def heads_in(entry: Mapping[str, Any]) -> list[Head]:
    """The heads that an entry anchors."""
    return [Head.parse(named["at"], named["hash"]) for named in entry.get("heads", ())]


def only_anchors(entry: Mapping[str, Any]) -> int | None:
    """For an entry that is only an anchor, the ``seq`` of its chain's last entry that is more than
    an anchor; None for all other entries.

    An anchor is not anchored itself, or two hubs would anchor each other forever.
    """
    match entry.get("events"):
        case [{"kind": Kind.ANCHOR, "last": int(last)}]:
            return last
    return None


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of the trail, and its place."""

    at: str
    what: str


@dataclass(slots=True)
class Chain:
    """One writer's chain, as far as it was read, in the order of ``seq``."""

    writer: str
    entries: int = 0
    seq: int = -1
    hash: str = FIRST
    closed: bool = False
    at: datetime | None = None
    """Time of the last entry read."""
    # Whether the last entry read has its hash: its content is what its writer wrote.
    intact: bool = False
    events: dict[str, int] = field(default_factory=dict)
    pruned: Head | None = None
    """The last entry, if a checkpoint names the chain: then its first entries may be missing."""

    @property
    def head(self) -> Head:
        """The last entry read."""
        return Head(self.writer, self.seq, self.hash)

    def check(self, entry: Mapping[str, Any]) -> Iterator[Problem]:
        """Check the next entry; yields its problems."""
        self.intact = False
        self.entries += 1
        try:
            yield from self._check(entry)
        except (KeyError, TypeError, ValueError, AttributeError, bson.errors.BSONError):
            yield Problem(f"{self.writer}/{self.seq + 1}…", "this is not an entry")

    def _check(self, entry: Mapping[str, Any]) -> Iterator[Problem]:
        seq = entry["_id"]["seq"]
        if not math.isfinite(seq):
            raise ValueError("it has no place")
        at = place(self.writer, seq)
        if self.pruned is not None and self.entries == 1 and 0 < seq <= self.pruned.seq:
            self.seq, self.hash = seq - 1, entry["prev"]
        missing = seq - self.seq - 1
        if missing < 0:
            yield Problem(at, "it is out of order")
        elif missing:
            yield Problem(
                at, f"{missing} {'entry was' if missing == 1 else 'entries were'} removed before it"
            )
        intact = "hash" in entry and entry["hash"] == digest(entry)
        if missing_fields := _NEEDED - entry.keys():
            yield Problem(at, f"changed: it lacks {', '.join(sorted(missing_fields))}")
        elif not intact or entry.keys() - {*_FIELDS, "hash"}:
            yield Problem(at, "changed: its content does not match its hash")
        elif not missing and entry["prev"] != self.hash:
            yield Problem(at, "it does not follow the entry before it")
        kinds = [one["kind"] for one in entry["events"]]
        if not all(isinstance(kind, str) for kind in kinds):
            raise TypeError("a kind is not text")
        if seq == 0 and kinds[:1] != [Kind.OPENED]:
            yield Problem(at, "the chain does not begin with an opening event")
        if self.closed:
            yield Problem(at, "written after the chain was closed")
        self.seq, self.hash = seq, entry["hash"]
        self.at = at_time if isinstance(at_time := entry["at"], datetime) else None
        self.closed = self.closed or Kind.CLOSED in kinds
        for kind in kinds:
            self.events[kind] = self.events.get(kind, 0) + 1
        heads_in(entry)
        # Its writer may have made it so: whoever reads an intact entry relies on these types.
        if self.at is None or not all(map(_is_sound, entry["events"])):
            raise TypeError("a field of an event has the wrong type")
        self.intact = intact


def _is_sound(one: Mapping[str, Any]) -> bool:
    ids = one.get("ids", [])
    return (
        isinstance(one["at"], datetime)
        and isinstance(ids, list)
        and all(isinstance(key, str) for key in ids)
    )
