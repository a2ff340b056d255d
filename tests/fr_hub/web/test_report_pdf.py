"""A report as a PDF."""

import struct
import zlib

from common.domain.report import BrainReport
from fr_hub.web.report_pdf import report_pdf
from tests.factories import make_report, make_scan


def png(side: int) -> bytes:
    """A black square."""
    rows = (b"\0" + bytes(side)) * side
    parts = (
        (b"IHDR", struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def report(**fields: str) -> BrainReport:
    return make_report(make_scan()[0], **fields)


def test_the_same_report_makes_the_same_pdf() -> None:
    one = report()
    made = report_pdf(one, None)
    assert made.startswith(b"%PDF-")
    assert made.rstrip().endswith(b"%%EOF")
    assert report_pdf(one, None) == made


def test_a_picture_of_any_size_fits() -> None:
    for side in (10, 3000):
        assert b"/Subtype /Image" in report_pdf(report(), png(side))


def test_foreign_text_is_text_and_never_markup() -> None:
    for text in ("<b>x", "</para>", "&amp;", "é 𐀀 \u202e", "<img src='file:///etc/passwd'/>"):
        assert report_pdf(report(subject=text, session=text), None).startswith(b"%PDF-")
