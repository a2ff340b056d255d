"""An ECG on the page: drawn, scrolled and zoomed to the whole recording, with its measures; and the
page of a user who sends ECGs to their own account."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_brain.analyzers.ecg.ecg_analyzer import EcgAnalyzer
from fr_pacs.sources.ecg.source import EcgSource
from tests.factories import make_report
from tests.page.acts import add_user, dialog, drop, post, settle, sign_in, upload_of
from tests.page.browser import WebProcess, database_of, serious
from tests.processes import start, stop

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


@pytest.mark.long
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
    place = admin.get_by_role("slider", name="Position in the recording")
    place.press("Home")
    expect(canvas).to_have_attribute("data-start", "0.000")
    box = canvas.bounding_box()
    assert box is not None
    admin.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    admin.mouse.down()
    admin.mouse.move(box["x"] + box["width"] / 4, box["y"] + 50, steps=4)
    admin.mouse.up()
    assert shown(admin)[0] == pytest.approx(2.5, abs=0.2)
    measures = admin.get_by_role("region", name="Measurements")
    expect(measures.get_by_role("row", name=re.compile("Heart rate"))).to_contain_text("per minute")
    leads = admin.get_by_role("region", name="Leads")
    expect(leads.get_by_role("row")).to_have_count(4)
    expect(admin.get_by_role("heading", name="Intervals between beats")).to_be_visible()


def until_drawn(page: Page) -> None:
    expect(page.get_by_text("Loading the samples")).to_have_count(0)
    for name in ("paper", "overview"):
        handle = page.locator(f".ecg-{name} canvas").element_handle()
        page.wait_for_function(f"canvas => ({INK})(canvas) > 1", arg=handle)


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize("width", [1440, 820, 420])
def test_the_tables_of_an_ecg_are_readable(
    admin: Page, web: WebProcess, store: DBManager, width: int
) -> None:
    key = analysed(store, 5000, 12)
    admin.set_viewport_size({"width": width, "height": 900})
    admin.goto(f"{web.address}/scans/{key}")
    for name in ("Measurements", "Leads"):
        table = admin.get_by_role("region", name=name, exact=True).get_by_role("table")
        table.wait_for()
        wide = table.evaluate("table => table.scrollWidth - table.parentElement.clientWidth")
        assert wide <= 0, name
    # Why a value is not given takes a few lines, not one for each word.
    reason = admin.get_by_text("not given: needs 60 s of normal beats", exact=False).first
    box = reason.bounding_box()
    assert box is not None
    assert box["width"] > 140
    assert box["height"] < 90


@pytest.mark.long
def test_the_work_list_shows_heart_rates_and_durations(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    analysed(store, 75_000, 1)
    admin.goto(f"{web.address}/scans")
    row = admin.get_by_role("row").nth(1)
    expect(row).to_contain_text("2 min 30 s, 1 lead")
    expect(row).to_contain_text(re.compile(r"[0-9]+ bpm"))


def synthetic(samples: int, leads: int) -> dict[str, object]:
    """A synthetic ECG as the API takes it, at 500 Hz."""
    [task] = EcgSource("mr-1", 1, 7, (samples, leads))
    loaded = task.load()
    values = np.asarray(loaded.scan.array(loaded.voxels), float).T
    signal = loaded.scan.signal
    assert signal is not None
    return {
        "sampling_rate_hz": signal.sampling_rate_hz,
        "leads": [
            {"name": name, "signal": lead.round(4).tolist()}
            for name, lead in zip(signal.leads, values, strict=True)
        ],
    }


@contextlib.contextmanager
def brain(store: DBManager) -> Iterator[None]:
    """A Fr-BRAIN."""
    process = start("fr_brain", None, BRAIN_PROCESSES="1", **database_of(store))
    try:
        yield
    finally:
        assert stop(process) == 0


@pytest.fixture
def submitter(visitor: Page, web: WebProcess, store: DBManager) -> Page:
    """A page of a user who has the role ``submitter`` alone."""
    add_user(store, "jane", Role.SUBMITTER)
    visitor.goto(web.address)
    sign_in(visitor, "jane")
    visitor.get_by_role("heading", name="Your ECGs", level=1).wait_for()
    return visitor


@pytest.mark.long
def test_a_submitter_sends_an_ecg_sees_what_was_found_and_erases_it(
    submitter: Page, store: DBManager, tmp_path: Path
) -> None:
    refused: list[str] = []
    submitter.on(
        "response", lambda one: refused.append(one.url) if one.status in (401, 403) else None
    )
    places = submitter.get_by_role("navigation").get_by_role("link")
    expect(places).to_have_text(["Your ECGs", "Your account", "About"])
    expect(submitter.get_by_text("You have no ECGs yet")).to_be_visible()
    record = tmp_path / "heart.json"
    record.write_text(json.dumps(synthetic(5000, 12)))
    small = tmp_path / "small.json"
    lead = {"name": "I", "number_of_samples": 8, "signal": [1, 0, -1, 0, 1, 0, 0, 1]}
    small.write_text(json.dumps({"leads": [lead]}))
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"leads": [{**lead, "number_of_samples": 9}]}))
    zone = submitter.get_by_text("Drop files or folders here")
    drop(submitter, zone, [small, wrong])
    expect(upload_of(submitter, "wrong.json").get_by_text("number_of_samples")).to_be_visible()
    rows = submitter.get_by_role("region", name="Your ECGs").get_by_role("row")
    expect(rows).to_have_count(2)
    drop(submitter, zone, [record])
    expect(rows).to_have_count(3)
    newest, oldest = rows.nth(1), rows.nth(2)
    expect(newest).to_contain_text("12 leads")
    expect(newest).to_contain_text("Waiting")
    with brain(store):
        for row in (newest, oldest):
            expect(row).to_contain_text("Done")
    expect(newest).to_contain_text(re.compile(r"\d per minute\s*Usable\s*12 leads\s*10 s"))
    expect(oldest).to_contain_text(re.compile(r"Limited quality\s*I\s*8 samples"))

    newest.get_by_role("link").click()
    until_drawn(submitter)
    # Also a recording that does not fill the paper.
    expect(submitter.get_by_text("25 mm/s, 10 mm/mV", exact=False)).to_be_visible()
    width = submitter.locator(".ecg-paper canvas").bounding_box()["width"]  # type: ignore[index]
    assert shown(submitter)[1] == pytest.approx(width / (25 * 96 / 25.4), rel=0.01)
    assert shown(submitter)[1] > 10
    submitter.get_by_role("button", name="Whole recording").click()
    expect(submitter.locator(".ecg-paper canvas")).to_have_attribute("data-seconds", "10.000")
    leads = submitter.get_by_role("region", name="Leads").get_by_role("row")
    expect(leads).to_have_count(13)
    measures = submitter.get_by_role("region", name="Measurements")
    expect(measures.get_by_role("row", name=re.compile("Heart rate"))).to_contain_text("per minute")
    submitter.go_back()
    oldest.get_by_role("link").click()
    expect(leads).to_have_count(2)
    expect(leads.nth(1).get_by_role("cell").last).to_have_text("2")
    until_drawn(submitter)

    submitter.get_by_role("button", name="Erase").click()
    dialog(submitter).get_by_role("button", name="Erase the ECG").click()
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("12 leads")
    assert store.queries.count_states()["Done"] == 1
    assert refused == []


@pytest.mark.long
@pytest.mark.parametrize("width", [1440, 390])
def test_a_submitters_pages_are_usable(submitter: Page, web: WebProcess, width: int) -> None:
    ecg = post(submitter, "/ecgs", **synthetic(5000, 12))["id"]
    submitter.set_viewport_size({"width": width, "height": 900})
    for address in ("/my-ecgs", f"/my-ecgs/{ecg}"):
        submitter.goto(web.address + address)
        settle(submitter)
        for scheme in ("light", "dark"):
            submitter.emulate_media(color_scheme=scheme)
            assert serious(submitter) == []
        assert submitter.evaluate("document.documentElement.scrollWidth") <= width
