"""A real Chromium on a real ``fr web``: what the tests of the page share.

A page of a test may call no other host, may log no error, and breaks no rule of its policy: each of
these fails the test that did it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from common.store.db_manager import DBManager
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

PATIENCE_MS = 60_000
"""For what a page shall show: busy machines are slow. A test that passes does not wait so long."""

expect.set_options(timeout=PATIENCE_MS)

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
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright, _launched(playwright.chromium) as found:
        yield found


def another(found: Browser, *arguments: str) -> AbstractContextManager[Browser]:
    """A further Chromium beside this one, with these arguments."""
    return _launched(found.browser_type, *arguments)


@contextmanager
def _launched(kind: BrowserType, *arguments: str) -> Iterator[Browser]:
    found = kind.launch(executable_path=chromium(), args=[*ARGUMENTS, *arguments])
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
        context.set_default_timeout(PATIENCE_MS)
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


@contextmanager
def watched(found: Browser, address: str) -> Iterator[Page]:
    """A page in a new window; what it must not do fails the test."""
    with found.new_context(viewport={"width": 1440, "height": 900}) as context:
        guarded = WatchedContext(context, address)
        yield guarded.page()
        assert guarded.faults == []


def database_of(store: DBManager) -> dict[str, str]:
    """The settings by which a process uses a test's database."""
    return {"MONGODB_URI": store.connection.uri, "MONGODB_DATABASE": store.connection.name}


class WebProcess:
    """``fr web`` with these settings, or the launcher of all units.

    Attributes:
        address: of the page.
        one_time: the address of the first sign-in; empty if there is none.
    """

    def __init__(self, folder: Path, module: str = "fr_hub.web", **given: str) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._log = folder / "web.log"
        own = {"WEB_PORT": str(port), "DATA_DIR": str(folder / "data"), "HUB_DISK_FREE_MIB": "0"}
        self._process = start(module, self._log, **own, **given)
        until(lambda: "serving the API and its page" in self.log, 180)
        until(lambda: self.address in self.log, 60)
        found = re.search(rf"{re.escape(self.address)}/#one-time=\S+", self.log)
        self.one_time = "" if found is None else found[0]

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    def stop(self) -> None:
        """Stop it, in order."""
        assert stop(self._process, 120) == 0, self.log


def serious(page: Page, *rules: str) -> list[str]:
    """What axe finds that keeps somebody from using a page: serious and critical rules, of all or
    of these."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    options: dict[str, list[str]] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    found = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{one['id']}: {one['help']} at {[node['target'] for node in one['nodes']][:3]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
