"""An ECG on the page: drawn, scrolled and zoomed to the whole recording, with its measures."""

import re

import pytest
from playwright.sync_api import Page, expect

from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_brain.analyzers.ecg.ecg_analyzer import EcgAnalyzer
from fr_pacs.sources.ecg.source import EcgSource
from tests.factories import make_report
from tests.page.browser import WebProcess, serious

INK = """canvas => {
    const { width, height } = canvas;
    const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4) colours.add(data[at] * 65536 + data[at + 1] * 256);
    return colours.size;
}"""
"""How many colours a canvas has: a blank one has one."""


def analysed(store: DBManager, samples: int, leads: int) -> str:
    """A synthetic ECG with its report; its key."""
    [task] = EcgSource("mr-1", 1, 7, (samples, leads))
    loaded = task.load()
    scan = loaded.scan
    store.scans.add([NewScan(scan, bytes(loaded.voxels))])
    [claim] = store.claims.claim("worker", 1, 60)
    findings = EcgAnalyzer().analyse(scan, scan.array(loaded.voxels))
    store.claims.complete([(claim, make_report(scan, findings=findings))])
    return scan.key


def shown(page: Page) -> tuple[float, float]:
    """The time at the left edge of the drawing, and how much it shows, seconds."""
    canvas = page.locator(".ecg-paper canvas")
    return tuple(float(canvas.get_attribute(f"data-{one}") or 0) for one in ("start", "seconds"))  # type: ignore[return-value]


def test_an_ecg_is_drawn_scrolled_and_zoomed(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    key = analysed(store, 10_000, 3)
    admin.goto(f"{web.address}/scans/{key}")
    canvas = admin.locator(".ecg-paper canvas")
    expect(canvas).to_be_visible()
    expect(admin.get_by_text("25 mm/s", exact=False).first).to_be_visible()
    until_drawn(admin)
    start, seconds = shown(admin)
    assert start == 0
    assert 25 * seconds * 96 / 25.4 == pytest.approx(canvas.bounding_box()["width"], rel=0.01)  # type: ignore[index]
    paper = admin.get_by_role("application")
    paper.press("ArrowRight")
    expect(canvas).not_to_have_attribute("data-start", "0.000")
    paper.press("End")
    expect(canvas).to_have_attribute("data-start", f"{20 - seconds:.3f}")
    admin.get_by_role("button", name="Whole recording").click()
    expect(canvas).to_have_attribute("data-seconds", "20.000")
    until_drawn(admin)
    admin.get_by_role("button", name="Zoom in").click()
    expect(canvas).to_have_attribute("data-seconds", "10.000")
    place = admin.get_by_role("slider", name="Place in the recording")
    place.press("Home")
    expect(canvas).to_have_attribute("data-start", "0.000")
    box = canvas.bounding_box()
    assert box is not None
    admin.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    admin.mouse.down()
    admin.mouse.move(box["x"] + box["width"] / 4, box["y"] + 50, steps=4)
    admin.mouse.up()
    assert shown(admin)[0] == pytest.approx(2.5, abs=0.2)
    measures = admin.get_by_role("region", name="Measures")
    expect(measures.get_by_role("row", name=re.compile("Heart rate"))).to_contain_text("per minute")
    leads = admin.get_by_role("region", name="Leads")
    expect(leads.get_by_role("row")).to_have_count(4)
    expect(admin.get_by_role("heading", name="Intervals between beats")).to_be_visible()


def until_drawn(page: Page) -> None:
    expect(page.get_by_text("Loading the samples")).to_have_count(0)
    for name in ("paper", "overview"):
        handle = page.locator(f".ecg-{name} canvas").element_handle()
        page.wait_for_function(f"canvas => ({INK})(canvas) > 1", arg=handle)


@pytest.mark.sample(1)
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_serious(
    admin: Page, web: WebProcess, store: DBManager, width: int
) -> None:
    key = analysed(store, 5000, 12)
    admin.set_viewport_size({"width": width, "height": 900})
    admin.goto(f"{web.address}/scans/{key}")
    admin.get_by_role("heading", name="Traces").wait_for()
    until_drawn(admin)
    for scheme in ("light", "dark"):
        admin.emulate_media(color_scheme=scheme)
        assert serious(admin) == []
    assert admin.evaluate("document.documentElement.scrollWidth") <= width
