"""The number of reports that wait to be delivered."""

from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import make_reports
from tests.profiling import examined


def test_reports_are_counted_until_they_are_delivered(store: DBManager) -> None:
    first, _, _ = make_reports(store, 2) + make_reports(store, 1, pacs="pacs-2")
    assert store.undelivered_count.count() == 3
    store.outbox.mark_sent([first.key])
    with examined(store, *Collection) as read:
        assert store.undelivered_count.count() == 2
    assert read.keys <= 4
