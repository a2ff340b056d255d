"""The worked example of the wire's README is what the code sends and reads."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions

from common.domain.scan import BrainScan
from common.domain.types import hash_voxels
from common.errors import Refusal
from common.wire.frames import encode
from common.wire.handshake import ClientHandshake, ServerHandshake
from common.wire.messages import TYPES, Ack, Hello, Message, Proof, Scan, Welcome
from common.wire.protocol import Side

README = (Path(__file__).parents[3] / "common/wire/README.md").read_text()

CELLS = bytearray(100)
CELLS[3 + 10 * 2], CELLS[4 + 10 * 2] = 200, 180
GRID = BrainScan(
    scan_id="scan-1",
    pacs="pacs-1",
    scan_type="grid",
    acquired_at=datetime(2026, 1, 31, 8, 0, tzinfo=UTC),
    shape=(10, 10),
    dtype="uint8",
    voxels_bytes=len(CELLS),
    voxels_hash=hash_voxels(CELLS),
)
EXAMPLE: tuple[Message, ...] = (
    Hello("pacs-1"),
    Welcome("fr-hub", 1024),
    Scan(GRID, bytes(CELLS)),
    Ack(("scan-1",)),
)


def frame_in_readme(name: str) -> bytes:
    """The bytes of an example: the hexadecimal pairs at the start of each of its lines."""
    block = re.search(rf"^```text {name}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert block is not None
    pairs = (re.match(r"[0-9a-f]{2}( [0-9a-f]{2})*", line) for line in block[1].splitlines())
    return b"".join(bytes.fromhex(found[0]) for found in pairs if found)


@pytest.mark.parametrize("message", EXAMPLE, ids=lambda message: message.t)
def test_the_example_is_what_the_code_sends(message: Message) -> None:
    assert frame_in_readme(message.t).hex(" ") == encode(message).hex(" ")


@pytest.mark.parametrize("message", EXAMPLE, ids=lambda message: message.t)
def test_the_example_is_read_as_the_message(message: Message) -> None:
    options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
    body = bson.decode(frame_in_readme(message.t), options)
    assert TYPES[body["t"]].parse(body) == message


def test_the_proofs_of_the_example_are_those_of_the_code() -> None:
    secret = b"correct horse battery staple 0123"
    assert secret.decode() in README
    client = ClientHandshake(Side.SCAN_SENDER, "pacs-1", secret, bytes(range(32)))
    server = ServerHandshake(Side.SCAN_RECEIVER, "fr-hub", secret, bytes(range(32, 64)))
    [hello] = client.start()
    [challenge] = server.receive(hello)
    [proof] = client.receive(challenge)
    assert isinstance(proof, Proof)
    server.receive(proof)
    assert f"asks     {proof.proof.hex()}\n" in README
    assert f"answers  {server.welcome(1024).proof.hex()}\n" in README


def test_every_message_and_every_code_is_explained() -> None:
    for name in (*TYPES, *Refusal):
        assert f"| `{name}` |" in README
