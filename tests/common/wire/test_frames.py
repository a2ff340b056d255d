"""Frames: what is damaged, cut or not BSON is refused."""

import struct

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ProtocolError, Refusal
from common.wire.frames import decode, encode
from common.wire.messages import TYPES, Chunk, Message, Ping
from common.wire.protocol import Side, WireProtocol
from tests.common.wire.frames import (
    EXAMPLES,
    LIMIT,
    checked,
    frame_of,
    opened_protocol,
    protocol_for,
    refused,
)

BY_TYPE = {message.t: message for _, message in EXAMPLES}


@given(st.binary(max_size=60))
def test_elements_that_are_not_bson_are_refused(content: bytes) -> None:
    try:
        bson.decode(checked(content))
    except bson.errors.InvalidBSON:
        code = Refusal.MALFORMED
    else:
        code = Refusal.UNEXPECTED  # BSON by luck, but no message
    assert refused(WireProtocol(Side.SCAN_RECEIVER, LIMIT), checked(content)).code is code


def test_a_document_nested_without_end_is_refused() -> None:
    nested = b"\x05\x00\x00\x00\x00"
    for _ in range(30_000):
        nested = struct.pack("<i", len(nested) + 8) + b"\x03a\x00" + nested + b"\x00"
    error = refused(opened_protocol(Side.SCAN_RECEIVER, 2**20), checked(b"\x03t\x00" + nested))
    assert error.code is Refusal.MALFORMED


@pytest.mark.parametrize(("side", "message"), EXAMPLES, ids=lambda value: getattr(value, "t", ""))
def test_a_wrong_check_value_is_refused(side: Side, message: Message) -> None:
    frame = bytearray(encode(message))
    frame[-9] ^= 0xFF
    error = refused(protocol_for(side, message), bytes(frame))
    assert error.code is Refusal.MALFORMED
    assert "damaged" in error.reason


def test_plain_bson_without_a_check_value_is_refused() -> None:
    frame = bson.encode({"t": "hello", "name": "pacs-1", "version": 1})
    assert refused(WireProtocol(Side.SCAN_RECEIVER, LIMIT), frame).code is Refusal.MALFORMED


@given(st.sampled_from(EXAMPLES), st.data())
def test_any_flipped_bit_of_a_frame_is_refused(
    example: tuple[Side, Message], data: st.DataObject
) -> None:
    side, message = example
    frame = bytearray(encode(message))
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << bit % 8
    # A length that grew wants more bytes before it can be judged.
    refused(protocol_for(side, message), bytes(frame) + bytes(LIMIT))


@pytest.mark.parametrize("bit", range(32))
def test_any_flipped_bit_of_a_length_is_refused(bit: int) -> None:
    side, message = Side.SCAN_RECEIVER, BY_TYPE["scan"]
    frame = bytearray(encode(message))
    frame[bit // 8] ^= 1 << bit % 8
    refused(protocol_for(side, message), bytes(frame) + bytes(LIMIT))


@given(scan_id=st.text(max_size=40), n=st.integers(0, 2**40), voxels=st.binary(max_size=200))
def test_a_chunk_is_the_frame_that_bson_makes_of_it(scan_id: str, n: int, voxels: bytes) -> None:
    body = {"t": "chunk", "id": scan_id, "n": n, "voxels": voxels}
    assert encode(Chunk(scan_id, n, memoryview(voxels))) == frame_of(body)


@pytest.mark.parametrize(("_side", "message"), EXAMPLES, ids=lambda value: getattr(value, "t", ""))
def test_a_frame_decodes_to_the_type_and_body_of_its_message(_side: Side, message: Message) -> None:
    frame = encode(message)
    body = decode(memoryview(frame))
    names = list(body)
    assert (names[0], names[-1]) == ("t", "x")
    assert TYPES[body["t"]].parse(body) == message
    assert struct.unpack_from("<i", frame)[0] == len(frame)


def test_bytes_behind_a_frame_are_not_part_of_it() -> None:
    with pytest.raises(ProtocolError, match="damaged"):
        decode(memoryview(encode(Ping()) + b"\x00"))
