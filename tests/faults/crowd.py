"""``python -m tests.faults.crowd PORT NAME N``: so many connections to Fr-HUB that hold their
places, from a process of their own: a third says nothing, a third greets and then says nothing, a
third sends a scan a byte a second. In the place of one that is closed comes another."""

import asyncio
import contextlib
import sys

from common.errors import PeerAway, ProtocolError
from common.wire.constants import NONCE_BYTES
from common.wire.frames import encode
from common.wire.messages import Hello
from common.wire.scan_transfer import scan_messages
from tests.factories import make_scan
from tests.faults.talk import greeted

_AGAIN_S = 10.0
"""Whoever is closed comes again after this: it is a crowd that is slow, not a storm."""


async def hold(port: int, dribble: bytes) -> None:
    """One place, for ever."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                for at in range(len(dribble) or sys.maxsize):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1.0 if dribble else None):
                            while await reader.read(4096):
                                pass
                            break
                    writer.write(dribble[at : at + 1])
            finally:
                writer.transport.abort()
        await asyncio.sleep(_AGAIN_S)


async def hold_greeted(port: int, name: str) -> None:
    """One place, for ever, of one that completes the handshake and then says nothing."""
    while True:
        with contextlib.suppress(OSError, PeerAway, ProtocolError):
            channel = await greeted(port, name)
            try:
                while await channel._receiver.wait(60) is not None:
                    pass
            finally:
                channel.abort()
        await asyncio.sleep(_AGAIN_S)


async def crowd(port: int, name: str, size: int) -> None:
    """All of them; a line when they are there."""
    messages = (Hello(name, nonce=bytes(NONCE_BYTES)), *scan_messages(*make_scan(pacs=name)))
    slow = b"".join(map(encode, messages))[:-20]
    async with asyncio.TaskGroup() as tasks:
        for n in range(size):
            if n % 3 == 1:
                tasks.create_task(hold_greeted(port, name))
            else:
                tasks.create_task(hold(port, slow if n % 3 else b""))
        await asyncio.sleep(1.0)
        sys.stdout.write("there\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(crowd(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
