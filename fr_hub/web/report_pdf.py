"""A report as a PDF: its text, and its picture."""

import textwrap
from io import BytesIO
from xml.sax.saxutils import escape

from common.domain.report import BrainReport
from common.domain.report_text import report_text

_MARGIN_MM = 18
_PICTURE_MM = (174, 200)
"""The most room that the picture takes."""
_LINE_WIDTH = 112
"""Characters of a line of the body, which fit between the margins."""
_LABEL_WIDTH = 11
"""Of the labels at the start of lines."""


def report_pdf(report: BrainReport, picture: bytes | None) -> bytes:
    """The PDF of a report, A4.

    Args:
        report: the report.
        picture: its picture, a PNG; None: without one.
    """
    # Takes 0.2 s: only processes that make one import it.
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Spacer, XPreformatted

    title, *lines = report_text(report).splitlines()
    heading = ParagraphStyle("heading", fontName="Helvetica-Bold", fontSize=13, leading=18)
    body = ParagraphStyle("body", fontName="Courier", fontSize=7.2, leading=10)
    notice = ParagraphStyle("notice", fontName="Helvetica-Oblique", fontSize=8, leading=11)
    story = [Paragraph(_shown(title), heading), Spacer(1, 3 * mm)]
    if picture is not None:
        width, height = (side * mm for side in _PICTURE_MM)
        image = Image(BytesIO(picture), width, height, kind="proportional")
        story += [image, Spacer(1, 4 * mm)]
    *lines, last = lines
    story.append(XPreformatted(_shown("\n".join(map(_broken, lines))), body))
    story += [Spacer(1, 4 * mm), Paragraph(_shown(last), notice)]
    made = BytesIO()
    document = SimpleDocTemplate(
        made,
        pagesize=A4,
        title=_shown(title),
        author="Fr",
        invariant=True,
        **dict.fromkeys(
            ("leftMargin", "rightMargin", "topMargin", "bottomMargin"), _MARGIN_MM * mm
        ),
    )
    document.build(story)
    return made.getvalue()


def _broken(line: str) -> str:
    """A line, in as many as it needs."""
    return textwrap.fill(
        line,
        _LINE_WIDTH,
        subsequent_indent=" " * _LABEL_WIDTH,
        replace_whitespace=False,
        drop_whitespace=True,
    )


def _shown(text: str) -> str:
    """The text for a paragraph, whose fonts have the characters of Latin-1."""
    return escape(text.encode("latin-1", "replace").decode("latin-1"))
