"""What a refusal tells: what is wrong, and nothing of what was sent."""

from typing import Any

import pytest

from common.errors import ProtocolError, Refusal
from common.wire.frames import encode
from common.wire.messages import Nack, Report, Scan
from common.wire.protocol import Side
from tests.common.wire.frames import (
    TELLTALE,
    checked,
    events_of,
    frame_of,
    opened_protocol,
    refused,
)
from tests.strategies import a_report, a_scan


def all_texts(error: BaseException | None) -> str:
    """Each text that a log could show of this error."""
    texts = []
    while error is not None:
        texts.append(f"{error} {error!r}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(texts)


def documents_with_a_telltale() -> list[tuple[Side, dict[str, Any]]]:
    scan = {**a_scan(subject=TELLTALE).model_dump(exclude_none=True)}
    report = a_report().model_dump()
    texts = [name for name, value in scan.items() if isinstance(value, str) and name != "subject"]
    scans = [{**scan, name: f"{TELLTALE}/"} for name in texts]
    scans += [
        {**scan, name: TELLTALE} for name in ("shape", "voxels_bytes", "affine", "acquired_at")
    ]
    scans += [{**scan, "subject": TELLTALE * 5}, {**scan, "subject": {TELLTALE: TELLTALE}}]
    scans += [{**scan, "voxels_bytes": 9}, {**scan, "dtype": "int16"}]
    made: list[tuple[Side, dict[str, Any]]] = [
        (Side.SCAN_RECEIVER, {"t": "scan", "scan": header, "voxels": b"voxels.."})
        for header in scans
    ]
    made += [
        (Side.SCAN_RECEIVER, {"t": "scan", "scan": scan, "voxels": TELLTALE}),
        (Side.SCAN_RECEIVER, {"t": "scan", "scan": TELLTALE}),
        (Side.SCAN_RECEIVER, {"t": "chunk", "id": "a", "n": TELLTALE, "voxels": b""}),
        (Side.SCAN_RECEIVER, {"t": "chunk", "id": "a", "n": 0, "voxels": TELLTALE}),
        (Side.SCAN_RECEIVER, {"t": TELLTALE}),
        (Side.REPORT_RECEIVER, {"t": "report", "report": {**report, "shape": TELLTALE}}),
        (Side.REPORT_RECEIVER, {"t": "report", "report": {**report, "findings": TELLTALE}}),
        (Side.REPORT_RECEIVER, {"t": "report", "report": {**report, "scan_id": f"{TELLTALE}/"}}),
        (Side.SCAN_SENDER, {"t": "ack", "ids": TELLTALE}),
        (Side.SCAN_SENDER, {"t": "busy", "id": "a", "retry_after_ms": TELLTALE}),
        (
            Side.SCAN_SENDER,
            {"t": "nack", "id": "a", "code": TELLTALE, "reason": "", "retry": False},
        ),
    ]
    return made


@pytest.mark.parametrize(("side", "document"), documents_with_a_telltale())
def test_a_refusal_carries_no_value_of_a_field(side: Side, document: dict[str, Any]) -> None:
    protocol = opened_protocol(side)
    protocol.receive_data(frame_of(document))
    try:
        event = protocol.next_event()
    except ProtocolError as error:
        said = all_texts(error)
    else:
        assert event is not None
        assert not isinstance(event, Scan | Report | Nack)
        said = event.reason  # type: ignore[union-attr]
    assert said
    assert TELLTALE not in said


def test_a_damaged_frame_is_not_quoted() -> None:
    frame = encode(Scan(a_scan(subject=TELLTALE), b"voxels.."))
    damaged = frame.replace(TELLTALE.encode(), TELLTALE.encode()[:-1] + b"\xff")
    assert TELLTALE[:-1] not in all_texts(refused(opened_protocol(Side.SCAN_RECEIVER), damaged))
    rightly_checked = checked(damaged[4:-12])
    error = refused(opened_protocol(Side.SCAN_RECEIVER), rightly_checked)
    assert error.code is Refusal.MALFORMED
    assert TELLTALE[:-1] not in all_texts(error)


def test_a_refusal_of_ours_can_always_be_told() -> None:
    told = Nack(None, Refusal.HEADER, "because " * 1000, retry=False)
    protocol = opened_protocol(Side.SCAN_SENDER)
    protocol.receive_data(encode(told))
    (event,) = events_of(protocol)
    assert isinstance(event, Nack)
    assert event.reason == told.reason[:1000]
