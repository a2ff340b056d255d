"""The work list with 100,000 scans in Chromium: it shows the first ones soon, and scrolls on."""

import re
import time
from collections.abc import Iterator

import pytest
from bson import ObjectId
from playwright.sync_api import Page, expect

from common.store.db_manager import DBManager
from tests.factories import opened
from tests.many_scans import ManyScan, many_scans, plant_many
from tests.mongo import drop
from tests.page.browser import WebProcess

pytestmark = pytest.mark.long

COUNT = 100_000
ROWS_MAX = 60
"""Rows in the document: those in view at a height of 900, and some before and behind."""

SCROLLS_S = 600
PLANTED = re.compile(r"\d{7}")

_TO_END = "() => window.scrollTo(0, document.documentElement.scrollHeight)"


@pytest.fixture(scope="module")
def planted() -> list[ManyScan]:
    """All scans, the newest first."""
    return many_scans(COUNT)


@pytest.fixture(scope="module")
def large(mongodb_uri: str, planted: list[ManyScan]) -> Iterator[DBManager]:
    name = f"test_long_{ObjectId()}"
    with opened(mongodb_uri, name, 60.0) as store:
        plant_many(store, planted)
        yield store
    drop(mongodb_uri, name)


@pytest.fixture
def store(large: DBManager) -> DBManager:
    return large


def shown(page: Page) -> list[str]:
    """The ids of the rows in the document, from the top."""
    rows = page.get_by_role("table", name="Scans").get_by_role("link", name=PLANTED)
    return [text.strip() for text in rows.all_inner_texts()]


def test_a_list_of_100000_scans_scrolls_to_its_end(
    visitor: Page, web: WebProcess, planted: list[ManyScan]
) -> None:
    ids = [one.scan_id for one in planted]
    visitor.goto(web.one_time)
    expect(visitor.get_by_role("link", name=ids[0])).to_be_visible()
    expect(visitor.get_by_text("of 100,000; scroll on for more")).to_be_visible()
    assert shown(visitor) == ids[: len(shown(visitor))]
    until = time.monotonic() + SCROLLS_S
    while visitor.get_by_text("All 100,000 scans shown").count() == 0:
        assert time.monotonic() < until, visitor.locator(".list-end").inner_text()
        visitor.evaluate(_TO_END)
        visitor.wait_for_timeout(50)
        assert visitor.get_by_role("row").count() <= ROWS_MAX
    visitor.evaluate(_TO_END)
    expect(visitor.get_by_role("link", name=ids[-1])).to_be_visible()
    last = shown(visitor)
    assert last == ids[-len(last) :]
    visitor.evaluate("() => window.scrollTo(0, document.documentElement.scrollHeight / 2)")
    expect(visitor.get_by_role("link", name=ids[COUNT // 2])).to_be_visible()
    assert visitor.get_by_role("row").count() <= ROWS_MAX
