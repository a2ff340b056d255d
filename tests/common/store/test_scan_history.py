"""The history of a scan is what the audit trail says of it."""

import contextlib

from common.audit.writer import AuditWriter
from common.domain.audit_events import Kind
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import inside, make_scan
from tests.profiling import examined


def test_a_scans_history_names_each_step_in_order(store: DBManager) -> None:
    (scan, voxels), (other, _) = make_scan(), make_scan()
    with contextlib.closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        recorded = store.recorded_by(audit)
        recorded.scans.add([NewScan(scan, voxels), NewScan(other, voxels)])
        for claim in recorded.claims.claim("worker-1", 2, 60):
            recorded.claims.fail(claim, "no brain in it", 0)
        recorded.failed_scans.requeue([scan.key], by="ada")
        audit.wait_durable()
    naming = inside(store, Collection.AUDIT).count_documents({"events.ids": scan.key})
    with examined(store, Collection.AUDIT) as read:
        history = store.scan_history.of(scan.key)
    # How many events an entry has depends on how fast they came.
    assert read.documents == naming
    assert [(one.kind, one.outcome) for one in history] == [
        ("receive", "stored"),
        ("claim", None),
        ("error", "Error"),
        ("requeue", "asked for"),
        ("requeue", "To Do"),
    ]
    assert history[2].cause == "no brain in it"
    assert history[2].attempt == 1
    assert (history[0].by or "").startswith("fr-hub-")
    assert history[3].by == "ada"
    assert store.scan_history.of("absent@pacs-1") == []


def test_a_renamed_scan_has_the_events_under_its_id_of_its_own_pacs(store: DBManager) -> None:
    with contextlib.closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        for peer in ("pacs-1", "pacs-2"):
            audit.note(Kind.RECEIVE, ["scan-1"], peer=peer, outcome="stored")
        audit.wait_durable()
    assert store.scan_history.of("scan-1@pacs-1") == []
    [one] = store.scan_history.of("scan-1@pacs-1", renamed=True)
    assert one.peer == "pacs-1"
