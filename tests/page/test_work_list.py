"""The work list and what surrounds it, as people use them."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from common.domain.scan_key import scan_id_of
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import make_failed, make_scan
from tests.page.browser import WebProcess
from tests.page.heads import make_head


def add_scans(store: DBManager, n: int, **overrides: object) -> list[str]:
    """Waiting scans; their ids."""
    made = [make_scan(**overrides) for _ in range(n)]
    store.scans.add([NewScan(scan, voxels) for scan, voxels in made])
    return [scan.scan_id for scan, _ in made]


@pytest.mark.long
def test_the_one_time_address_signs_in_and_stays_in_no_history(
    admin: Page, web: WebProcess
) -> None:
    expect(admin).to_have_url(f"{web.address}/scans")
    expect(admin.get_by_text("No scans yet")).to_be_visible()
    assert admin.evaluate("window.history.state && window.location.hash") in (None, "")
    admin.get_by_role("button", name="Sign out").click()
    expect(admin.get_by_role("heading", name="Sign in to Fr")).to_be_visible()
    admin.goto(web.one_time)
    expect(admin.get_by_role("alert")).to_contain_text("start `make web` again")


def test_a_scan_appears_by_itself_and_a_filter_is_kept_in_the_address(
    admin: Page, store: DBManager
) -> None:
    (scan_id,) = add_scans(store, 1)
    expect(admin.get_by_role("link", name=scan_id)).to_be_visible()
    make_failed(store, 1)
    failed = admin.get_by_role("button", name=re.compile("Failed"))
    failed.click()
    expect(admin).to_have_url(re.compile(r"\?state=failed$"))
    expect(admin.get_by_role("link", name=scan_id)).to_be_hidden()
    admin.reload()
    expect(failed).to_have_attribute("aria-pressed", "true")
    expect(admin.get_by_text("no brain in it")).to_be_visible()


def test_a_scan_that_comes_before_the_stream_of_events_opens_is_shown(
    visitor: Page, web: WebProcess, store: DBManager
) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visitor.route("**/api/v1/events", hold)
    visitor.goto(web.one_time)
    expect(visitor.get_by_text("No scans yet")).to_be_visible()
    (scan_id,) = add_scans(store, 1)
    for route in held:
        route.continue_()
    expect(visitor.get_by_role("link", name=scan_id)).to_be_visible()


@pytest.mark.long
def test_scans_with_lesions_are_found(admin: Page, store: DBManager) -> None:
    found, clean = make_head(store), make_head(store, lesions=0)
    links = [admin.get_by_role("link", name=scan_id_of(key)) for key in (found, clean)]
    expect(links[1]).to_be_visible()
    expect(admin.get_by_text("2 lesions, 3.5 ml")).to_be_visible()
    admin.get_by_label("Lesions").select_option("With lesions")
    expect(links[1]).to_be_hidden()
    expect(links[0]).to_be_visible()
    expect(admin).to_have_url(re.compile(r"lesions=with$"))
    admin.get_by_label("Lesions").select_option("Without lesions")
    expect(links[0]).to_be_hidden()
    expect(links[1]).to_be_visible()


def test_scans_without_a_contrast_in_their_header_show_what_they_were_read_as(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    t1 = make_head(store, lesions=0, read_as="t1", subject="sub-1")
    flair = make_head(store, lesions=0, read_as="flair", subject="sub-1")
    rows = {key: admin.get_by_role("row").filter(has_text=scan_id_of(key)) for key in (t1, flair)}
    expect(rows[t1].locator(".cell-kind")).to_contain_text("MR T1")
    expect(rows[t1].locator(".cell-result")).to_contain_text("none seen (T1)")
    expect(rows[flair].locator(".cell-kind")).to_contain_text("MR FLAIR")
    expect(rows[flair].locator(".cell-result")).to_contain_text("0 lesions")
    admin.goto(f"{web.address}/scans/{flair}")
    kind = admin.locator("dt", has_text="Kind").locator("+ dd")
    expect(kind).to_have_text("volume, MR, FLAIR")
    others = admin.get_by_role("region", name="Other scans of this subject")
    expect(others).to_contain_text(f"{scan_id_of(t1)[:8]}, T1")
    others.get_by_role("link", name="Compare").click()
    expect(admin.get_by_role("heading", name=f"Scan {scan_id_of(t1)[:8]}, T1")).to_be_visible()


@pytest.mark.long
def test_many_scans_are_erased_after_a_preview_with_an_outcome_for_each(
    admin: Page, store: DBManager
) -> None:
    add_scans(store, 3)
    expect(admin.get_by_text("All 3 scans shown")).to_be_visible()
    admin.get_by_label("Select all loaded scans").check()
    admin.get_by_role("button", name="Erase").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog.get_by_text("3 scans will be erased")).to_be_visible()
    confirm = dialog.get_by_role("button", name="Erase: 3 scans")
    expect(confirm).to_be_disabled()
    dialog.get_by_label("Erase 3 scans for good").check()
    confirm.click()
    expect(dialog.get_by_text("3 scans erased")).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    expect(admin.get_by_role("row").filter(has_text="Erased")).to_have_count(3)


@pytest.mark.long
def test_failed_scans_are_requeued_by_their_cause(admin: Page, store: DBManager) -> None:
    make_failed(store, 2, "no brain in it")
    make_failed(store, 1, "too dark")
    admin.get_by_role("link", name="Failed scans").click()
    cause = admin.get_by_role("listitem").filter(has_text="no brain in it").first
    cause.get_by_role("button", name="Requeue all 2").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_role("button", name="Requeue: 2 scans").click()
    expect(dialog.get_by_text("2 scans requeued")).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    expect(admin.get_by_text("no brain in it")).to_be_hidden()
    expect(admin.get_by_text("too dark")).to_be_visible()


def test_an_ended_session_asks_to_sign_in_where_one_is(admin: Page, store: DBManager) -> None:
    search = admin.get_by_label("Search")
    search.fill("scan-1")
    expect(admin).to_have_url(re.compile("text=scan-1"))
    store.sessions.end_of("admin")
    # The page notices by itself, by its stream of events or its next question.
    expect(admin.get_by_role("dialog")).to_contain_text("Your session has ended")
    expect(admin.get_by_label("Password")).to_be_focused()
    expect(admin).to_have_url(re.compile("text=scan-1"))
    expect(search).to_have_value("scan-1")
