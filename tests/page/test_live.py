"""What keeps the page up to date when the stream of events does not come."""

import pytest
from playwright.sync_api import Page, expect

from common.store.db_manager import DBManager
from tests.page.acts import go
from tests.page.browser import WebProcess
from tests.page.test_work_list import add_scans

EVENTS = "**/api/v1/events"


@pytest.mark.long
def test_without_the_stream_of_events_the_page_asks_every_five_seconds(
    visitor: Page, web: WebProcess, store: DBManager
) -> None:
    visitor.route(EVENTS, lambda route: route.fulfill(status=404))
    visitor.goto(web.one_time)
    expect(visitor.get_by_text("Every 5 seconds").last).to_be_visible()
    expect(visitor.get_by_text("No scans yet")).to_be_visible()
    (scan_id,) = add_scans(store, 1)
    expect(visitor.get_by_role("link", name=scan_id)).to_be_visible()
    visitor.unroute(EVENTS)
    expect(visitor.get_by_text("Live", exact=True).last).to_be_visible()


def test_a_list_that_one_comes_back_to_has_what_happened_meanwhile(
    admin: Page, store: DBManager
) -> None:
    first, second = add_scans(store, 2)
    expect(admin.get_by_role("link", name=second)).to_be_visible()
    go(admin, "System")
    keys = [f"{scan_id}@pacs-1" for scan_id in (first, second)]
    assert store.erasure.erase(keys[:1])
    (third,) = add_scans(store, 1)
    go(admin, "Work list")
    expect(admin.get_by_role("link", name=third)).to_be_visible()
    row = admin.get_by_role("row").filter(has=admin.get_by_role("link", name=first))
    expect(row).to_contain_text("Erased")
