"""The checkpoints in the audit trail: which entries were archived, and may be missing."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Self

from common.audit.archive import Archive
from common.domain.audit_chain import Chain, Head, Problem
from common.domain.audit_checkpoint import Checkpoint
from common.store.audit_log import AuditLog


class Checkpoints:
    """The complete checkpoints of a trail, and the archives that are at hand.

    Args:
        found: the checkpoints.
        archives: archives to read in place of what was removed.
    """

    def __init__(self, found: Iterable[Checkpoint], archives: Iterable[Archive] = ()) -> None:
        self.found = tuple(found)
        self._archives = tuple(archives)
        self._last = {head.writer: head for one in self.found for head in one.heads}

    @classmethod
    def read(cls, audit_log: AuditLog, archives: Iterable[Archive] = ()) -> Self:
        """Read them from the trail."""
        found = []
        for writer, entries in groupby(
            audit_log.checkpoint_entries(), lambda entry: entry["_id"]["writer"]
        ):
            chain, intact = Chain(writer), []
            for entry in entries:
                list(chain.check(entry))
                if chain.intact:
                    intact.append(entry)
            if (one := Checkpoint.from_entries(intact)) is not None:
                found.append(one)
        return cls(found, archives)

    @property
    def entries(self) -> int:
        """The number of entries that they name."""
        return sum(one.entries for one in self.found)

    @property
    def keys(self) -> tuple[str, ...]:
        """The public keys that signed them."""
        return tuple(sorted({one.public_key for one in self.found}))

    @property
    def began(self) -> datetime | None:
        """Time of the earliest entry that they name."""
        return min((one.began for one in self.found), default=None)

    @property
    def until(self) -> datetime | None:
        """Time of the latest entry that was archived into a file that is not at hand."""
        at_hand = {archive.checkpoint for archive in self._archives}
        return max((one.ended for one in self.found if one not in at_hand), default=None)

    def last_of(self, writer: str) -> Head | None:
        """The last entry of a chain that was archived; None for all other chains."""
        return self._last.get(writer)

    def heads(self) -> Iterator[Head]:
        """The last entry of each archived chain."""
        yield from self._last.values()

    def names(self, head: Head) -> bool:
        """Whether this entry was archived. Of entries before the last of their chain, only the
        archive knows the hash."""
        last = self._last.get(head.writer)
        return last is not None and (head.seq < last.seq or head == last)

    def archived(self) -> Iterator[Archive]:
        """The archives at hand that a checkpoint names."""
        return (archive for archive in self._archives if archive.checkpoint in self.found)

    def unknown(self) -> Iterator[Problem]:
        """The archives at hand that no checkpoint names."""
        for archive in self._archives:
            if archive.checkpoint not in self.found:
                yield Problem(str(archive), "no checkpoint of the trail names this archive")
