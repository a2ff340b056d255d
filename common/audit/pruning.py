"""Removes archived entries from the audit trail. The steps, each repeatable after a kill:

1. The archive is verified and compared with the trail: each of its entries must be stored as it is.
2. The checkpoint is written into the trail, in a new chain. Anchors come before it: what only
   archived entries anchored in other chains stays anchored.
3. The entries are removed, each chain from its first. What is left of a chain that was interrupted
   so still leads to the last entry, which the checkpoint names.
"""

import threading
from collections.abc import Iterator

from common.audit.archive import Archive
from common.audit.chain_writer import ChainWriter
from common.audit.checkpoints import Checkpoints
from common.audit.recorded_command import user
from common.audit.verification import AuditVerifier
from common.domain.audit_chain import Head, heads_in
from common.domain.audit_events import Kind, event
from common.errors import ArchiveDamaged
from common.runtime.logger import Log
from common.store.audit_log import HEADS_PER_ANCHOR, PRUNER
from common.store.db_manager import DBManager

_PAGE = 200


class Pruning:
    """The removal of the entries of one archive.

    Args:
        store: the store with the trail, of a user who may remove entries.
        archive: the archive.
        log: for warnings.

    Raises:
        ArchiveDamaged: archive and trail differ, or the trail has problems.
        StoreError: the store cannot be read.
    """

    def __init__(self, store: DBManager, archive: Archive, log: Log) -> None:
        self._store = store
        self._archive = archive
        self._log = log
        self._checkpoints = Checkpoints.read(store.audit_log)
        self.is_recorded = archive.checkpoint in self._checkpoints.found
        """Whether the trail has its checkpoint: an earlier run was interrupted, or removed all."""
        self._check_trail()
        if not self.is_recorded:
            self._compare()

    def apply(self) -> int:
        """Record the checkpoint, then remove the entries; returns how many were still there.

        Raises:
            StoreError: MongoDB is unreachable or refuses; the next run continues.
        """
        if not self.is_recorded:
            self._record()
        remove = self._store.audit_archive.remove
        return sum(remove(page) for page in self._archive.pages(_PAGE))

    def _check_trail(self) -> None:
        found = AuditVerifier(self._store).run().problems
        if found.count:
            raise ArchiveDamaged(
                f"the audit trail has {found.count} problems, such as {found.named[0]}: nothing "
                "was removed; run fr audit"
            )

    def _compare(self) -> None:
        heads = self._archive.checkpoint.heads
        ends = self._store.audit_log.ends("")
        changed = [head.at for head in heads if ends.get(head.writer) != head.seq]
        anchored = self._store.audit_archive.anchored(heads)
        changed += [head.at for head in heads if head not in anchored]
        for page in self._archive.pages(_PAGE):
            changed += self._store.audit_archive.missing(page)
        if changed:
            raise ArchiveDamaged(
                f"{self._archive}: the audit trail differs from this archive at {changed[0]}: "
                "nothing was removed"
            )

    def _record(self) -> None:
        given_up = threading.Event()
        given_up.set()  # no retries: the next run continues
        facts = {"by": user()}
        chain = ChainWriter(self._store.audit_log, PRUNER, facts, self._log, given_up)
        chain.open()
        for carried in self._carried():
            chain.write([event(Kind.ANCHOR, facts={"last": chain.last})], carried)
        *parts, (last, heads) = self._archive.checkpoint.parts()
        for part, named in parts:
            chain.write([part], named)
        chain.write([last, event(Kind.CLOSED)], heads)

    def _carried(self) -> Iterator[list[Head]]:
        """The heads of other chains that the archived entries anchor: the latest of each chain."""
        gone = {head.writer for head in self._archive.checkpoint.heads}
        latest: dict[str, Head] = {}
        for entry in self._archive.entries():
            for head in heads_in(entry):
                known = latest.get(head.writer)
                other = head.writer not in gone and not self._checkpoints.names(head)
                if other and (known is None or known.seq < head.seq):
                    latest[head.writer] = head
        heads = list(latest.values())
        for start in range(0, len(heads), HEADS_PER_ANCHOR):
            yield heads[start : start + HEADS_PER_ANCHOR]
