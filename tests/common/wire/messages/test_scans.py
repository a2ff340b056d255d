"""What is wrong with one message ends that message; what is wrong with the stream ends it."""

from typing import Any

import pytest

from common.domain.types import hash_voxels
from common.errors import ProtocolError, Refusal
from common.wire.constants import INLINE_VOXELS_MAX, REQUEST_MAX
from common.wire.messages import InvalidMessage
from common.wire.protocol import Side
from tests.common.wire.frames import (
    LARGE,
    events_of,
    frame_of,
    invalid_message_of,
    opened_protocol,
    refused,
)
from tests.strategies import a_scan

VOXELS = b"voxels.."
HEADER = a_scan(VOXELS).model_dump(exclude_none=True)
LARGE_HEADER = a_scan(LARGE).model_dump(exclude_none=True)


def scan_message(header: dict[str, Any], voxels: Any = VOXELS, **changes: Any) -> dict[str, Any]:
    inside = {} if voxels is None else {"voxels": voxels}
    return {"t": "scan", "scan": {**header, **changes}, **inside}


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [2, 2]},
        {"dtype": "int16"},
        {"voxels_bytes": 9},
        {"dtype": "complex64"},
        {"shape": []},
        {"voxels_bytes": "many"},
        {"voxels_bytes": -8},
        {"voxels_hash": "x"},
        {"affine": [[0, 0, 0, 0]] * 3},
        {"affine": [[float("nan"), 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]},
        {"patient_name": "x"},
        {"pacs": "a b"},
    ],
    ids=str,
)
def test_a_header_that_contradicts_itself_is_a_invalid_message_of_that_scan(
    changes: dict[str, Any],
) -> None:
    invalid = invalid_message_of(Side.SCAN_RECEIVER, scan_message(HEADER, **changes))
    assert invalid.id == "scan-1"
    assert invalid.code is Refusal.HEADER
    assert invalid.reason


def test_shape_dtype_and_byte_count_are_told_where_they_disagree() -> None:
    invalid = invalid_message_of(Side.SCAN_RECEIVER, scan_message(HEADER, dtype="int16"))
    assert invalid.reason == (
        "the document: shape 8x1 of int16 takes 16 bytes, the header declares 8"
    )


def test_a_header_without_a_field_names_it() -> None:
    header = {name: value for name, value in HEADER.items() if name != "voxels_hash"}
    invalid = invalid_message_of(Side.SCAN_RECEIVER, scan_message(header))
    assert invalid.reason == "voxels_hash: is missing"


def test_of_many_wrong_fields_the_first_are_named() -> None:
    invalid = invalid_message_of(Side.SCAN_RECEIVER, {"t": "scan", "scan": {"scan_id": "scan-1"}})
    assert invalid.reason.count("is missing") == 5


def test_a_wrong_scan_id_is_told_cut_to_what_an_id_may_have() -> None:
    invalid = invalid_message_of(Side.SCAN_RECEIVER, scan_message(HEADER, scan_id="/" * 1000))
    assert invalid.id == "/" * 64


@pytest.mark.parametrize("scan_id", [None, 7, "", ["scan-1"]])
def test_a_wrong_scan_that_cannot_be_named_ends_the_connection(scan_id: Any) -> None:
    protocol = opened_protocol(Side.SCAN_RECEIVER)
    protocol.receive_data(frame_of(scan_message(HEADER, scan_id=scan_id)))
    with pytest.raises(ProtocolError) as raised:
        protocol.next_event()
    assert raised.value.code is Refusal.HEADER


@pytest.mark.parametrize(
    ("document", "code", "why"),
    [
        (scan_message(HEADER, None), Refusal.CHUNKS, "inside the scan message"),
        (scan_message(LARGE_HEADER, LARGE), Refusal.CHUNKS, "in chunks"),
        (scan_message(LARGE_HEADER, b""), Refusal.CHUNKS, "in chunks"),
        (scan_message(HEADER, b""), Refusal.HEADER, "0 bytes of voxels"),
        (scan_message(HEADER, VOXELS + b"."), Refusal.HEADER, "9 bytes of voxels"),
        (scan_message(HEADER, VOXELS[1:]), Refusal.HEADER, "its header declares 8"),
        (scan_message(HEADER, "voxels.."), Refusal.MALFORMED, "must be binary"),
        (scan_message(HEADER, [1, 2]), Refusal.MALFORMED, "must be binary"),
    ],
)
def test_voxels_that_are_not_where_they_belong_are_refused(
    document: dict[str, Any], code: Refusal, why: str
) -> None:
    invalid = invalid_message_of(Side.SCAN_RECEIVER, document)
    assert (invalid.id, invalid.code) == ("scan-1", code)
    assert why in invalid.reason


def test_small_voxels_travel_inside_up_to_the_limit_and_not_beyond() -> None:
    voxels = bytes(INLINE_VOXELS_MAX)
    protocol = opened_protocol(Side.SCAN_RECEIVER)
    protocol.receive_data(
        frame_of(scan_message(a_scan(voxels).model_dump(exclude_none=True), voxels))
    )
    assert not isinstance(events_of(protocol)[0], InvalidMessage)
    beyond = bytes(INLINE_VOXELS_MAX + 2)
    invalid = invalid_message_of(
        Side.SCAN_RECEIVER, scan_message(a_scan(beyond).model_dump(exclude_none=True), beyond)
    )
    assert invalid.code is Refusal.CHUNKS


def test_a_header_says_the_hash_of_its_voxels() -> None:
    assert HEADER["voxels_hash"] == hash_voxels(VOXELS)


@pytest.mark.parametrize(
    "ids",
    [None, "scan-1", [1], ["x"] * (REQUEST_MAX + 1), ["x" * 1001]],
    ids=lambda ids: str(ids)[:20],
)
def test_a_request_names_a_bounded_number_of_scans(ids: Any) -> None:
    error = refused(opened_protocol(Side.SCAN_RECEIVER), frame_of({"t": "request", "ids": ids}))
    assert error.code is Refusal.MALFORMED
    assert "'ids'" in str(error)
