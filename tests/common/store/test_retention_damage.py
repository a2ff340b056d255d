"""One damaged document among sound ones: retention removes all the others."""

from datetime import timedelta

import pytest

from common.store import retention
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.store.damaging import Damage, setting, undecodable, with_id
from tests.factories import LONG_AGO, inside, make_reports


@pytest.mark.sample(6)
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (Collection.REPORTS, undecodable("revision")),
        (Collection.REPORTS, setting(revision={})),
        (Collection.REPORTS, with_id(5)),
        (Collection.REPORTS, with_id({"x": 1})),
        (Collection.REPORTS, with_id("undecodable")),
        (Collection.SCANS, undecodable("scan.voxels_bytes")),
        (Collection.SCANS, setting(scan="round")),
        (Collection.SCANS, setting(blob="x")),
        (Collection.SCANS, undecodable("blob")),
    ],
)
@pytest.mark.parametrize("include_report", [False, True])
def test_one_damaged_document_keeps_no_other_scan(
    store: DBManager,
    monkeypatch: pytest.MonkeyPatch,
    name: Collection,
    damage: Damage,
    include_report: bool,
) -> None:
    monkeypatch.setattr(retention, "_PAGE", 1)
    keys = [report.key for report in make_reports(store, 3)]
    store.outbox.mark_sent(keys)
    for n, key in enumerate(keys):  # an id that cannot be decoded hides others of its time
        sent = {"$set": {"sent_at": LONG_AGO + timedelta(seconds=n)}}
        inside(store, Collection.REPORTS).update_one({"_id": key}, sent)
    damage(store, name, keys[1])
    pages = store.retention.due(1, include_report=include_report)
    due = {key for page in pages for key in page.keys}
    assert due >= {keys[0], keys[2]}
    purged = store.retention.purge(1, include_report=include_report)
    assert {key for page in purged for key in page.keys} == due
