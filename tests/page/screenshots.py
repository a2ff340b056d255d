"""``make screenshots``: pictures of each part of the page at three widths, light and dark, with
synthetic heads as its data; and the two pictures of the page in the README."""

import sys
import tempfile
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page

from common.runtime.console import write_text
from common.store.db_manager import DBManager
from tests.factories import opened, own_mongod
from tests.page.acts import settle
from tests.page.browser import WatchedContext, WebProcess, browser, database_of, missing
from tests.page.showcase import Shown, analysed, planted
from tests.processes import ROOT

WIDTHS = (1440, 900, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LISTS = (
    *("scans", "failures", "upload", "patients", "measurements"),
    *("users", "audit", "system", "account", "about"),
)

PICTURE_MS = 300_000
"""Software WebGL takes long for two viewers beside one another."""

README = ROOT / ".github"
README_SCALE = 0.75


def addresses(shown: Shown) -> dict[str, str]:
    """The address of each part, by the name of its pictures."""
    return {
        **{name: f"/{name}" for name in LISTS},
        "scan": f"/scans/{shown.head}",
        "ecg": f"/scans/{shown.ecg}",
        "failed-scan": f"/scans/{shown.failed}",
        "compare": f"/compare?a={shown.head}&b={shown.earlier}",
        "patient": f"/patients/{shown.patient}",
    }


def ready(page: Page) -> None:
    """Wait until a page shows what it has, from its top."""
    settle(page)
    page.evaluate("() => window.scrollTo(0, 0)")
    page.wait_for_timeout(300)  # until what follows a scroll or a change of colours is drawn


def take(page: Page, web: WebProcess, shown: Shown, out: Path) -> None:
    """Take the pictures of all parts."""
    for name, address in addresses(shown).items():
        page.goto(web.address + address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                ready(page)
                # Software WebGL takes minutes to draw a viewer at the height of the whole page.
                whole = page.get_by_role("application").count() == 0
                page.screenshot(
                    path=out / f"{name}-{width}-{scheme}.png", full_page=whole, timeout=PICTURE_MS
                )


def take_sign_in(found: Browser, web: WebProcess, out: Path) -> None:
    """Take the pictures of what somebody sees who has not signed in."""
    with found.new_context() as context:
        page = WatchedContext(context, web.address).page()
        page.goto(web.address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            ready(page)
            page.screenshot(path=out / f"sign-in-{width}-light.png")


def take_for_readme(page: Page, web: WebProcess, shown: Shown) -> None:
    """Take the two pictures in the README, with few colours, so that they are small files."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})
    for name, address in (("work-list", "/scans"), ("scan", f"/scans/{shown.head}")):
        page.goto(web.address + address)
        settle(page)
        if name == "scan":
            lesions = page.get_by_role("region", name="Lesions", exact=True).get_by_role("row")
            lesions.nth(1).get_by_role("button").click()
        ready(page)
        path = README / f"page-{name}.png"
        page.screenshot(path=path, timeout=PICTURE_MS)
        with Image.open(path) as image:
            size = (round(image.width * README_SCALE), round(image.height * README_SCALE))
            image.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(
                256, Image.Quantize.MAXCOVERAGE
            ).save(path)


def show(store: DBManager, folder: Path, out: Path) -> None:
    """Make something to see, and take all pictures."""
    analysed(store, folder)
    web = WebProcess(folder, **database_of(store))
    try:
        with browser() as found, found.new_context(locale="en-GB") as context:
            guarded = WatchedContext(context, web.address)
            page = guarded.page()
            page.goto(web.one_time)
            settle(page)
            shown = planted(store, page)
            take_for_readme(page, web, shown)
            take(page, web, shown, out)
            take_sign_in(found, web, out)
        assert guarded.faults == []
    finally:
        web.stop()


def main() -> int:
    """Take the pictures, and say where they are."""
    lacking = missing()
    if lacking is not None:
        write_text(lacking + "\n")
        return 1
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="fr-page-") as name,
        own_mongod(Path(name)) as mongod,
        opened(mongod.uri, "screenshots", 60.0) as store,
    ):
        show(store, Path(name), out)
    write_text(
        f"{len(list(out.glob('*.png')))} pictures are in {out}; those of the README are new\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
