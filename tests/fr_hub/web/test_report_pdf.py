"""A report as a PDF."""

import base64
import re
import struct
import zlib
from typing import Any

from common.domain.finding_kinds import OtherFindings
from common.domain.findings import AnyQuality, Verdict
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


def report(**fields: Any) -> BrainReport:
    return make_report(make_scan()[0], **fields)


def test_the_same_report_makes_the_same_pdf() -> None:
    one = report()
    made = report_pdf(one, None)
    assert made.startswith(b"%PDF-")
    assert made.rstrip().endswith(b"%%EOF")
    assert report_pdf(one, None) == made


def body_of(made: bytes) -> list[str]:
    """The lines of the body."""
    streams = re.findall(rb"stream\s+(.*?)~>endstream", made, re.DOTALL)
    drawn = b"".join(zlib.decompress(base64.a85decode(one)) for one in streams)
    lines = re.findall(rb"\((.*?)(?<!\\)\) Tj", drawn, re.DOTALL)
    return [re.sub(rb"\\(.)", rb"\1", line).decode("latin-1") for line in lines]


def test_no_line_is_cut_off() -> None:
    reasons = ("word " * 60, "unbroken" * 40)
    quality = AnyQuality(verdict=Verdict.WARN, reasons=reasons)
    findings = OtherFindings(
        kind="eeg", quality=quality, content_schema="urn:" + "x" * 150, content={}
    )
    body = body_of(report_pdf(report(findings=findings), None))
    words = " ".join(body).split()
    width = (210 - 2 * 18) * 72 / 25.4 / (0.6 * 7.2)  # of A4, in characters of the body
    assert max(map(len, body)) <= width
    assert words.count("word") == 60
    assert "".join(words).count("unbroken") == 40
    assert "x" * 150 in "".join(words)


def test_a_picture_of_any_size_fits() -> None:
    for side in (10, 3000):
        assert b"/Subtype /Image" in report_pdf(report(), png(side))


def test_foreign_text_is_text_and_never_markup() -> None:
    for text in ("<b>x", "</para>", "&amp;", "é 𐀀 \u202e", "<img src='file:///etc/passwd'/>"):
        assert report_pdf(report(subject=text, session=text), None).startswith(b"%PDF-")
