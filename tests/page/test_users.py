"""Users with their tokens, and what the audit trail says of it."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from common.domain.user import Role
from common.store.db_manager import DBManager
from tests.page.acts import add_user, dialog, go
from tests.page.browser import WebProcess
from tests.running import until


@pytest.mark.long
def test_a_token_works_until_it_is_revoked_and_the_audit_trail_has_both(
    admin: Page, web: WebProcess, chromium: Browser
) -> None:
    go(admin, "Users")
    admin.get_by_role("button", name="Add a user").click()
    form = dialog(admin)
    form.get_by_label("Name").fill("robot")
    form.get_by_role("button", name="Add", exact=True).click()
    expect(admin.get_by_role("row").filter(has_text="robot")).to_contain_text("tokens")
    admin.get_by_role("button", name="Tokens of robot").click()
    tokens = dialog(admin)
    tokens.get_by_label("What is it for?").fill("nightly export")
    tokens.get_by_role("button", name="Create a token").click()
    token = tokens.locator("code").inner_text()

    with chromium.new_context(extra_http_headers={"Authorization": f"Bearer {token}"}) as script:

        def status() -> int:
            return script.request.get(f"{web.address}/api/v1/scans").status

        assert status() == 200
        tokens.get_by_role("button", name="Revoke nightly export").click()
        expect(tokens.get_by_text("There are no tokens yet")).to_be_visible()
        until(lambda: status() == 401, 30)
    tokens.get_by_role("button", name="Close").click()

    go(admin, "Audit trail")
    admin.get_by_label("User").fill("robot")
    table = admin.get_by_role("region", name="Events")
    expect(table.get_by_role("row").filter(has_text="List read").first).to_be_visible()
    admin.get_by_label("User").fill("admin")
    admin.get_by_label("Kind").select_option(label="Deletion")
    expect(table.get_by_role("row").filter(has_text="tokens").first).to_be_visible()
    expect(table.get_by_text("Sign-in")).to_be_hidden()


@pytest.mark.long
def test_a_user_who_was_changed_meanwhile_is_not_overwritten(admin: Page, store: DBManager) -> None:
    add_user(store, "ada", Role.READER)
    go(admin, "Users")
    admin.get_by_role("button", name="Edit ada").click()
    assert store.users.change("ada", roles=[Role.READER, Role.AUDITOR])
    form = dialog(admin)
    form.get_by_label(re.compile("^clinician")).check()
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("Somebody else changed this user")
    form.get_by_role("button", name="Cancel").click()
    expect(admin.get_by_role("row").filter(has_text="ada")).to_contain_text("auditor")
