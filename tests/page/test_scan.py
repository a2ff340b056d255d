"""A scan's page: the image with its lesions, and how two of them are compared."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from common.audit.recorded_command import recorded_command
from common.domain.follow_up import ChangedLesion, FollowUp, LesionChange
from common.domain.installed_analyzer import InstalledAnalyzer
from common.domain.with_t1 import LesionOnT1, WithT1
from common.runtime.logger import get_log
from common.store.db_manager import DBManager
from tests.label_maps import MEANINGS
from tests.page.acts import dialog
from tests.page.browser import WebProcess, another, watched
from tests.page.heads import LESIONS, analyse_again, make_head, place_of

STUDY: dict[str, Any] = {"subject": "sub-01", "study": "0123456789abcdef"}


def mm_of(voxel: tuple[int, int, int]) -> str:
    """A place as the readout of the viewer has it."""
    return " ".join(f"{mm:.2f}" for mm in place_of(voxel))


@pytest.mark.long
def test_a_click_on_a_lesion_moves_the_crosshair_and_overlays_are_switched(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    key = make_head(store)
    admin.goto(f"{web.address}/scans/{key}")
    readout = admin.locator(".viewer-readout")
    expect(admin.locator(".flat-view")).to_have_count(0)  # WebGL draws
    rows = admin.get_by_role("region", name="Lesions", exact=True).get_by_role("row")
    for number, voxel in enumerate(LESIONS, start=1):
        rows.nth(number).get_by_role("button").click()
        expect(readout).to_have_attribute("data-mm", mm_of(voxel))
        expect(readout).to_contain_text(f"lesion {number}")
        expect(rows.nth(number)).to_have_attribute("aria-current", "true")
    expect(rows.nth(1)).to_contain_text("0.80")  # the confidence, as in the report's text
    expect(rows.nth(1)).to_contain_text("juxtacortical")
    expect(rows.nth(1)).to_contain_text("-24, -26, 31")
    summary = admin.get_by_role("region", name="Lesions", exact=True)
    expect(summary).to_contain_text("2 juxtacortical (3.46 ml)")
    overlays = admin.get_by_role("group", name="Overlays")
    expect(overlays.get_by_text("Lesion", exact=True)).to_be_visible()  # what the colour means
    expect(overlays.get_by_label("Colour of lesion")).to_have_value("#ff4d3d")
    admin.get_by_role("checkbox", name="Brain").check()
    expect(readout).to_contain_text("one")
    admin.get_by_role("checkbox", name="Lesions").uncheck()
    expect(readout).not_to_contain_text("lesion")
    admin.get_by_role("application").focus()
    admin.keyboard.press("PageUp")
    x, y, z = LESIONS[1]
    expect(readout).to_have_attribute("data-mm", mm_of((x, y, z + 1)))


def test_names_of_labels_in_front_of_a_map_do_not_shift_it(
    admin: Page, web: WebProcess, store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label in range(100, 120):  # more text than the longest header
        monkeypatch.setitem(MEANINGS, label, "x" * 80)
    admin.goto(f"{web.address}/scans/{make_head(store)}")
    rows = admin.get_by_role("region", name="Lesions", exact=True).get_by_role("row")
    for number, voxel in enumerate(LESIONS, start=1):
        rows.nth(number).get_by_role("button").click()
        readout = admin.locator(".viewer-readout")
        expect(readout).to_have_attribute("data-mm", mm_of(voxel))
        expect(readout).to_contain_text(f"lesion {number}")


@pytest.mark.long
def test_the_report_leads_to_all_limits_of_its_analyzer(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    admin.goto(f"{web.address}/scans/{make_head(store)}")
    report = admin.get_by_role("region", name="Report", exact=True)
    expect(report).to_contain_text("More:")
    report.get_by_role("link", name="How well the analyzer volume reads, and its limits").click()
    expect(admin.get_by_role("heading", name="How well volume reads")).to_be_visible()
    expect(admin.get_by_role("cell", name="soft lesions, 1 mm", exact=True)).to_be_visible()
    admin.go_back()
    expect(report).to_be_visible()


@pytest.mark.long
@pytest.mark.parametrize("width", [1440, 820, 420])
def test_the_table_of_lesions_is_not_cut(
    admin: Page, web: WebProcess, store: DBManager, width: int
) -> None:
    key = make_head(store)
    admin.set_viewport_size({"width": width, "height": 900})
    admin.goto(f"{web.address}/scans/{key}")
    table = admin.get_by_role("region", name="Table of lesions")
    table.wait_for()
    assert table.evaluate("table => table.scrollWidth <= table.clientWidth")
    first = table.get_by_role("row").nth(1)
    for text in (
        "1.73 ml",
        "12\u00d712\u00d712 mm",
        "juxtacortical",
        "MNI -24, -26, 31",
        "slice 15",
    ):
        expect(first).to_contain_text(text)
    expect(first.get_by_text("Lesion", exact=True)).to_be_visible(visible=width == 420)


@pytest.mark.long
def test_two_revisions_and_two_scans_are_compared_with_linked_crosshairs(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    key = make_head(store, subject="subject-1")
    analyse_again(store, key, 1)
    other = make_head(store, subject="subject-1", lesions=1)
    admin.goto(f"{web.address}/scans/{key}")
    admin.get_by_text("What changed between two revisions").click()
    changes = admin.get_by_role("region", name="Changes")
    expect(changes.get_by_role("row", name="lesions, count")).to_contain_text("2")
    admin.get_by_role("link", name="Compare them in the image").click()
    expect(admin.get_by_role("heading", name="Compare two revisions")).to_be_visible()
    readouts = admin.locator(".viewer-readout")
    expect(readouts).to_have_count(2)

    admin.goto(f"{web.address}/scans/{key}")
    admin.get_by_role("link", name="Compare", exact=True).click()
    expect(admin).to_have_url(f"{web.address}/compare?a={key}&b={other}".replace("@", "%40"))
    expect(readouts).to_have_count(2)
    stages = admin.get_by_role("application")
    stages.first.focus()
    admin.keyboard.press("ArrowUp")
    moved = readouts.first.get_attribute("data-mm") or ""
    expect(readouts.nth(1)).to_have_attribute("data-mm", moved)
    admin.get_by_label("Move both crosshairs together").uncheck()
    stages.first.focus()
    admin.keyboard.press("ArrowUp")
    expect(readouts.first).not_to_have_attribute("data-mm", moved)
    expect(readouts.nth(1)).to_have_attribute("data-mm", moved)


def test_the_changes_since_the_previous_scan_are_shown_and_link_both_images(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    before = make_head(store, lesions=1, subject="subject-1")
    place = place_of(LESIONS[1])
    new = ChangedLesion(
        change=LesionChange.NEW, ids=(2,), volume_ml=1.728, previous_ml=0, centroid_mm=place
    )
    follow_up = FollowUp(
        previous_scan=before.partition("@")[0],
        previous_revision=1,
        previous_acquired_at=datetime(2025, 3, 1, tzinfo=UTC),
        days=365,
        new=1,
        grown=0,
        shrunk=0,
        stable=1,
        gone=0,
        doubtful=0,
        new_ml=1.728,
        lesions=(new,),
        brain_change_percent=-0.62,
        brain_error_percent=0.3,
        # Turned by 90 degrees about z: x becomes y.
        to_previous=((0, -1, 0, 4), (1, 0, 0, 8), (0, 0, 1, -4)),
    )
    now = make_head(store, subject="subject-1", follow_up=follow_up)
    admin.goto(f"{web.address}/scans/{now}")
    card = admin.get_by_role("region", name="Since the previous scan")
    expect(card).to_contain_text("acquired 2025-03-01, 365 days earlier")
    expect(card).to_contain_text("-0.6 %")
    expect(card.locator("dt", has_text="New lesions").locator("+ dd")).to_have_text("1 (1.73 ml)")
    card.get_by_role("button", name="New: 1.73 ml").click()
    expect(admin.locator(".viewer-readout")).to_have_attribute("data-mm", mm_of(LESIONS[1]))
    card.get_by_role("link", name="Compare the images").click()
    expect(admin).to_have_url(f"{web.address}/compare?a={now}&b={before}".replace("@", "%40"))
    expect(admin.get_by_text("The report aligned the two images")).to_be_visible()
    readouts = admin.locator(".viewer-readout")
    expect(readouts).to_have_count(2)
    stages = admin.get_by_role("application")
    stages.first.focus()
    admin.keyboard.press("ArrowUp")
    expect(readouts.nth(1)).to_have_attribute("data-mm", turned(readouts.first))
    stages.nth(1).focus()
    admin.keyboard.press("ArrowUp")
    expect(readouts.nth(1)).to_have_attribute("data-mm", turned(readouts.first))


def test_what_the_t1_scan_of_the_study_shows_is_shown_and_links_both_images(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    t1 = make_head(store, lesions=1)
    with_t1 = WithT1(
        t1_scan=t1.partition("@")[0],
        t1_revision=1,
        doubt="The intracranial volumes of the two scans differ by 6.2 %.",
        t1_intracranial_ml=600.3,
        intracranial_difference_percent=-6.2,
        grey_matter_ml=300,
        white_matter_ml=280.5,
        csf_ml=19.8,
        lesions=(LesionOnT1(id=1, not_white=0.93), LesionOnT1(id=2, not_white=0.05)),
        to_t1=((0, -1, 0, 4), (1, 0, 0, 8), (0, 0, 1, -4)),
    )
    flair = make_head(store, with_t1=with_t1)
    admin.goto(f"{web.address}/scans/{flair}")
    card = admin.get_by_role("region", name="With the T1 scan")
    expect(card).to_contain_text("Doubtful: The intracranial volumes of the two scans differ")
    expect(card.locator("dt", has_text="White matter").locator("+ dd")).to_have_text("281 ml")
    expect(card).to_contain_text("600 ml (-6.2 %)")
    expect(card.get_by_role("row")).to_have_count(0)  # the table of lesions has the shares
    rows = admin.get_by_role("region", name="Table of lesions").get_by_role("row")
    for row, share in ((1, "93 %"), (2, "5 %")):
        expect(rows.nth(row)).to_contain_text(f"T1: {share} not white matter")
    card.get_by_role("link", name="Compare with T1").click()
    expect(admin).to_have_url(f"{web.address}/compare?a={flair}&b={t1}".replace("@", "%40"))
    expect(admin.get_by_text("The report aligned the two images")).to_be_visible()
    readouts = admin.locator(".viewer-readout")
    expect(readouts).to_have_count(2)
    admin.get_by_role("application").first.focus()
    admin.keyboard.press("ArrowUp")
    expect(readouts.nth(1)).to_have_attribute("data-mm", turned(readouts.first))


def test_a_reading_with_t1_is_one_change_between_two_revisions(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    key = make_head(store)
    with_t1 = WithT1(
        t1_scan="0123456789abcdef0123456789abcdef",
        t1_revision=1,
        grey_matter_ml=300,
        lesions=tuple(LesionOnT1(id=n, not_white=0.5) for n in range(1, 30)),
        to_t1=((0, -1, 0, 4), (1, 0, 0, 8), (0, 0, 1, -4)),
    )
    analyse_again(store, key, 1, with_t1=with_t1)
    analyse_again(store, key, 1, with_t1=with_t1.model_copy(update={"grey_matter_ml": 301}))
    admin.goto(f"{web.address}/scans/{key}")
    admin.get_by_text("What changed between two revisions").click()
    changes = admin.get_by_role("region", name="Changes")
    rows = changes.get_by_role("row").filter(has_text="with t1")
    expect(rows.get_by_role("cell").last).to_have_text(
        "read together with the same T1 scan; 1 value changed"
    )
    admin.get_by_label("From", exact=True).select_option("1")
    expect(rows.get_by_role("cell")).to_have_text(
        ["none", f"read together with the T1 scan {with_t1.t1_scan[:8]}, revision 1"]
    )
    expect(changes.get_by_role("row", name="lesions, count")).to_contain_text("2")
    expect(changes.get_by_role("row", name="lesion 2").get_by_role("cell")).to_have_text(
        [re.compile("^1.73 ml, juxtacortical, at .* mm, brightness 1.50, confidence"), "not listed"]
    )
    assert changes.evaluate("table => table.scrollWidth <= table.clientWidth")


def test_the_changes_of_a_comparison_are_one_row_of_the_table(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    follow_up = FollowUp(
        previous_scan="0123456789abcdef0123456789abcdef",
        previous_revision=1,
        previous_acquired_at=datetime(2026, 1, 5, 9, tzinfo=UTC),
        days=30,
        new=1,
        grown=0,
        shrunk=0,
        stable=1,
        gone=0,
        doubtful=0,
        lesions=tuple(
            ChangedLesion(
                change=LesionChange.NEW,
                ids=(n,),
                volume_ml=1.728,
                previous_ml=0,
                centroid_mm=(n, 0, 0),
            )
            for n in range(1, 9)
        ),
        brain_change_percent=-1.25,
        to_previous=((0, -1, 0, 4), (1, 0, 0, 8), (0, 0, 1, -4)),
    )
    key = make_head(store)
    analyse_again(store, key, 2, follow_up=follow_up)
    admin.goto(f"{web.address}/scans/{key}")
    admin.get_by_text("What changed between two revisions").click()
    changes = admin.get_by_role("region", name="Changes")
    rows = changes.get_by_role("row").filter(has=admin.get_by_role("cell"))
    expect(rows).to_have_count(1)
    expect(rows.get_by_role("rowheader")).to_have_text("since the previous scan")
    expect(rows.get_by_role("cell")).to_have_text(
        [
            "none",
            f"compared with scan {follow_up.previous_scan[:8]}: 1 new, 0 grown, 0 shrunk, "
            "1 stable, 0 gone, 0 doubtful, brain volume -1.3 %",
        ]
    )


def test_the_history_says_why_a_scan_was_analysed_again(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    with recorded_command(store, "processor", get_log(), 10) as recorded:
        flair = make_head(recorded, read_as="flair", **STUDY)
        make_head(recorded, read_as="t1", **STUDY)
    admin.goto(f"{web.address}/scans/{flair}")
    history = admin.get_by_role("region", name="History")
    expect(history).to_contain_text("Reanalysis requested")
    expect(history).to_contain_text(": a T1 scan of its study was analysed")


def turned(readout: Locator) -> str:
    """Where the place under a crosshair lies in the previous scan."""
    x, y, z = (float(mm) for mm in (readout.get_attribute("data-mm") or "").split())
    return " ".join(f"{mm:.2f}" for mm in (-y + 4, x + 8, z - 4))


@pytest.mark.long
def test_a_scan_is_analysed_again_by_the_chosen_analyzer(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    key = make_head(store)
    store.units.beat(
        "fr-brain",
        [
            InstalledAnalyzer("other", "7", ("volume",)),
            InstalledAnalyzer("flat", "1", ("picture",)),
        ],
    )
    admin.goto(f"{web.address}/scans/{key}")
    admin.get_by_role("button", name="Analyse again").click()
    form = dialog(admin)
    analyzer = form.get_by_label("Analyzer")
    analyzer.select_option(label="flat 1")
    expect(form.get_by_text("flat 1 does not read scans of its type")).to_be_visible()
    expect(form.get_by_role("button", name="Analyse again: 0 scans")).to_be_disabled()
    analyzer.select_option(label="other 7")
    form.get_by_role("button", name="Analyse again: 1 scan").click()
    expect(form.get_by_text("1 scan scheduled for analysis")).to_be_visible()
    form.get_by_role("button", name="Close").last.click()
    expect(admin.get_by_role("list", name="Progress")).to_contain_text("Waiting")
    [claim] = store.claims.claim("owner", 1, 60, analyzers=["other 7"])
    assert (claim.scan.key, claim.analyzer) == (key, "other 7")


@pytest.mark.long
def test_without_webgl_the_image_is_shown_in_slices(
    chromium: Browser, web: WebProcess, store: DBManager
) -> None:
    key = make_head(store)
    with another(chromium, "--disable-3d-apis") as found, watched(found, web.address) as page:
        page.goto(web.one_time)
        page.get_by_role("heading", name="Work list").wait_for()
        page.goto(f"{web.address}/scans/{key}")
        expect(page.get_by_text("This browser has no WebGL 2")).to_be_visible()
        expect(page.get_by_role("img", name="Axial slice")).to_be_visible()
        expect(page.get_by_label("3-D", exact=True)).to_have_count(0)
        page.get_by_role("region", name="Lesions", exact=True).get_by_role("button").first.click()
        readout = page.locator(".viewer-readout")
        expect(readout).to_have_attribute("data-mm", mm_of(LESIONS[0]))
        axial = page.get_by_role("img", name=f"Axial slice {LESIONS[0][2] + 1} of 24")
        expect(axial).to_be_visible()
        red = "canvas => { const d = canvas.getContext('2d').getImageData(0, 0, canvas.width, \
            canvas.height).data; let n = 0; for (let i = 0; i < d.length; i += 4) \
            n += d[i] > d[i + 1] + 40; return n }"
        assert axial.evaluate(red) > 50  # the lesion's overlay is drawn


@pytest.mark.long
def test_a_scan_that_is_erased_shows_nothing_of_its_report_any_more(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    key = make_head(store)
    admin.goto(f"{web.address}/scans/{key}")
    expect(admin.get_by_role("region", name="Lesions", exact=True)).to_be_visible()
    admin.get_by_role("button", name="Erase", exact=True).click()
    dialog(admin).get_by_role("button", name="Erase for good").click()
    expect(admin.get_by_text("The scan was erased", exact=True)).to_be_visible()
    expect(admin.get_by_text("There is nothing to download")).to_be_visible()
    expect(admin.get_by_role("region", name="Lesions", exact=True)).to_have_count(0)
    expect(admin.get_by_text("Brain report of scan")).to_have_count(0)
    expect(admin.get_by_role("button", name="Try again")).to_have_count(0)
