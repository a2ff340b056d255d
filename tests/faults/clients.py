"""Peers that misbehave: many at once, garbage, huge frames, silence, one scan from many senders."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

from common.messages import Ack, Hello, Nack, Scan
from common.models import BrainScan
from common.protocol import encode, messages_of
from tests.factories import make_scan
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.talk import (
    FRAME_LIMIT,
    Latencies,
    answered,
    at_most,
    frames_in,
    insist,
    large_scan,
)
from tests.processes import peak_memory_mib
from tests.running import frame

SENDERS = 8
FLIPPED_FRAMES = 1000
SLOW_CLIENTS = 1000
ROUNDS = 5
SCANS_A_ROUND = 100


def hub_ports(scene: Scene) -> list[int]:
    """Where the hubs listen: these peers use no proxy."""
    return [int(slot.settings["HUB_PORT"]) for slot in scene.world.cluster.of("fr_hub")]


@CATALOGUE.add("same-scan", Place.SERVER, f"one scan from {SENDERS} senders at once, to all hubs")
def same_scan(scene: Scene) -> None:
    """Each is acknowledged; there is one scan, and one report. Then the same id with other bytes
    is refused."""
    ports, name = hub_ports(scene), scene.pick("fr_pacs")

    async def at_once(scan: BrainScan, voxels: bytes) -> None:
        scene.world.bear("foreign", [scan.scan_id])
        answers = await asyncio.gather(
            *(insist(ports[n % len(ports)], name, scan, voxels) for n in range(SENDERS))
        )
        for answer in answers:
            good = isinstance(answer, Ack) and scan.scan_id in answer.ids
            scene.demand(good, scan.scan_id, f"the same scan again got {answer!r:.200}")
        other, bytes_ = make_scan(pacs=name, scan_id=scan.scan_id, voxels=bytes(100))
        refused = await insist(ports[0], name, other, bytes_)
        good = isinstance(refused, Nack) and refused.code == "conflict"
        scene.demand(good, scan.scan_id, f"the same id with other bytes got {refused!r:.200}")
        scene.healed()

    for scan, voxels in (make_scan(pacs=name), large_scan(name)):
        asyncio.run(at_once(scan, voxels))


@CATALOGUE.add("flipped-frames", Place.SERVER, f"{FLIPPED_FRAMES:,} scans with one bit flipped")
def flipped_frames(scene: Scene) -> None:
    """None is acknowledged, none is stored."""
    port, name = hub_ports(scene)[0], scene.pick("fr_pacs")
    hello = encode(Hello(name))

    async def one() -> None:
        scan, voxels = make_scan(pacs=name)
        data = bytearray(encode(Scan(scan, voxels)))
        data[scene.random.randrange(len(data))] ^= 1 << scene.random.randrange(8)
        heard = await answered(port, bytes(data), hello)
        acks = [piece for piece in frames_in(heard) if b"\x02t\0\x04\0\0\0ack\0" in piece]
        scene.demand(not acks, scan.scan_id, "a frame with a flipped bit was acknowledged")

    asyncio.run(at_most(32, [one] * FLIPPED_FRAMES))
    scene.healed()
    scene.row.injected += FLIPPED_FRAMES - 1


def _bad_bytes(scene: Scene, name: str) -> list[bytes]:
    draw = scene.random
    scan, voxels = make_scan(pacs=name)
    good = encode(Scan(scan, voxels))
    deep: dict[str, object] = {"t": "scan"}
    for _ in range(150):
        deep = {"t": "scan", "scan": deep}
    return [
        b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n",
        draw.randbytes(4096),
        struct.pack("<i", 2**31 - 1) + bytes(1000),  # two GiB, they say
        struct.pack("<i", -5) + bytes(100),
        struct.pack("<i", FRAME_LIMIT + 1) + bytes(FRAME_LIMIT + 1),
        good[: len(good) // 2],
        good[:-9] + bytes(8) + b"\0",
        frame({"t": "no such thing"}),
        frame({"t": "scan", "scan": "a text"}),
        frame({"t": "scan", "scan": {"scan_id": scan.scan_id, "shape": [1 << 62, 2]}}),
        frame({"t": "chunk", "id": scan.scan_id, "n": 7, "voxels": b"1"}),
        frame({"t": "ack", "ids": [scan.scan_id]}),
        frame({"t": "hello", "version": 99, "name": name}),
        frame(deep),
        # A terabyte, declared: nothing is allocated for it.
        frame(
            {
                "t": "scan",
                "scan": {
                    **scan.model_dump(exclude_none=True),
                    "shape": [65535, 4096, 4096],
                    "voxels_bytes": 65535 * 4096 * 4096,
                },
            }
        ),
    ]


@CATALOGUE.add("malformed", Place.SERVER, "garbage, cut, huge, lying and misplaced frames")
def malformed(scene: Scene) -> None:
    """Refused; memory stays bounded, nothing of them is stored."""
    port, name = hub_ports(scene)[0], scene.pick("fr_pacs")
    hub = scene.world.cluster.of("fr_hub")[0]
    assert hub.process is not None
    before = peak_memory_mib(hub.process.pid)
    hello = encode(Hello(name))

    async def all_of_them() -> None:
        work = []
        for data in _bad_bytes(scene, name):
            for greeting in (b"", hello):

                async def one(data: bytes = data, greeting: bytes = greeting) -> None:
                    heard = await answered(port, data, greeting)
                    acks = [f for f in frames_in(heard) if b"\x02t\0\x04\0\0\0ack\0" in f]
                    scene.demand(not acks, "malformed", f"{data[:40]!r} was acknowledged")
                    scene.row.injected += 1

                work.append(one)
        await at_most(8, work)

    asyncio.run(all_of_them())
    scene.row.injected -= 1
    scene.healed()
    grown = peak_memory_mib(hub.process.pid) - before
    scene.row.notes["hub_grew_mib"] = round(grown, 1)
    scene.demand(grown < 64, "hub-1", f"its memory grew by {grown:.0f} MiB")


@CATALOGUE.add(
    "slow-clients",
    Place.SERVER,
    f"{SLOW_CLIENTS:,} connections that say nothing, or a byte now and then",
)
def slow_clients(scene: Scene) -> None:
    """Another client's p99, measured without and with them in turns, is less than twice as much."""
    port, name = hub_ports(scene)[0], scene.pick("fr_pacs")
    quiet, crowded = Latencies(), Latencies()

    async def rounds() -> None:
        for _ in range(ROUNDS):
            await quiet.measure(port, name, SCANS_A_ROUND)
            async with _crowd(port, name):
                await crowded.measure(port, name, SCANS_A_ROUND)

    asyncio.run(rounds())
    scene.world.bear("foreign", [*quiet.scan_ids, *crowded.scan_ids])
    scene.healed()
    p99 = {"p99_ms_without": quiet.percentile(0.99), "p99_ms_with": crowded.percentile(0.99)}
    scene.row.notes.update({key: round(value * 1000, 1) for key, value in p99.items()})
    scene.demand(
        crowded.percentile(0.99) < 2 * quiet.percentile(0.99),
        "slow-clients",
        f"p99 of another client: {p99}",
    )


@contextlib.asynccontextmanager
async def _crowd(port: int, name: str) -> AsyncIterator[None]:
    """Connections that hold their places: a third says nothing, a third greets and then nothing, a
    third sends a scan a byte at a time. A hub that closes them gets others."""
    scan, voxels = make_scan(pacs=name)
    slow = encode(Hello(name)) + b"".join(map(encode, messages_of(scan, voxels)))[:-20]
    stop = asyncio.Event()

    async def one(n: int) -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    if n % 3 == 1:
                        writer.write(encode(Hello(name)))
                    for at in range(len(slow)):
                        if n % 3 == 2:
                            writer.write(slow[at : at + 1])
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(1.0):
                                await (stop.wait() if n % 3 else _closed(reader))
                        if stop.is_set() or reader.at_eof():
                            break
                finally:
                    writer.transport.abort()
            await asyncio.sleep(1.0)

    tasks = [asyncio.create_task(one(n)) for n in range(SLOW_CLIENTS)]
    await asyncio.sleep(1.5)  # all are there
    try:
        yield
    finally:
        stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):
        pass
