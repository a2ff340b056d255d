"""What tests of the audit trail share."""

from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.audit.archive import Archive, export
from common.audit.verification import AuditVerdict, AuditVerifier
from common.audit.writer import AuditWriter
from common.domain.audit_chain import FIRST
from common.domain.audit_events import Kind
from common.domain.types import Document
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import inside, make_report, make_scan
from tests.running import until


def note(audit: AuditWriter, *events: tuple[Kind, list[str]], **more: Any) -> None:
    for kind, ids in events:
        audit.note(kind, ids, **more)
    audit.wait_durable(60)


def entries(store: DBManager, writer: str | None = None) -> list[Document]:
    found = inside(store, Collection.AUDIT).find(sort=[("_id", 1)])
    return [entry for entry in found if writer in (None, entry["_id"]["writer"])]


def events(store: DBManager, writer: str | None = None) -> list[Document]:
    return [one for entry in entries(store, writer) for one in entry["events"]]


def kinds(store: DBManager, writer: str | None = None) -> list[str]:
    """The kinds of all events but anchors."""
    found = [one["kind"] for one in events(store, writer)]
    return [kind for kind in found if kind != Kind.ANCHOR]


def sound(store: DBManager) -> AuditVerdict:
    verdict = AuditVerifier(store).run()
    assert verdict.problems.count == 0, verdict.problems
    return verdict


def plant_chains(store: DBManager, count: int) -> None:
    """Replace the trail by closed chains of earlier process starts, none of them anchored."""
    inside(store, Collection.AUDIT).database.aggregate(
        [
            {"$documents": [{"n": {"$range": [0, count]}}]},
            {"$unwind": "$n"},
            {
                "$project": {
                    "_id": {
                        "writer": {"$concat": ["processor-planted-", {"$toString": "$n"}]},
                        "seq": {"$literal": 0},
                    },
                    "prev": FIRST,
                    "at": "$$NOW",
                    "events": [
                        {"kind": "opened", "at": "$$NOW"},
                        {"kind": "closed", "at": "$$NOW"},
                    ],
                    "hash": "f" * 64,
                }
            },
            {"$out": Collection.AUDIT},
        ]
    )


def open_chains_of(store: DBManager) -> set[str]:
    """The writers of the chains that are listed as open."""
    return {found["_id"] for found in inside(store, Collection.AUDIT_OPEN).find()}


def archivable(store: DBManager, n: int = 2) -> list[str]:
    """Scans that are done and sent, with all their events in one chain that ended and is anchored;
    returns their keys. The anchor's chain ended too, and nothing anchors it."""
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        audit.wait_durable(60)
        until(lambda: audit.chain)
        new = [NewScan(*make_scan()) for _ in range(n)]
        store.scans.add(new)
        keys = sorted(item.scan.key for item in new)
        claims = store.claims.claim("test", n, 60)
        store.claims.complete([(claim, make_report(claim.scan)) for claim in claims])
        store.outbox.mark_sent(keys)
        for kind in (Kind.RECEIVE, Kind.CLAIM, Kind.REPORT, Kind.SEND):
            note(audit, (kind, keys))
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as anchoring:
        until(lambda: anchoring.chain)
    return keys


def exported(store: DBManager, path: Path, key: Ed25519PrivateKey) -> Archive:
    """An archive of all chains that ended and are anchored."""
    assert export(store, path, 0, key) is not None
    return Archive(path, "FILE")
