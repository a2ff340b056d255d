"""Nothing on any page keeps somebody from using it, wide or narrow, light or dark."""

import pytest
from playwright.sync_api import Page

from common.domain.types import utc_now
from common.store.db_manager import DBManager
from tests.factories import make_failed
from tests.page.acts import dialog, post, settle
from tests.page.browser import AXE, WebProcess, serious
from tests.page.heads import analyse_again, make_head


def addresses_of(admin: Page, store: DBManager) -> list[str]:
    """Make something for each page to show; the addresses of all pages."""
    key, other = make_head(store, subject="s-1"), make_head(store, subject="s-1", lesions=1)
    analyse_again(store, key, 1)
    make_failed(store, 1)
    patient = post(admin, "/patients", name="Ada Example", age=54, pseudonyms=["s-1"])["id"]
    parts = [
        {"code": code, "value": value, "unit": "mm[Hg]"}
        for code, value in (("systolic", 120), ("diastolic", 80))
    ]
    taken = {"kind": "blood_pressure", "taken_at": utc_now().isoformat(), "components": parts}
    post(admin, f"/patients/{patient}/measurements", **taken)
    lists = "scans failures upload patients measurements users audit system account about none"
    return [
        *(f"/{name}" for name in lists.split()),
        f"/scans/{key}",
        f"/compare?a={key}&b={other}",
        f"/patients/{patient}",
    ]


@pytest.mark.long
@pytest.mark.parametrize("width", [1440, 900, 390])
def test_axe_finds_nothing_serious_on_any_page(
    admin: Page, web: WebProcess, store: DBManager, width: int
) -> None:
    assert AXE.exists(), "run npm ci"
    found = {}
    admin.set_viewport_size({"width": width, "height": 900})
    for address in addresses_of(admin, store):
        admin.goto(web.address + address)
        settle(admin)
        admin.emulate_media(color_scheme="light")
        found[address] = serious(admin)
        admin.emulate_media(color_scheme="dark")
        found[f"{address} dark"] = serious(admin, "color-contrast")
        if admin.evaluate("document.documentElement.scrollWidth") > width:
            found[f"{address} is too wide"] = ["it scrolls sideways"]
    if width < 900:
        admin.get_by_role("button", name="Open the navigation").click()
        dialog(admin)
        found["navigation"] = serious(admin)
        admin.get_by_role("dialog").get_by_role("link", name="Work list").click()
        admin.get_by_role("heading", name="Work list").wait_for()
    admin.goto(f"{web.address}/scans")
    admin.get_by_role("checkbox").nth(1).check()
    admin.get_by_role("button", name="Erase").click()
    dialog(admin)
    found["erase"] = serious(admin)
    faults = {address: some for address, some in found.items() if some}
    assert not faults, faults
