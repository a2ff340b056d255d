"""One damaged document in the store stops nobody."""

import pytest

from common.store.db_manager import DBManager
from tests.factories import make_claimable, make_reports


def test_a_scan_whose_stored_header_is_damaged_fails_and_the_others_are_claimed(
    store: DBManager,
) -> None:
    first, damaged, last = (scan.key for scan in make_claimable(store, 3))
    store.connection.scans.update_one({"_id": damaged}, {"$set": {"scan.shape": "round"}})
    assert [claim.scan.key for claim in store.claims.claim("owner", 10, 30)] == [first, last]
    ((scan_id, cause, _),) = store.queries.errors()
    assert scan_id == damaged
    assert "damaged" in cause


@pytest.mark.parametrize(
    "damage",
    [
        {"report": "round"},
        {"report.scan_id": "another"},
        {"report.revision": "first"},
        {"report.picture_hash": 1},
    ],
)
def test_a_stored_report_that_no_acknowledgement_could_name_is_passed_over_and_the_others_are_sent(
    store: DBManager, damage: dict[str, object]
) -> None:
    ids = {report.key for report in make_reports(store, 3)}
    damaged = min(ids)
    store.connection.reports.update_one({"_id": damaged}, {"$set": damage})
    sent = {item.key for item in store.outbox.lease("pacs-1", 10, 30)}
    assert sent == ids - {damaged}
    assert store.outbox.lease("pacs-1", 10, 30) == []
    assert store.queries.count_reports()[False] == 3
