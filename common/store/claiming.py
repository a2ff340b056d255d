"""Claims waiting scans, and those whose claim expired."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pymongo import ReturnDocument

from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.domain.types import Document
from common.store.claim_documents import (
    ScanDamaged,
    claim_filters,
    claim_from,
    claim_update,
    claimable_together,
    for_analyzers,
    may_try_last,
)
from common.store.claim_queue import ClaimQueue, spread
from common.store.connection import BY_ID, Connection
from common.store.damage import as_stored, decoded, find
from common.store.documents import Claim, Claimed, expired, too_long
from common.store.endings import Endings
from common.store.error_mapping import translated
from common.store.feed_documents import Change, Step, scans_changed
from common.store.recording import Recorder
from common.store.schema import IN_PROGRESS, NOT_NEWER, SCHEMA_VERSION

_TRIES = 5
"""How often a claim is retried at once when others took the same scans."""

_TO_DO: Document = {"report_generated": ReportGenerated.TO_DO, "schema": SCHEMA_VERSION}


class Claiming:
    """Makes claims, each filtered by state and fence."""

    def __init__(self, connection: Connection, endings: Endings, recorder: Recorder) -> None:
        self._db = connection
        self._recorder = recorder
        self._endings = endings
        self._queue = ClaimQueue(connection)

    @translated
    def claim(
        self,
        owner: str,
        limit: int,
        lease_s: float,
        *,
        types: Collection[str] | None = None,
        analyzers: Collection[str] | None = None,
        only_fresh: bool = False,
        max_retried: int = 1,
        attempts_allowed: int | None = None,
        others_first_s: float = 0.0,
    ) -> Claimed:
        """Claim scans that are ``'To Do'``, ``limit`` at most; ``ClaimQueue`` says which.

        A scan that kills its processor must not keep failing the scans claimed with it. So scans
        claimed once before are claimed apart from fresh ones, ``max_retried`` at a time, and scans
        claimed more often one at a time. Scans that cannot be read, and those that have used up
        their attempts, are failed instead.

        Args:
            owner: an id that no other process start ever has.
            limit: the most scans to claim.
            lease_s: seconds until the claim ends if it is not renewed.
            types: claim only scans of these types; None: of all.
            analyzers: claim no scans for which another analyzer than these was chosen, each as
                name and version; None: all.
            only_fresh: claim only scans that were never claimed.
            max_retried: the most scans to claim that were claimed once before.
            attempts_allowed: claims of a scan before it fails for good; None: any number.
            others_first_s: how long the last attempt of a scan that failed on this host is left to
                other hosts, from the end of its pause on, seconds.

        Returns:
            The claims, and whether more scans were waiting.
        """
        retried: Document = {}
        if attempts_allowed is not None and others_first_s:
            retried = may_try_last(owner, attempts_allowed, others_first_s)
        failed = 0
        for attempt in range(_TRIES):
            found = self._queue.next(
                limit,
                types,
                analyzers=analyzers,
                only_fresh=only_fresh,
                max_retried=max_retried,
                retried=retried,
                skip=spread(limit) if attempt else 0,
            )
            claimed = self._claim_found(found.documents, _TO_DO, owner, lease_s, attempts_allowed)
            failed += claimed.failed
            if claimed:
                return Claimed(claimed, more=found.more, failed=failed)
            # Other processors took them all. Look elsewhere, unless these were all that waited;
            # scans that arrive from now on end the next wait.
            if not found.more and not claimed.failed:
                break
        return Claimed(failed=failed)

    @translated
    def claim_named(
        self,
        owner: str,
        key: str,
        lease_s: float,
        *,
        types: Collection[str] | None = None,
        analyzers: Collection[str] | None = None,
    ) -> Claimed:
        """Claim the scan that a notification named, if it is ``'To Do'`` and was never claimed; in
        one command instead of a search and an update. Other arguments as for ``claim``.

        The command reads what is not yet committed by a majority. That does no harm here: scans
        are durable before they are named, so none of them can be rolled back.

        Returns:
            The claim, or none: then search for scans.
        """
        # A damaged fence is no number: the update would fail.
        fresh = {"_id": key, "attempts": 0, "fence": {"$gte": 0}}
        wanted: Document = {**_TO_DO, **for_analyzers(analyzers), **fresh}
        if types is not None:
            wanted["scan.scan_type"] = {"$in": sorted(types)}
        raw = as_stored(self._db.scans_fast).find_one_and_update(
            wanted, claim_update(owner, lease_s), return_document=ReturnDocument.BEFORE, hint=BY_ID
        )
        if raw is None:
            return Claimed(more=True)
        document = decoded(raw)
        try:
            claim = claim_from(document, owner)
        except ScanDamaged as damage:
            mine: Document = {"report_generated": ReportGenerated.IN_PROGRESS, "owner": owner}
            return Claimed(more=True, failed=self._endings.fail_all([document], str(damage), mine))
        self._tell([claim])
        return Claimed([claim])

    @translated
    def claim_expired(
        self,
        owner: str,
        lease_s: float,
        *,
        types: Collection[str] | None = None,
        analyzers: Collection[str] | None = None,
        max_retried: int = 1,
        attempts_allowed: int | None = None,
    ) -> Claimed:
        """Claim the scan whose lease expired first, without a report; with it up to
        ``max_retried`` of those that were claimed once. Arguments as for ``claim``.

        A lease that ends later than any may is over too: mongod's clock was ahead when it began.
        """
        ours: Document = {**NOT_NEWER, **for_analyzers(analyzers)}
        if types is not None:  # and what was damaged since it was claimed
            no_type = {"scan.scan_type": {"$not": {"$type": "string"}}}
            ours["$or"] = [{"scan.scan_type": {"$in": sorted(types)}}, no_type]
        failed = 0
        for condition, order in ((expired(), 1), (too_long(), -1)):
            found = find(
                self._db.scans,
                {**condition, **ours},
                sort=[("lease_until", order)],
                hint=IN_PROGRESS,
                limit=max_retried,
            )
            together = claimable_together(found, max_retried)
            claimed = self._claim_found(together, condition, owner, lease_s, attempts_allowed)
            failed += claimed.failed
            if claimed:
                return Claimed(claimed, more=True, failed=failed)
        return Claimed(more=failed > 0, failed=failed)

    def _claim_found(
        self,
        found: Sequence[Document],
        condition: Mapping[str, Any],
        owner: str,
        lease_s: float,
        attempts_allowed: int | None,
    ) -> Claimed:
        claims: dict[str, Claim] = {}
        documents: list[Document] = []
        used_up: list[Document] = []
        failed = 0
        for document in found:
            try:
                claim = claim_from(document, owner)
            except ScanDamaged as damage:
                # One damaged document must not stop every processor that meets it.
                failed += self._endings.fail_all([document], str(damage), condition)
                continue
            if attempts_allowed is not None and document["attempts"] >= attempts_allowed:
                used_up.append(document)
            else:
                documents.append(document)
                claims[claim.key] = claim
        without = {**condition, "attempts": {"$gte": attempts_allowed}}
        failed += self._endings.fail_used_up(used_up, without)
        change = claim_update(owner, lease_s)
        claimed = sum(
            self._db.scans_fast.update_many(one, change, hint=BY_ID).modified_count
            for one in claim_filters(documents, condition)
        )
        if claimed < len(documents):
            documents = self._claimed_by(owner, documents) if claimed else []
        mine = [claims[document["_id"]] for document in documents]
        self._tell(mine)
        return Claimed(mine, failed=failed)

    def _tell(self, mine: Sequence[Claim]) -> None:
        """Tell the feed and the audit trail of these claims."""
        self._db.feed.tell(*_claimed(mine))
        for attempts in sorted({claim.attempts for claim in mine}):
            ids = [claim.key for claim in mine if claim.attempts == attempts]
            self._recorder.note(Kind.CLAIM, ids, attempt=attempts)

    def _claimed_by(self, owner: str, found: Sequence[Document]) -> list[Document]:
        """Those of these scans that ``owner`` has just claimed, where others took some."""
        mine = self._db.scans_fast.find(
            {
                "_id": {"$in": [document["_id"] for document in found]},
                "owner": owner,
                "report_generated": ReportGenerated.IN_PROGRESS,
            },
            {"fence": 1},
        )
        fences = {document["_id"]: document.get("fence") for document in mine}
        return [d for d in found if fences.get(d["_id"]) == d["fence"] + 1]


def _claimed(claims: Sequence[Claim]) -> Iterator[Change]:
    alike: dict[tuple[int, str], list[str]] = {}
    for claim in claims:
        alike.setdefault((claim.fence, str(claim.scan.priority)), []).append(claim.key)
    for (fence, priority), keys in alike.items():
        state = ReportGenerated.IN_PROGRESS
        yield scans_changed(keys, state, Step.CLAIMED, fence=fence, priority=priority)
