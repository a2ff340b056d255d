"""Patients: made, changed by two people at once, and deleted with all that is theirs."""

import re

import pytest
from playwright.sync_api import Page, expect

from common.store.db_manager import DBManager
from tests.page.acts import dialog, go
from tests.page.browser import WebProcess
from tests.page.heads import make_head


def add_patient(page: Page, name: str, **fields: str) -> None:
    """Add a patient, whose page opens."""
    go(page, "Patients")
    page.get_by_role("button", name="Add a patient").first.click()
    form = dialog(page)
    form.get_by_label("Name").fill(name)
    for label, value in fields.items():
        form.get_by_label(label).fill(value)
    form.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("heading", name=name).wait_for()


@pytest.mark.long
def test_two_people_who_edit_a_patient_do_not_overwrite_each_other(admin: Page) -> None:
    add_patient(admin, "Grace Example", Conditions="migraine")
    other = admin.context.new_page()
    other.goto(admin.url)
    for page in (admin, other):
        page.get_by_role("button", name="Edit").click()
    theirs = dialog(other)
    theirs.get_by_label("Conditions").fill("migraine\nasthma")
    theirs.get_by_role("button", name="Save").click()
    expect(other.get_by_text("migraine, asthma")).to_be_visible()
    # The page reads the patient again when one comes back to its window after a while.
    admin.clock.install()
    admin.clock.fast_forward(60_000)
    admin.evaluate("window.dispatchEvent(new Event('visibilitychange'))")
    expect(admin.get_by_text("migraine, asthma")).to_be_visible()
    ours = dialog(admin)
    ours.get_by_label("Conditions").fill("migraine\nepilepsy")
    ours.get_by_role("button", name="Save").click()
    expect(ours.get_by_role("alert")).to_be_visible()
    ours.get_by_role("button", name="Cancel").click()
    admin.reload()
    expect(admin.get_by_text("migraine, asthma")).to_be_visible()


@pytest.mark.long
def test_a_patient_is_deleted_with_its_scans_after_a_confirmation(
    admin: Page, web: WebProcess, store: DBManager
) -> None:
    key = make_head(store, subject="pseudonym-1")
    add_patient(admin, "Alan Example", Pseudonyms="pseudonym-1", Age="54")
    expect(admin.get_by_role("link", name=key)).to_be_visible()
    admin.get_by_role("button", name="Delete", exact=True).click()
    form = dialog(admin)
    expect(form.get_by_text("erases 1 scan with all reports")).to_be_visible()
    form.get_by_role("button", name="Keep the patient").click()
    admin.get_by_role("button", name="Delete", exact=True).click()
    dialog(admin).get_by_role("button", name="Delete the patient and erase 1 scan").click()
    expect(admin.get_by_text("There are no patients yet")).to_be_visible()
    expect(admin).to_have_url(re.compile("/patients$"))
    admin.goto(f"{web.address}/scans/{key}")
    expect(admin.get_by_text("The scan was erased")).to_be_visible()
