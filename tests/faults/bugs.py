"""Bugs planted into the real units, to see whether the checker finds them."""

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from tests.faults.points import put


def _ack_on_duplicate() -> None:
    """A duplicate key is taken for 'it is stored': no upsert, no waiting for the majority.

    With ``wtimeoutMS``, the usual way before ``timeoutMS``: the first write fails as its wait for
    the majority ends, the second one with a duplicate key, which hides that its wait ended too.
    """
    from pymongo import MongoClient
    from pymongo.errors import BulkWriteError

    from common.store.collections import Collection
    from common.store.documents import Added, NewScan, scan_document
    from common.store.error_mapping import DUPLICATE_KEY, translated
    from common.store.scans import Scans

    clients: dict[str, MongoClient[dict[str, Any]]] = {}

    def add(part: Any, new: Sequence[NewScan]) -> list[Added]:
        if not new:
            return []
        db = part._db
        if db.uri not in clients:
            clients[db.uri] = MongoClient(db.uri, w="majority", journal=True, wtimeoutMS=1000)
        scans = clients[db.uri][db.name][Collection.SCANS]
        try:
            now = part._db.clock.now()
            scans.insert_many([scan_document(item, now) for item in new], ordered=False)
        except BulkWriteError as error:
            lines = error.details["writeErrors"]
            if not lines or any(line["code"] != DUPLICATE_KEY for line in lines):
                raise
        outcomes = [Added.STORED] * len(new)
        part._note(new, outcomes, None)
        return outcomes

    put(Scans, "add", translated(add))


def _no_fence() -> None:
    """A claim is finished and renewed by the scan's id and state, whoever holds it."""
    from common.store import claims as db_claims

    def held(claims: Sequence[Any]) -> Iterator[dict[str, Any]]:
        ids = [claim.scan.key for claim in claims]
        yield {"_id": {"$in": ids}, "report_generated": "In Progress"}

    put(db_claims, "held", held)


def _w_1() -> None:
    """Writes are acknowledged when the server has them in its memory."""
    from pymongo.write_concern import WriteConcern

    from common.store.connection import Connection

    begin = Connection.__init__

    def beginning(connection: Any, *args: Any, **kwargs: Any) -> None:
        begin(connection, *args, **kwargs)
        # The audit trail too: its journaled writes would take the others' along.
        for name in ("scans", "reports", "chunks", "uploads", "audit"):
            weak = getattr(connection, name).with_options(write_concern=WriteConcern(w=1, j=False))
            setattr(connection, name, weak)

    put(Connection, "__init__", beginning)


def _ack_before_persisting() -> None:
    """Fr-HUB answers when it has a scan in memory, and writes it afterwards."""
    from common.store.documents import Added
    from fr_hub.committer import Committer, Submission

    submit = Committer.submit

    def submitting(committer: Committer, item: Submission) -> None:
        def written(_: Any) -> None:
            """Nobody asks any more."""

        asyncio.get_running_loop().call_soon(item.on_outcome, [(item.new, Added.STORED)])
        submit(committer, Submission(item.new, lambda: True, written))

    put(Committer, "submit", submitting)


def _marked_before_ack() -> None:
    """Fr-HUB marks reports as sent when it has taken them to send."""
    from common.store.outbox import Outbox

    def marking(lease: Any) -> Any:
        def leasing(outbox: Outbox, *args: Any, **kwargs: Any) -> list[Any]:
            found: list[Any] = lease(outbox, *args, **kwargs)
            if found:
                outbox.mark_sent([item.key for item in found])
            return found

        return leasing

    for name in ("lease", "lease_named"):
        put(Outbox, name, marking(getattr(Outbox, name)))


def _other_voxels() -> None:
    """An analyzer gets the voxels of the scan before, if that had the same shape; the report takes
    the hash from the header."""
    from fr_brain import analysis
    from fr_brain.analyzers.running import analyse_scan

    before: dict[Any, Any] = {}

    def analysing(analyzer: Any, scan: Any, voxels: Any, **how: Any) -> Any:
        form = voxels.shape, voxels.dtype
        other = before.get(form, voxels)
        before[form] = voxels
        return analyse_scan(analyzer, scan, other, **how)

    put(analysis, "analyse_scan", analysing)


def _other_report() -> None:
    """Fr-HUB sends a report with the findings of the report before."""
    import bson
    from bson.codec_options import CodecOptions
    from bson.raw_bson import RawBSONDocument

    from common.store import outbox

    outgoing = outbox._outgoing
    before: list[Any] = []

    def making(key: str, pacs: str, raw: Any) -> Any:
        made = outgoing(key, pacs, raw)
        aware: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
        content = bson.decode(made.content.raw, aware)
        findings = content["findings"]
        if before:
            content["findings"] = before.pop()
        before.append(findings)
        return dataclasses.replace(made, content=RawBSONDocument(bson.encode(content)))

    put(outbox, "_outgoing", making)


def _no_trail() -> None:
    """Fr-HUB acknowledges without waiting until the audit trail has what was received."""
    from fr_hub.async_store import AsyncStore

    async def recorded(store: Any) -> None:
        """Wait for nothing."""

    put(AsyncStore, "_recorded", recorded)


def _ack_before_storing() -> None:
    """The API answers that a scan is stored, and stores it a little later."""
    import threading

    from common.store.documents import Added
    from fr_hub.web.uploads.storing import ScanWriter

    store = ScanWriter.put

    def later(writer: Any, loaded: Any) -> Added:
        copy = dataclasses.replace(loaded, voxels=memoryview(bytes(loaded.voxels)))
        threading.Timer(1.0, store, (writer, copy)).start()
        return Added.STORED

    put(ScanWriter, "put", later)


def _resumes_at_the_end() -> None:
    """Who watches again is told nothing of what came in between."""
    from fr_hub.web.live.ring import Ring

    after = Ring.after

    def nothing(ring: Any, position: int) -> Any:
        return None if after(ring, position) is None else []

    put(Ring, "after", nothing)


def _never_given_up() -> None:
    """A report that cannot be sent ends the round of those that are sent with it."""
    from common.store.undeliverable import UndeliverableReports

    def refuse(_: Any, _which: Any, key: str, cause: str) -> bool:
        raise ValueError(f"{key}: {cause}")

    put(UndeliverableReports, "mark_this", refuse)


def _no_second_look() -> None:
    """Whoever has written a report looks at no other scan of the subject."""
    from common.store.successors import Successors

    def look(_: Any, _keys: Any, anew: Any = ()) -> set[str]:
        del anew
        return set()

    put(Successors, "send_back", look)


BUGS = {
    "ack-on-duplicate": ("fr_hub", _ack_on_duplicate),
    "no-fence": ("fr_brain", _no_fence),
    "w-1": ("fr_hub", _w_1),
    "ack-before-persisting": ("fr_hub", _ack_before_persisting),
    "marked-before-ack": ("fr_hub", _marked_before_ack),
    "other-voxels": ("fr_brain", _other_voxels),
    "other-report": ("fr_hub", _other_report),
    "no-trail": ("fr_hub", _no_trail),
    "ack-before-storing": ("fr_web", _ack_before_storing),
    "resumes-at-the-end": ("fr_web", _resumes_at_the_end),
    "no-second-look": ("fr_brain", _no_second_look),
    "never-given-up": ("fr_hub", _never_given_up),
}


def plant(bug: str, unit: str) -> None:
    """Plant it, if it is one of this unit."""
    where, how = BUGS[bug]
    if where == unit:
        how()
