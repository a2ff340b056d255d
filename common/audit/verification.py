"""Verifies the audit trail, and compares it with the store."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from pydantic import Field

from common.audit.archive import Archive
from common.audit.checkpoints import Checkpoints
from common.audit.scan_index import RecordedEvents, ScanIndex
from common.domain.audit_chain import Chain, Head, Problem
from common.domain.scan_key import pacs_of
from common.domain.states import ERASED, PURGED, ReportGenerated
from common.domain.types import Document, Frozen
from common.store.audit_log import Receipt
from common.store.db_manager import DBManager
from common.store.stored_types import STATES, OnDamage

NAMED = 1000
"""The most findings of a kind that are named; all are counted."""

GRACE = timedelta(minutes=5)
"""A hub records a scan milliseconds after it stored it. A chain whose last entry is so much later
went on without it; it is long enough for clocks that differ."""

CHAINS_PER_PAGE = 5000
"""Chains whose ends are looked up at a time."""

OnEntry = Callable[[Document], None]
OnHeads = Callable[[Iterator[Head]], None]


class Finding(Frozen):
    """The number of places or scans with one kind of finding, and the first of them."""

    count: int = 0
    named: tuple[str, ...] = ()
    of_pacs: dict[str, "Finding"] = Field(default={})
    """Those about scans, by their Fr-PACS."""


class AuditVerdict(Frozen):
    """The result of a verification.

    ``gaps`` and ``problems`` must be empty; ``notes`` are for information.
    """

    entries: int
    chains: int
    events: dict[str, int]
    # Chains without an end: their writers are running or were killed.
    open_chains: int
    # Entries at the ends of chains that no other chain names yet: their removal would go unnoticed.
    not_anchored: int
    problems: Finding
    gaps: dict[str, Finding]
    notes: dict[str, Finding]
    # Checkpoints, the entries that they name, and the public keys that signed them.
    checkpoints: int
    archived: int
    checkpoint_keys: tuple[str, ...]

    @property
    def total(self) -> int:
        """Gaps and problems of all kinds."""
        return self.problems.count + sum(gap.count for gap in self.gaps.values())


_ANY = ""


class _Findings:
    def __init__(self, *kinds: str) -> None:
        self.counts = Counter[str](dict.fromkeys(kinds, 0))
        self.named: dict[str, list[str]] = {kind: [] for kind in kinds}
        self._of_pacs: dict[str, dict[str, _Findings]] = {kind: {} for kind in kinds}

    def add(self, kind: str, name: str | None) -> None:
        self.counts[kind] += 1
        if name is None:
            return
        if len(self.named[kind]) < NAMED:
            self.named[kind].append(name)
        # Of a damaged one, what is wrong follows its key.
        if (pacs := pacs_of(name.partition(": ")[0])) is not None:
            own = self._of_pacs[kind].setdefault(pacs, _Findings(_ANY))
            own.counts[_ANY] += 1
            if len(own.named[_ANY]) < NAMED:
                own.named[_ANY].append(name)

    def findings(self) -> dict[str, Finding]:
        return {
            kind: Finding(
                count=count,
                named=tuple(self.named[kind]),
                of_pacs={pacs: own.findings()[_ANY] for pacs, own in self._of_pacs[kind].items()},
            )
            for kind, count in self.counts.items()
        }


MISSING = "received but not in the store"
NO_REPORT = "Done without a report event"
NO_SEND = "sent without a send event"
NO_ERROR = "Error without an error event"
NO_RECEIVE = "stored or acknowledged without a receive event"
UNCONFIRMED = "stored, never acknowledged: its sender sends it again"
OLDER = "older than the trail"
ARCHIVED = "its events are in an archive, and were not checked: name it in ARCHIVE"
NO_TRAIL = "scans, but no audit trail: it was removed, or never written"
SCHEMA = "collection or index that is missing or unexpected"
DAMAGED = "damaged scan or report (make verify says what to do)"


class AuditVerifier:
    """One verification: reads all chains, then the store, then the entries added meanwhile.

    Args:
        store: the store to verify.
        kept_heads: heads kept outside the store; their entries must still exist.
        on_entry: called with each intact entry.
        acknowledged: scans that a Fr-PACS' ledger names as acknowledged, each with the time.
        on_heads: called at the end with the last entry of each chain, to be kept outside the store.
        archives: read in place of the entries that were archived and removed.
    """

    def __init__(
        self,
        store: DBManager,
        kept_heads: Iterable[Head] = (),
        on_entry: OnEntry = lambda _: None,
        on_heads: OnHeads = lambda _: None,
        acknowledged: Iterable[tuple[str, datetime]] = (),
        archives: Iterable[Archive] = (),
    ) -> None:
        self._store = store
        self._checkpoints = Checkpoints.read(store.audit_log, archives)
        self._began: datetime | None = self._checkpoints.began  # when the first chain was opened
        self._kept_heads = kept_heads
        self._on_entry = on_entry
        self._on_heads = on_heads
        self._acknowledged = acknowledged
        self._events = Counter[str]()
        self._problems = _Findings("")
        self._damaged = _Findings(DAMAGED)

    def run(self) -> AuditVerdict:
        """Verify.

        Raises:
            StoreError: the store cannot be read.
        """
        with ScanIndex() as index:
            index.add_anchors(self._kept_heads, "the heads that were kept")
            for page in self._store.queries.renamed():
                index.add_renamed(page)
            index.add_acknowledged(self._acknowledged)
            self._read_archives(index)
            self._read_all(index)
            for key, parts in _side_by_side(self._store, index, self._add_damaged):
                if parts[0] is not None and parts[0] not in STATES:
                    self._add_damaged(key, "unknown state")
                if self._check(*parts):
                    index.add_suspect(key)
            documents = self._store.audit_log.size()
            self._read(index)
            strays = self._store.audit_log.strays()
            for name in strays:
                self._problem(Problem(f"brain_audit {name}", "this is not an entry"))
            if others := max(0, documents - index.count_chains()[1] - len(strays)):
                self._problem(Problem("brain_audit", f"{others} documents are not entries"))
            gaps, notes = self._recheck(index)
            schema = self._store.schema.differences()
            for difference in (*schema.missing, *schema.unexpected):
                gaps.add(SCHEMA, difference)
            if not documents and (received := sum(self._store.queries.count_states().values())):
                gaps.add(NO_TRAIL, f"{received} scans")
            self._check_anchors(index)
            self._check_archived(index)
            self._on_heads(index.heads())
            return self._verdict(index, gaps, notes)

    def _read_archives(self, index: ScanIndex) -> None:
        for problem in self._checkpoints.unknown():
            self._problem(problem)
        for archive in self._checkpoints.archived():
            for entry in archive.entries():
                index.add_archived(entry)
                self._on_entry(entry)

    def _read_all(self, index: ScanIndex) -> None:
        chain: Chain | None = None
        for entry in self._store.audit_log.all_entries():
            writer = entry["_id"]["writer"]
            if chain is None or chain.writer != writer:
                self._put(index, chain)
                chain = Chain(writer, pruned=self._checkpoints.last_of(writer))
            self._check_entry(index, chain, entry)
        self._put(index, chain)

    def _read(self, index: ScanIndex) -> None:
        """Read the entries added since the last time."""
        for after, through, known in index.chain_pages(CHAINS_PER_PAGE):
            for writer, seq in self._store.audit_log.ends(after, through).items():
                if seq <= known.get(writer, -1):
                    continue
                chain = index.chain(writer)
                chain.pruned = self._checkpoints.last_of(writer)
                for entry in self._store.audit_log.entries(writer, chain.seq, seq):
                    self._check_entry(index, chain, entry)
                self._put(index, chain)

    def _put(self, index: ScanIndex, chain: Chain | None) -> None:
        if chain is not None:
            self._events.update(chain.events)
            index.put_chain(chain)

    def _check_entry(self, index: ScanIndex, chain: Chain, entry: Document) -> None:
        for problem in chain.check(entry):
            self._problem(problem)
        if chain.intact:
            index.add(entry, chain.head.at)
            self._on_entry(entry)
            if chain.entries == 1:
                began = entry["at"]
                self._began = min(began, self._began or began)

    def _problem(self, problem: Problem) -> None:
        self._problems.add("", f"{problem.at}: {problem.what}")

    def _add_damaged(self, name: str, problem: str) -> None:
        self._damaged.add(DAMAGED, f"{name}: {problem}")

    def _check_anchors(self, index: ScanIndex) -> None:
        for page in index.anchors():
            stored = self._store.audit_log.hashes([head for head, _ in page])
            for head, source in page:
                if head.at not in stored and self._checkpoints.names(head):
                    if index.archived_hash(head) not in (None, head.hash):
                        self._problem(Problem(head.at, f"archived changed: {source} names it"))
                elif head.at not in stored:
                    self._problem(Problem(head.at, f"removed: {source} names it"))
                elif stored[head.at] != head.hash:
                    self._problem(Problem(head.at, f"changed since {source} named it"))

    def _check_archived(self, index: ScanIndex) -> None:
        """What is left of a chain that was archived must lead to its last entry."""
        for head in self._checkpoints.heads():
            chain = index.chain(head.writer)
            if chain.entries and chain.head != head:
                self._problem(Problem(chain.head.at, "added to a chain that was archived"))

    @staticmethod
    def _check(
        state: str | None, sent: bool | None, recorded: RecordedEvents | None
    ) -> tuple[str, ...]:
        """The kinds of gaps that a scan has."""
        recorded = recorded or RecordedEvents(0)
        if state is None:
            # A purged scan has a state too: that of its tombstone.
            return (MISSING,) if RecordedEvents.RECEIVED in recorded else ()
        found = []
        if state == ReportGenerated.DONE and RecordedEvents.REPORTED not in recorded:
            found.append(NO_REPORT)
        if sent and RecordedEvents.SENT not in recorded:
            found.append(NO_SEND)
        if state == ReportGenerated.ERROR and RecordedEvents.FAILED not in recorded:
            found.append(NO_ERROR)
        if RecordedEvents.RECEIVED not in recorded:
            found.append(NO_RECEIVE)
        return tuple(found)

    def _recheck(self, index: ScanIndex) -> tuple[_Findings, _Findings]:
        gaps = _Findings(MISSING, NO_REPORT, NO_SEND, NO_ERROR, NO_RECEIVE, NO_TRAIL, SCHEMA)
        notes = _Findings(UNCONFIRMED, OLDER, ARCHIVED)
        for page in index.suspects():
            # Units may be running. An event is written before its effect shows in a scan, or, for
            # a received scan, after. So the trail is read between two reads of the scans, and only
            # what both reads show is a gap.
            before = self._store.queries.states_of(page)
            self._read(index)
            after, recorded = self._store.queries.states_of(page), index.recorded(page)
            receipts = self._store.audit_log.receipts(page)
            for key in page:
                then = self._check(*before[key], recorded.get(key))
                now = self._check(*after[key], recorded.get(key))
                kinds = [kind for kind in now if kind in then]
                receipt = receipts.get(key)
                if kinds and receipt and self._is_older(receipt):
                    notes.add(OLDER, key)
                    continue
                if kinds and self._is_archived(receipt, after[key][0]):
                    notes.add(ARCHIVED, None)
                    continue
                for kind in kinds:
                    if kind != NO_RECEIVE or self._is_gap(index, receipt, recorded.get(key)):
                        gaps.add(kind, key)
                    else:
                        notes.add(UNCONFIRMED, key)
        since = self._checkpoints.until or self._began
        if since is not None:
            for key in index.acknowledged_unrecorded(since):
                gaps.add(NO_RECEIVE, key)
        return gaps, notes

    def _is_older(self, receipt: Receipt) -> bool:
        """Whether the scan was received before there was a trail."""
        return receipt.recorded_in is None and (self._began is None or receipt.at < self._began)

    def _is_archived(self, receipt: Receipt | None, state: str | None) -> bool:
        """Whether events of the scan may be in an archive that is not at hand. A tombstone does not
        say when its scan was received."""
        if (until := self._checkpoints.until) is None:
            return False
        return state in (PURGED, ERASED) if receipt is None else receipt.at <= until

    @staticmethod
    def _is_gap(index: ScanIndex, receipt: Receipt | None, recorded: RecordedEvents | None) -> bool:
        """Whether a scan without a receive event must have one.

        Fr-HUB stores a scan, records it, and acknowledges it. If it was killed before it could
        record it, its chain ends there: the scan was never acknowledged, and its sender sends it
        again. If the chain was closed or went on, the hub did not record what it may have
        acknowledged. If it is gone, the trail was removed.
        """
        if receipt is None or receipt.recorded_in is None or not receipt.sealed:
            return False
        if recorded is not None and RecordedEvents.UNANSWERED in recorded:
            return False
        chain = index.chain(receipt.recorded_in)
        went_on = chain.at is not None and chain.at > receipt.at + GRACE
        return chain.closed or chain.entries == 0 or went_on

    def _verdict(self, index: ScanIndex, gaps: _Findings, notes: _Findings) -> AuditVerdict:
        chains, entries, open_chains = index.count_chains()
        return AuditVerdict(
            entries=entries,
            chains=chains,
            events=dict(sorted(self._events.items())),
            open_chains=open_chains,
            not_anchored=index.count_not_anchored(),
            problems=self._problems.findings()[""],
            gaps={**gaps.findings(), **self._damaged.findings()},
            notes=notes.findings(),
            checkpoints=len(self._checkpoints.found),
            archived=self._checkpoints.entries,
            checkpoint_keys=self._checkpoints.keys,
        )


def _side_by_side(
    store: DBManager, index: ScanIndex, damaged: OnDamage
) -> Iterator[tuple[str, tuple[str | None, bool | None, RecordedEvents | None]]]:
    """Each scan id with its state, its report's ``status`` and its recorded events, in order of the
    ids. Memory use does not depend on the size of the store."""
    streams = (
        _tagged(0, store.queries.scan_states(damaged)),
        _tagged(1, store.queries.report_states(damaged)),
        _tagged(2, index.scans()),
    )
    for key, found in groupby(heapq.merge(*streams, key=itemgetter(0)), itemgetter(0)):
        parts: list[Any] = [None, None, None]
        for _, (number, value) in found:
            parts[number] = value
        yield key, (parts[0], parts[1], parts[2])


def _tagged(
    number: int, stream: Iterable[tuple[str, Any]]
) -> Iterator[tuple[str, tuple[int, Any]]]:
    return ((key, (number, value)) for key, value in stream)
