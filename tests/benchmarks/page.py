"""How soon the page shows something: in Chromium on this machine, without a GPU, cache empty."""

import statistics

from playwright.sync_api import Browser, Page

from tests.benchmarks.figures import Figures, Missing
from tests.page.browser import browser, missing
from tests.running import until

LOADS = 5

_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_FRAME = """until => new Promise(done => {
    const look = () => document.querySelector(until)
        // What a frame shows was drawn when the next one begins.
        ? requestAnimationFrame(() => done(performance.now())) : requestAnimationFrame(look);
    look();
})"""
_SLICE = ".viewer-stage[data-level]"
_WHOLE = ".viewer-stage[data-level='0'][aria-busy='false']"


def opened(address: str, user: str, password: str, key: str) -> Figures:
    """Medians of some loads, ms since the navigation began.

    Args:
        address: of the API.
        user: signs in with ``password``.
        password: of the user.
        key: of a scan whose image is shown.

    Raises:
        Missing: no Chromium, or the page is not built.
    """
    lacking = missing()
    if lacking is not None:
        raise Missing(lacking)
    with browser() as found:
        loads = [_load(found, address, user, password, key) for _ in range(LOADS)]
    return {name: statistics.median(load[name] for load in loads) for name in loads[0]}


def _load(found: Browser, address: str, user: str, password: str, key: str) -> Figures:
    with found.new_context(viewport={"width": 1440, "height": 900}) as context:
        answer = context.request.post(
            f"{address}/api/v1/session", data={"user": user, "password": password}
        )
        assert answer.ok, answer.text()
        page = context.new_page()
        page.goto(f"{address}/scans")
        page.get_by_role("heading", level=1).wait_for()
        until(lambda: _paint(page) > 0, 30)
        paint = _paint(page)
        with found.new_context(storage_state=context.storage_state()) as empty:
            scan = empty.new_page()
            scan.goto(f"{address}/scans/{key}", wait_until="commit")
            return {
                "first paint ms": paint,
                "first slice ms": float(scan.evaluate(_FRAME, _SLICE)),
                "whole image ms": float(scan.evaluate(_FRAME, _WHOLE)),
            }


def _paint(page: Page) -> float:
    return float(page.evaluate(_PAINT))
