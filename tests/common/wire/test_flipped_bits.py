"""Ten thousand real frames with flipped bits: none is accepted, at a protocol or at a hub."""

import random
import struct
from collections import Counter

from common.errors import ProtocolError
from common.settings.hub import HubSettings
from common.store.db_manager import DBManager
from common.wire.frames import encode
from common.wire.messages import Message
from common.wire.protocol import Side
from common.wire.scan_transfer import scan_messages
from tests.common.wire.frames import EXAMPLES, LIMIT, protocol_for
from tests.factories import make_scan, opened
from tests.running import (
    RawPeer,
    acked,
    hub_settings,
    running_hub,
    send_scan,
    sender,
)

FRAMES = 10_000
AT_A_HUB = 100


def flipped(frame: bytes, bits: list[int]) -> bytes:
    damaged = bytearray(frame)
    for bit in bits:
        damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def some_bits(chance: random.Random, frame: bytes) -> list[int]:
    """1 to 16 bits; of every tenth frame one in its length, which no check covers before it is
    believed."""
    if chance.random() < 0.1:
        return [chance.randrange(32)]
    return chance.sample(range(8 * len(frame)), chance.randint(1, 16))


def outcome(side: Side, message: Message, damaged: bytes) -> str:
    """What a protocol makes of a damaged frame with whole ones behind it."""
    protocol = protocol_for(side, message)
    # A length that grew takes what follows for its own: it is refused once that has come.
    for piece in (damaged, bytes(LIMIT)):
        protocol.receive_data(piece)
        try:
            if protocol.next_event() is not None:
                return "accepted"
        except ProtocolError as error:
            return str(error.code)
    return "waits"


def test_ten_thousand_frames_with_flipped_bits_are_all_refused() -> None:
    chance = random.Random(20240517)  # noqa: S311 - a seed
    frames = [(side, message, encode(message)) for side, message in EXAMPLES]
    counts: Counter[str] = Counter()
    for number in range(FRAMES):
        side, message, frame = frames[number % len(frames)]
        counts[outcome(side, message, flipped(frame, some_bits(chance, frame)))] += 1
    assert counts["accepted"] == counts["waits"] == 0, counts
    assert sum(counts.values()) == FRAMES
    assert counts["malformed"] > 0
    assert counts["too_large"] > 0


def test_a_hub_refuses_flipped_bits_and_serves_others_meanwhile(
    mongodb_uri: str, database: str
) -> None:
    chance = random.Random(7)  # noqa: S311 - a seed
    settings = hub_settings()
    with opened(mongodb_uri, database) as store, running_hub(store, settings):
        for number in range(AT_A_HUB):
            scan, voxels = make_scan()
            with RawPeer(settings.hub_port, "pacs-1") as peer:
                frame = peer.frames(*scan_messages(scan, voxels))
                damaged = flipped(frame, some_bits(chance, frame))
                (length,) = struct.unpack("<i", damaged[:4])
                # Enough for a length that grew to be judged.
                rest = bytes(max(0, min(length, 2**20) - len(frame)))
                peer.socket.sendall(damaged + rest)
                answer = peer.read()
                assert (answer["t"], answer["id"]) == ("nack", None)
                assert peer.closed()
            if number % 20 == 0:
                serves(store, settings)
        assert store.queries.count_states()["To Do"] == AT_A_HUB / 20


def serves(store: DBManager, settings: HubSettings) -> None:
    scan, voxels = make_scan()
    with sender(settings) as channel:
        assert acked(send_scan(channel, scan, voxels)) == (scan.scan_id,)
    assert scan.key in dict(store.queries.scan_states())
