"""What people do on the page, for its tests."""

from collections.abc import Sequence
from pathlib import Path

from argon2 import PasswordHasher
from playwright.sync_api import Locator, Page, expect

from common.domain.types import DEFAULT_TENANT
from common.domain.user import Role
from common.store.db_manager import DBManager

PASSWORD = "correct horse battery"  # noqa: S105 - of users that only tests have
_FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def add_user(store: DBManager, name: str, *roles: Role) -> None:
    """Add a user with ``PASSWORD``."""
    assert store.users.add(name, DEFAULT_TENANT, roles, _FAST.hash(PASSWORD))


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Sign in where the page asks for it."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


def go(page: Page, place: str) -> None:
    """Go to a part of the page by the navigation."""
    page.get_by_role("navigation").get_by_role("link", name=place, exact=True).click()
    page.get_by_role("heading", name=place, level=1).wait_for()


def drop(page: Page, onto: Locator, paths: Sequence[Path]) -> None:
    """Drag files or folders from outside of the browser, and drop them."""
    onto.scroll_into_view_if_needed()
    box = onto.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
    session.detach()


_POST = """async ([path, body]) => {
    const { csrf } = await (await fetch("/api/v1/session")).json();
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
    return (await fetch(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}"""


def post(page: Page, path: str, **body: object) -> dict[str, object]:
    """Call the API as the page does; the answer."""
    answer: dict[str, object] = page.evaluate(_POST, [f"/api/v1{path}", body])
    return answer


def settle(page: Page) -> None:
    """Wait until the page shows what it has, the image included."""
    page.get_by_role("heading", level=1).wait_for()
    expect(page.get_by_text("Loading", exact=False)).to_have_count(0)
    expect(page.locator(".viewer-stage[aria-busy=true], .viewer-wait")).to_have_count(0)


def dialog(page: Page) -> Locator:
    """The open dialog."""
    found = page.get_by_role("dialog")
    expect(found).to_be_visible()
    return found


def upload_of(page: Page, title: str) -> Locator:
    """The card of an upload."""
    return page.get_by_role("region", name=title, exact=True)
