"""What scans are now."""

from common.store.db_manager import DBManager
from common.store.feed_documents import place_of
from tests.factories import edit, make_claimable, make_reports


def test_scans_are_looked_up_as_they_are(store: DBManager) -> None:
    waiting = make_claimable(store, 2)
    found = store.scan_states.of([scan.key for scan in waiting] + ["absent@pacs-1"])
    by_state = {one.facts["state"]: sorted(one.keys) for one in found}
    assert by_state == {
        "waiting": sorted(scan.key for scan in waiting),
        "removed": ["absent@pacs-1"],
    }
    (claim,) = store.claims.claim("owner-1-1-1", 1, 30.0)
    (claimed,) = store.scan_states.of([claim.key])
    assert (claimed.facts["state"], place_of(claimed)) == ("analysing", (1, 1))


def test_a_done_scan_has_the_revision_of_its_report(store: DBManager) -> None:
    (report,) = make_reports(store, 1)
    (done,) = store.scan_states.of([report.key])
    assert (done.facts["state"], done.facts["revision"]) == ("done", 1)


def test_damaged_fields_hide_nothing(store: DBManager) -> None:
    (scan,) = make_claimable(store, 1)
    edit(store, scan.key, fence="x", scan=7)
    (found,) = store.scan_states.of([scan.key])
    assert found.facts == {"state": "waiting"}


def test_reports_are_looked_up_as_they_are(store: DBManager) -> None:
    ready, sent, given_up = make_reports(store, 3)
    store.outbox.mark_sent([sent.key])
    store.undeliverable.mark(given_up.key, "too large")
    found = store.scan_states.of_reports([ready.key, sent.key, given_up.key, "absent@pacs-1"])
    assert {(tuple(one.keys), *one.facts.values()) for one in found} == {
        ((ready.key,), "ready", 1),
        ((sent.key,), "delivered", 1),
        ((given_up.key,), "undeliverable", 1),
    }
