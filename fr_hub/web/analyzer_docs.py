"""What Fr's documents say about how well an analyzer reads, as HTML. They come with Fr, so that no
other host is asked."""

from functools import cache
from html import escape
from pathlib import Path

from common.domain.further_reading import READINGS, Reading

_ROOT = Path(__file__).parents[2]
"""The folder of the packages."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fr: {title}</title>
<link rel="stylesheet" href="/docs/docs.css">
</head>
<body>
<header>
<h1>Fr: the analyzer {name}</h1>
<nav><a href="/">Back to Fr</a></nav>
</header>
<main>
{content}<p>From {document}, which comes with Fr.</p>
</main>
</body>
</html>
"""


def analyzer_page(name: str) -> bytes | None:
    """The page about an analyzer; None if Fr has none."""
    return _page(name) if name in READINGS else None


@cache
def _page(name: str) -> bytes:
    reading = READINGS[name]
    title, document = escape(reading.heading), escape(reading.document)
    content = _html(_part(reading))
    page = _PAGE.format(title=title, name=escape(name), content=content, document=document)
    return page.encode()


def _part(reading: Reading) -> str:
    """A part of a document, as Markdown: from its heading to before the next one of its level.

    Raises:
        LookupError: the document has no such heading.
    """
    lines = (_ROOT / reading.document).read_text("utf-8").splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if line.startswith("## ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if lines[start].removeprefix("## ").replace("`", "").strip() == reading.heading:
            return "".join(lines[start:end])
    raise LookupError(f"{reading.document} has no part {reading.heading!r}")


def _html(markdown: str) -> str:
    """HTML of Markdown, which may contain no HTML. Links to other documents are plain text: only
    this part is served."""
    # Not at the top: few processes make such a page.
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    for tag in ("link_open", "link_close"):
        parser.add_render_rule(tag, _nothing)
    html: str = parser.render(markdown)
    return html.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    )


def _nothing(*_: object) -> str:
    return ""
