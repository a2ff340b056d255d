"""The page in Chromium. Without a Chromium or a built page, these tests are skipped; in CI, they
fail then."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from common.store.db_manager import DBManager
from tests.page.browser import WatchedContext, WebProcess, browser, missing


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium, for all tests of this process."""
    lacking = missing()
    if lacking is not None:
        if os.environ.get("CI"):
            pytest.fail(lacking)
        pytest.skip(lacking)
    with browser() as found:
        yield found


@pytest.fixture
def web(store: DBManager, tmp_path: Path) -> Iterator[WebProcess]:
    """``fr web`` on the test's database."""
    connection = store.connection
    process = WebProcess(tmp_path, MONGODB_URI=connection.uri, MONGODB_DATABASE=connection.name)
    yield process
    process.stop()


@pytest.fixture
def visitor(chromium: Browser, web: WebProcess) -> Iterator[Page]:
    """A page of somebody who has not signed in."""
    with chromium.new_context(viewport={"width": 1440, "height": 900}) as context:
        watched = WatchedContext(context, web.address)
        yield watched.page()
        assert watched.faults == []


@pytest.fixture
def admin(visitor: Page, web: WebProcess) -> Page:
    """A page of the first administrator, signed in by the one-time address."""
    visitor.goto(web.one_time)
    visitor.get_by_role("heading", name="Work list").wait_for()
    return visitor
