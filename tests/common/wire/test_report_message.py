"""A report on the wire, with its picture."""

import pytest

from common.domain.report import PICTURE_BYTES_MAX
from common.domain.types import hash_voxels
from common.errors import Refusal
from common.wire.messages import InvalidMessageError, Report
from tests.strategies import a_report

PNG = b"\x89PNG"
REPORT = a_report(picture_hash=hash_voxels(PNG))


@pytest.mark.parametrize("picture", [None, PNG], ids=["none", "one"])
def test_it_comes_back_as_it_was(picture: bytes | None) -> None:
    message = Report(REPORT, picture)
    assert Report.parse(message.body()) == message


def test_a_picture_of_another_report_is_refused() -> None:
    with pytest.raises(InvalidMessageError) as caught:
        Report.parse(Report(REPORT, b"another").body())
    assert (caught.value.code, caught.value.id) == (Refusal.HASH, REPORT.scan_id)


@pytest.mark.parametrize(
    "picture", ["text", 7, bytes(PICTURE_BYTES_MAX + 1)], ids=["text", "number", "large"]
)
def test_what_is_no_picture_is_refused(picture: object) -> None:
    with pytest.raises(InvalidMessageError, match="must be binary, of at most 300000 bytes"):
        Report.parse({**Report(REPORT).body(), "picture": picture})
