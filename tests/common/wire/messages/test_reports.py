"""A report on the wire, with its picture."""

import pytest

from common.domain.report import PICTURE_BYTES_MAX
from common.domain.types import hash_voxels
from common.errors import ProtocolError, Refusal
from common.wire.messages import Failed, InvalidMessageError, Report
from common.wire.protocol import Side
from tests.common.wire.frames import (
    frame_of,
    invalid_message_of,
    opened_protocol,
)
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


def test_a_wrong_report_is_a_invalid_message_of_that_report() -> None:
    report = {**a_report().model_dump(), "run_time_ms": -1.0}
    invalid = invalid_message_of(Side.REPORT_RECEIVER, {"t": "report", "report": report})
    assert (invalid.id, invalid.code) == ("scan-1", Refusal.HEADER)
    assert invalid.reason.startswith("run_time_ms: ")


def test_a_wrong_report_that_cannot_be_named_ends_the_connection() -> None:
    protocol = opened_protocol(Side.REPORT_RECEIVER)
    protocol.receive_data(frame_of({"t": "report", "report": {}}))
    with pytest.raises(ProtocolError, match="scan_id: is missing"):
        protocol.next_event()


def test_a_failed_scan_comes_back_as_it_was_with_its_cause_cut() -> None:
    message = Failed("scan-1", "its voxels are damaged")
    assert Failed.parse(message.body()) == message
    assert len(Failed.parse(Failed("scan-1", "x" * 5000).body()).cause) == 1000


@pytest.mark.parametrize(
    "body", [{}, {"scan_id": 1, "cause": "x"}, {"scan_id": "a", "cause": None}]
)
def test_a_failed_scan_without_its_fields_is_malformed(body: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        Failed.parse(body)
