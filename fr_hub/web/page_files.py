"""The built page: its files, which anyone may read, and its first document at every address of it.

Only files that lie in the folder are served, by their exact names. Names below ``assets`` have a
hash of their content, so browsers keep these for good; the document is asked for each time.
"""

import mimetypes
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fr_hub.web.etags import content_etag, is_known
from fr_hub.web.route_table import ROUTE, KnownRoute

FOLDER = Path(__file__).parent / "page" / "dist"
"""Where ``make page`` builds it."""

DOCUMENT = "index.html"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self' blob:; font-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)

_FOREVER = "public, max-age=31536000, immutable"
_ASK = "no-cache"
_TYPES = MappingProxyType(
    {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".svg": "image/svg+xml",
        ".json": "application/json",
        ".wasm": "application/wasm",
        ".woff2": "font/woff2",
    }
)
_ENCODINGS = MappingProxyType({"br": ".br", "gzip": ".gz"})
"""The build stores text in these, too; of those that a browser likes best, the first is sent."""

_ABSENT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Fr</title></head>
<body>
<h1>The page is not built</h1>
<p>Run <code>make page</code> in Fr's folder; it says what is missing. Then load this
address again.</p>
<p>The API works without the page: see <a href="/docs">its documentation</a>.</p>
</body>
</html>
"""


@dataclass(frozen=True)
class _File:
    path: Path
    name: str

    @cached_property
    def content(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def etag(self) -> str:
        return content_etag(self.content)

    @property
    def media_type(self) -> str:
        guessed = mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        return _TYPES.get(self.path.suffix, guessed)


class _Build:
    """The files of one build, by their names."""

    def __init__(self, folder: Path) -> None:
        self.files = {
            name: _File(path, name)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
            for name in [path.relative_to(folder).as_posix()]
        }

    def answer(self, name: str, request: Request) -> Response | None:
        """The answer with this file; None: there is none of this name."""
        file = self.files.get(name)
        if file is None:
            return None
        encoding, sent = self._chosen(file, request)
        headers = {
            "Cache-Control": _FOREVER if name.startswith("assets/") else _ASK,
            "Content-Security-Policy": POLICY,
            "ETag": sent.etag,  # of this encoding: a cache must not take one for the other
            "Vary": "Accept-Encoding",
        }
        if is_known(request, sent.etag):
            return Response(status_code=304, headers=headers)
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        return Response(sent.content, 200, headers, media_type=file.media_type)

    def _chosen(self, file: _File, request: Request) -> tuple[str | None, _File]:
        """The encoding in which a file is sent, and the file that has it so."""
        weights = _weights(request.headers.get("accept-encoding", ""))
        best: tuple[float, str | None, _File] = (0.0, None, file)
        for encoding, suffix in _ENCODINGS.items():
            packed = self.files.get(file.name + suffix)
            weight = weights.get(encoding, weights.get("*", 0.0))
            if packed is not None and weight > best[0]:
                best = weight, encoding, packed
        return best[1:]


def _weights(accepted: str) -> dict[str, float]:
    """How much a client likes each encoding that its Accept-Encoding names; 0: it does not take
    it (RFC 9110, 12.5.3)."""
    found: dict[str, float] = {}
    for part in accepted.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for one in parameters:
            if one.startswith("q="):
                try:
                    weight = min(1.0, max(0.0, float(one[2:])))
                except ValueError:
                    weight = 0.0
        found[name] = weight
    return found


class PageFiles:
    """The middleware that answers what no route of the API answers.

    Args:
        app: answers all else, and what is no address of the page either.
        folder: of the built page. It may be built while this runs.
    """

    def __init__(self, app: ASGIApp, folder: Path = FOLDER) -> None:
        self._app = app
        self._folder = folder
        self._build: tuple[int, _Build] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        answer: Response | None = None
        route: KnownRoute | None = scope.get(ROUTE)
        if route is not None and route.is_document:
            answer = self._answer(Request(scope))
        await (answer or self._app)(scope, receive, send)

    def _answer(self, request: Request) -> Response | None:
        path = request.scope["path"]
        build = self._current()
        is_document = path == "/" or "text/html" in request.headers.get("accept", "")
        found = None if build is None else build.answer(path.removeprefix("/"), request)
        if found is not None or not is_document or path.startswith("/assets/"):
            return found
        if build is None:
            return Response(_ABSENT, 503, media_type="text/html; charset=utf-8")
        return build.answer(DOCUMENT, request)

    def _current(self) -> _Build | None:
        try:
            made_at = (self._folder / DOCUMENT).stat().st_mtime_ns
        except OSError:
            return None
        if self._build is None or self._build[0] != made_at:
            self._build = made_at, _Build(self._folder)
        return self._build[1]
