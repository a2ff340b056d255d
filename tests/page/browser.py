"""A real Chromium on a real ``fr web``: what the tests of the page share.

A page of a test may call no other host, may log no error, and breaks no rule of its policy: each of
these fails the test that did it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from fr_hub.web.page_files import DOCUMENT, FOLDER
from tests.processes import start, stop
from tests.running import free_port, until

AXE = FOLDER.parent / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    "--no-sandbox",  # as root, Chromium refuses to start with it
    "--disable-dev-shm-usage",
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)

_EXPECTED = re.compile(r"the server responded with a status of 4\d\d")
"""Chromium logs each refused request as an error; the tests look at what the page makes of it."""


def missing() -> str | None:
    """What the tests of the page lack on this machine; None: nothing."""
    if chromium() is None:
        return "no Chromium: install Debian's package chromium, or name one in CHROMIUM"
    if not (FOLDER / DOCUMENT).exists():
        return "the page is not built: run make page"
    return None


def chromium() -> str | None:
    """The path of this machine's Chromium."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser(*arguments: str) -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=chromium(), args=[*ARGUMENTS, *arguments]
        )
        try:
            yield found
        finally:
            found.close()


class WatchedContext:
    """A browser context whose pages must not do what a page of Fr never does.

    Attributes:
        faults: what they did.
    """

    def __init__(self, context: BrowserContext, address: str) -> None:
        self._host = urlsplit(address).netloc
        self.context = context
        self.faults: list[str] = []
        context.set_default_timeout(30_000)
        context.on("request", self._requested)
        context.on("console", self._logged)
        context.on("weberror", lambda error: self.faults.append(str(error.error)))

    def page(self) -> Page:
        """A new page."""
        return self.context.new_page()

    def _requested(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and url.netloc != self._host:
            self.faults.append(f"another host was called: {request.url}")

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _EXPECTED.search(message.text):
            self.faults.append(f"logged: {message.text}")


class WebProcess:
    """``fr web`` with these settings.

    Attributes:
        address: of the page.
        one_time: the address of the first sign-in; empty if there is none.
    """

    def __init__(self, folder: Path, **given: str) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._log = folder / "web.log"
        own = {"WEB_PORT": str(port), "DATA_DIR": str(folder / "data"), "HUB_DISK_FREE_MIB": "0"}
        self._process = start("fr_hub.web", self._log, **own, **given)
        until(lambda: "serving the API and its page" in self.log, 60)
        until(lambda: self.address in self.log, 30)
        found = re.search(rf"{re.escape(self.address)}/#one-time=\S+", self.log)
        self.one_time = "" if found is None else found[0]

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    def stop(self) -> None:
        """Stop it, in order."""
        assert stop(self._process) == 0, self.log


def serious(page: Page) -> list[str]:
    """What axe finds that keeps somebody from using a page: serious and critical rules."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']} at {[node['target'] for node in one['nodes']][:3]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
