"""The page in Chromium. Without a Chromium or a built page, these tests are skipped; in CI, they
fail then."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from common.store.db_manager import DBManager
from tests.page.browser import WebProcess, browser, database_of, missing, watched


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
    process = WebProcess(tmp_path, **database_of(store))
    yield process
    process.stop()


@pytest.fixture
def visitor(chromium: Browser, web: WebProcess) -> Iterator[Page]:
    """A page of somebody who has not signed in."""
    with watched(chromium, web.address) as page:
        yield page


@pytest.fixture
def admin(visitor: Page, web: WebProcess) -> Page:
    """A page of the first administrator, signed in by the one-time address."""
    visitor.goto(web.one_time)
    visitor.get_by_role("heading", name="Work list").wait_for()
    return visitor
