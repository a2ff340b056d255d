"""Speaking the wire by hand, next to the real Fr-PACS: under the name of one of them."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from common.domain.scan import BrainScan
from common.errors import PeerAway, ProtocolError
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import connect
from common.wire.frame_checks import FrameCheck
from common.wire.messages import Ack, Busy, Event, Nack
from common.wire.protocol import Side
from common.wire.scan_transfer import scan_messages
from tests.factories import make_scan
from tests.running import POLICY

FRAME_LIMIT = 1 << 20
IDLE_S = 60.0
_CONNECT_S = 10.0


async def greeted(port: int, name: str) -> AsyncChannel:
    """A connection to the Fr-HUB on this port, greeted."""
    address = ("127.0.0.1", port)
    channel = await connect(address, Side.SCAN_SENDER, FRAME_LIMIT, IDLE_S, _CONNECT_S, POLICY)
    try:
        await channel.greet(name)
    except BaseException:
        channel.abort()
        raise
    return channel


async def insist(port: int, name: str, scan: BrainScan, voxels: bytes) -> Event:
    """Send a scan until it is acknowledged or refused for good; the last answer."""
    while True:
        try:
            channel = await greeted(port, name)
            try:
                await channel.send(*scan_messages(scan, voxels))
                answer = await channel.receive()
            finally:
                channel.abort()
        except (PeerAway, ProtocolError, OSError):
            await asyncio.sleep(0.2)
            continue
        if isinstance(answer, Busy) or (isinstance(answer, Nack) and answer.retry):
            await asyncio.sleep(0.2)
            continue
        return answer


def large_scan(pacs: str, scan_type: str = "grid") -> tuple[BrainScan, bytes]:
    """A scan of three chunks."""
    voxels = bytes(range(250)) * 2400
    return make_scan(pacs=pacs, voxels=voxels, shape=(600, 1000), scan_type=scan_type)


@dataclass
class Latencies:
    """How long small scans took to be acknowledged, seconds."""

    seconds: list[float] = field(default_factory=list)
    scan_ids: list[str] = field(default_factory=list)

    async def measure(self, channel: AsyncChannel, name: str, scans: int) -> None:
        """Send scans one by one on this connection."""
        for _ in range(scans):
            scan, voxels = make_scan(pacs=name)
            self.scan_ids.append(scan.key)
            began = time.perf_counter()
            await channel.send(*scan_messages(scan, voxels))
            answer = await channel.receive()
            assert isinstance(answer, Ack), answer
            self.seconds.append(time.perf_counter() - began)

    def percentile(self, part: float) -> float:
        """Such as 0.99; seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


Say = Callable[[FrameCheck], bytes]
"""Makes the bytes to send; their frames get this check."""


async def answered(port: int, say: Say, name: str = "", within_s: float = 3.0) -> list[Event]:
    """Send bytes, say that nothing more comes; what the peer says until it closes, or for this
    long.

    Args:
        name: complete the handshake first, as the Fr-PACS of this name; empty: do not.
    """
    if name:
        channel = await greeted(port, name)
    else:
        channel = await connect(
            ("127.0.0.1", port), Side.SCAN_SENDER, FRAME_LIMIT, IDLE_S, _CONNECT_S, POLICY
        )
    heard: list[Event] = []
    try:
        with contextlib.suppress(OSError):
            channel._writer.write(say(channel._protocol._outgoing))
            await channel._writer.drain()
            channel._writer.write_eof()
        with contextlib.suppress(PeerAway, ProtocolError, TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    heard.append(await channel.receive())
    finally:
        channel.abort()
    return heard


async def at_most(n: int, work: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Do all of it, so many at a time."""
    slots = asyncio.Semaphore(n)

    async def one(call: Callable[[], Awaitable[None]]) -> None:
        async with slots:
            await call()

    await asyncio.gather(*(one(call) for call in work))
