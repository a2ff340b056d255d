"""``make screenshots``: pictures of each part of the page at three widths, light and dark, with
synthetic heads as its data."""

import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from common.runtime.console import write_text
from tests.page.browser import WatchedContext, WebProcess, browser, missing
from tests.processes import ports, start

WIDTHS = (1440, 900, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PAGES = {
    "work-list": "/scans",
    "failures": "/failures",
    "upload": "/upload",
    "patients": "/patients",
    "measurements": "/measurements",
    "users": "/users",
    "audit": "/audit",
    "system": "/system",
    "about": "/about",
}
SCANS = {"SCANS": "12", "SHAPE": "64", "BRAIN_PICTURES": "1", "WEB": "0", "SEED": "48"}


def settle(page: Page) -> None:
    """Wait until a page shows what it has."""
    page.get_by_role("heading", level=1).wait_for()
    page.get_by_text("Loading", exact=False).first.wait_for(state="hidden")


def take(found: Browser, web: WebProcess, out: Path) -> None:
    """Take all pictures."""
    with found.new_context() as context:
        page = WatchedContext(context, web.address).page()
        page.goto(web.one_time)
        settle(page)
        for name, path in PAGES.items():
            page.goto(web.address + path)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                for scheme in SCHEMES:
                    page.emulate_media(color_scheme=scheme)
                    settle(page)
                    page.screenshot(path=out / f"{name}-{width}-{scheme}.png")


def main() -> int:
    """Make scans, open the page and take the pictures."""
    lacking = missing()
    if lacking is not None:
        write_text(lacking + "\n")
        return 1
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fr-page-") as temporary:
        folder = Path(temporary)
        data = str(folder / "data")
        units = start(
            "common.launcher.launcher", folder / "all.log", DATA_DIR=data, **SCANS, **ports()
        )
        if units.wait(600) != 0:
            write_text((folder / "all.log").read_text())
            return 1
        web = WebProcess(folder)
        with browser() as found:
            take(found, web, out)
        web.stop()
    write_text(f"{len(list(out.glob('*.png')))} pictures are in {out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
