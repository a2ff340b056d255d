"""The first day with Fr, on the page alone and with all units running."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from common.store.db_manager import DBManager
from tests.evaluation.real import COLIN
from tests.page.acts import PASSWORD, dialog, drop, go, sign_in, upload_of
from tests.page.browser import WebProcess, database_of, watched
from tests.page.heads import phantom_file
from tests.processes import ports


@pytest.fixture
def web(store: DBManager, tmp_path: Path) -> Iterator[WebProcess]:
    """``make all`` without synthetic scans."""
    given = {**ports(), **database_of(store), "SCANS": "0", "BRAIN_PROCESSES": "1"}
    units = WebProcess(tmp_path, "common.launcher.launcher", **given)
    yield units
    units.stop()


@pytest.mark.slow
def test_from_the_first_upload_to_a_reader_who_is_refused_the_audit_trail(
    admin: Page, web: WebProcess, chromium: Browser, tmp_path: Path
) -> None:
    head, phantom = tmp_path / "ch2.nii.gz", tmp_path / "phantom.nii"
    if not (COLIN / head.name).exists():
        pytest.skip("no Colin27: Debian's package mricron-data")
    shutil.copy(COLIN / head.name, head)
    phantom.write_bytes(phantom_file())
    go(admin, "Upload")
    drop(admin, admin.get_by_text("Drop files or folders here"), [head, phantom])

    open_when_done(admin, upload_of(admin, head.name))
    expect(admin.get_by_role("region", name="Lesions", exact=True)).to_contain_text("None")
    admin.get_by_label("3-D").check()
    stage = admin.get_by_role("application")
    expect(stage).to_have_attribute("aria-busy", "false")
    expect(stage).to_be_visible()

    go(admin, "Upload")
    open_when_done(admin, upload_of(admin, phantom.name))
    readout = admin.locator(".viewer-readout")
    before = readout.get_attribute("data-mm") or ""
    lesions = admin.get_by_role("region", name="Lesions", exact=True).get_by_role("row")
    lesions.nth(1).get_by_role("button").click()
    expect(readout).to_contain_text("lesion 1")
    expect(readout).not_to_have_attribute("data-mm", before)

    go(admin, "Patients")
    admin.get_by_role("button", name="Add a patient").first.click()
    form = dialog(admin)
    form.get_by_label("Name").fill("Ada Example")
    form.get_by_role("button", name="Add", exact=True).click()
    admin.get_by_role("heading", name="Ada Example").wait_for()
    for systolic, diastolic in ((128, 82), (121, 79)):
        add_pressure(admin, systolic, diastolic)
        expect(admin.get_by_text(f"{systolic}/{diastolic} mmHg").first).to_be_visible()
    # Both are of this minute or of two: either way, no mean is called a value.
    trend = admin.locator("figure.trend figcaption")
    expect(trend).to_contain_text(
        re.compile("Systolic: 2 values, 121 to 128 mmHg, last 121( and|[.])")
    )

    go(admin, "Users")
    admin.get_by_role("button", name="Add a user").click()
    form = dialog(admin)
    form.get_by_label("Name").fill("grace")
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button", name="Add", exact=True).click()
    expect(admin.get_by_role("row").filter(has_text="grace")).to_contain_text("reader")
    with watched(chromium, web.address) as reader:
        reader.goto(web.address)
        sign_in(reader, "grace")
        expect(reader.get_by_role("link", name="Audit trail")).to_have_count(0)
        reader.goto(f"{web.address}/audit")
        expect(reader.get_by_text("This page needs the right “audit”")).to_be_visible()
        assert reader.request.get(f"{web.address}/api/v1/audit").status == 403


def open_when_done(page: Page, card: Locator) -> None:
    """Go from an upload to its scan, while that is analysed, and stay until it is done."""
    card.get_by_role("list", name="Scans of this upload").get_by_role("link").click()
    steps = page.get_by_role("list", name="Progress").get_by_role("listitem")
    expect(steps.filter(has_text="Delivered")).to_have_attribute("data-state", "done")


def add_pressure(page: Page, systolic: int, diastolic: int) -> None:
    """Add a blood pressure to the patient whose page is open."""
    page.get_by_role("button", name="Add a measurement").first.click()
    form = dialog(page)
    form.get_by_label("Systolic").fill(str(systolic))
    form.get_by_label("Diastolic").fill(str(diastolic))
    form.get_by_role("button", name="Add", exact=True).click()
    expect(form).to_be_hidden()
