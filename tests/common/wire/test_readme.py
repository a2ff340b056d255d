"""The worked example of the wire's README is what the code sends and reads."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.domain.input_problems import PROBLEMS
from common.domain.pacs_key import HubSecret
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels
from common.errors import Refusal
from common.wire.frame_checks import Mac
from common.wire.handshake import ClientHandshake, FrameKeys, ServerHandshake
from common.wire.messages import TYPES, Ack, Message, Scan
from common.wire.protocol import Side, WireProtocol

README = (Path(__file__).parents[3] / "common/wire/README.md").read_text()
SECRET = "correct horse battery staple 0123"  # noqa: S105 - of the example

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
NAMES = ("hello", "challenge", "proof", "welcome", "scan", "ack")


class Ends:
    """Both ends of the example's connection, and each frame that one sent to the other."""

    def __init__(self) -> None:
        keys = HubSecret(SECRET.encode())
        self.pacs = WireProtocol(Side.SCAN_SENDER, 2**20)
        self.hub = WireProtocol(Side.SCAN_RECEIVER, 2**20)
        self.client = ClientHandshake(
            Side.SCAN_SENDER, "pacs-1", keys, bytes(range(32)), features=("example",)
        )
        self.server = ServerHandshake(
            Side.SCAN_RECEIVER, "fr-hub", keys, bytes(range(32, 64)), features=()
        )
        self.frames: dict[str, bytes] = {}
        self.received: list[object] = []
        [hello] = self.client.start()
        [challenge] = self.server.receive(self.to_hub(hello))  # type: ignore[arg-type]
        [proof] = self.client.receive(self.to_pacs(challenge))  # type: ignore[arg-type]
        self.server.receive(self.to_hub(proof))  # type: ignore[arg-type]
        self.hub.complete_handshake()
        self.welcome, keys_of_hub = self.server.welcome(1024)
        self.client.receive(self.to_pacs(self.welcome))  # type: ignore[arg-type]
        assert keys_of_hub is not None
        assert self.client.frame_keys is not None
        for end, made in ((self.pacs, self.client.frame_keys), (self.hub, keys_of_hub)):
            protect(end, made)
        self.to_hub(Scan(GRID, bytes(CELLS)))
        self.to_pacs(Ack(("scan-1",)))

    def to_hub(self, message: Message) -> object:
        return self._send(self.pacs, message, self.hub)

    def to_pacs(self, message: Message) -> object:
        return self._send(self.hub, message, self.pacs)

    def _send(self, sender: WireProtocol, message: Message, receiver: WireProtocol) -> object:
        self.frames[message.t] = sender.encode(message)
        receiver.receive_data(self.frames[message.t])
        event = receiver.next_event()
        assert event == message
        return event


def protect(end: WireProtocol, keys: FrameKeys) -> None:
    end.protect(Mac(keys.incoming), Mac(keys.outgoing))


def example_frames() -> dict[str, bytes]:
    """The frames of the example by the type of their message."""
    return Ends().frames


def frame_in_readme(name: str) -> bytes:
    """The bytes of an example: the hexadecimal pairs at the start of each of its lines."""
    block = re.search(rf"^```text {name}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert block is not None
    pairs = (re.match(r"[0-9a-f]{2}( [0-9a-f]{2})*", line) for line in block[1].splitlines())
    return b"".join(bytes.fromhex(found[0]) for found in pairs if found)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_is_what_the_code_sends_and_reads(name: str) -> None:
    assert frame_in_readme(name).hex(" ") == example_frames()[name].hex(" ")


def test_the_keys_and_proofs_of_the_example_are_those_of_the_code() -> None:
    assert SECRET in README
    ends = Ends()
    keys = ends.client.frame_keys
    assert keys is not None
    proof = frame_in_readme("proof")
    for label, value in {
        "key": HubSecret(SECRET.encode()).key_of("pacs-1"),
        "asks": proof[proof.index(b"proof\0 \0\0\0\0") + 11 :][:32],
        "answers": ends.welcome.proof,
        "frames to receiver": keys.outgoing,
        "frames to sender": keys.incoming,
    }.items():
        assert f"{label:<20}{value.hex()}\n" in README


def test_every_message_and_every_code_is_explained() -> None:
    for name in (*TYPES, *Refusal, *PROBLEMS):
        assert f"| `{name}` |" in README
