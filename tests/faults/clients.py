"""Peers that misbehave: many at once, garbage, huge frames, silence, one scan from many senders."""

import asyncio
import contextlib
import statistics
import struct
import subprocess
import sys
from collections.abc import Iterator

from common.domain.scan import BrainScan
from common.wire.frame_checks import FrameCheck
from common.wire.frames import encode
from common.wire.messages import Ack, Nack, Scan
from tests.factories import make_scan
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.talk import (
    FRAME_LIMIT,
    Latencies,
    Say,
    answered,
    at_most,
    greeted,
    insist,
    large_scan,
)
from tests.processes import ROOT, environment, peak_memory_mib
from tests.running import frame

SENDERS = 8
FLIPPED_FRAMES = 1000
SLOW_CLIENTS = 1000
ROUNDS = 3
SCANS_A_ROUND = 60


def hub_ports(scene: Scene) -> list[int]:
    """Where the hubs listen: these peers use no proxy."""
    return [int(slot.settings["HUB_PORT"]) for slot in scene.world.cluster.of("fr_hub")]


@CATALOGUE.add("same-scan", Place.PEERS, f"one scan from {SENDERS} senders at once, to all Fr-HUB")
def same_scan(scene: Scene) -> None:
    """Each is acknowledged; there is one scan, and one report. Then the same id with other bytes
    is refused."""
    ports, name = hub_ports(scene), scene.pick("fr_pacs")

    async def at_once(scan: BrainScan, voxels: bytes) -> None:
        scene.world.bear("foreign", [scan.key])
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


@CATALOGUE.add("flipped-frames", Place.PEERS, f"{FLIPPED_FRAMES:,} scans with one bit flipped")
def flipped_frames(scene: Scene) -> None:
    """None is acknowledged, none is stored."""
    port, name = hub_ports(scene)[0], scene.pick("fr_pacs")

    async def one() -> None:
        scan, voxels = make_scan(pacs=name)

        def flipped(check: FrameCheck) -> bytes:
            data = bytearray(encode(Scan(scan, voxels), check))
            data[scene.random.randrange(len(data))] ^= 1 << scene.random.randrange(8)
            return bytes(data)

        heard = await answered(port, flipped, name)
        acks = [event for event in heard if isinstance(event, Ack)]
        scene.demand(not acks, scan.scan_id, "a frame with a flipped bit was acknowledged")

    asyncio.run(at_most(32, [one] * FLIPPED_FRAMES))
    scene.healed()
    scene.row.injected += FLIPPED_FRAMES - 1


def _bad_bytes(scene: Scene, name: str) -> list[Say]:
    draw = scene.random
    scan, voxels = make_scan(pacs=name)
    message = Scan(scan, voxels)
    deep: dict[str, object] = {"t": "scan"}
    for _ in range(150):
        deep = {"t": "scan", "scan": deep}
    # A terabyte, declared: nothing is allocated for it.
    huge = {"shape": [65535, 4096, 4096], "voxels_bytes": 65535 * 4096 * 4096}
    documents: list[dict[str, object]] = [
        {"t": "no such thing"},
        {"t": "scan", "scan": "a text"},
        {"t": "scan", "scan": {"scan_id": scan.scan_id, "shape": [1 << 62, 2]}},
        {"t": "chunk", "id": scan.scan_id, "n": 7, "voxels": b"1"},
        {"t": "ack", "ids": [scan.scan_id]},
        {"t": "hello", "version": 99, "name": name},
        deep,
        {"t": "scan", "scan": {**scan.model_dump(exclude_none=True), **huge}},
    ]
    garbage = (
        b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n",
        draw.randbytes(4096),
        struct.pack("<i", 2**31 - 1) + bytes(1000),  # two GiB, they say
        struct.pack("<i", -5) + bytes(100),
        struct.pack("<i", FRAME_LIMIT + 1) + bytes(FRAME_LIMIT + 1),
    )
    return [
        *(lambda _, data=data: data for data in garbage),
        lambda check: encode(message, check)[:300],
        lambda check: encode(message, check)[:-9] + bytes(8) + b"\0",
        *(lambda check, document=document: frame(document, check) for document in documents),
    ]


@CATALOGUE.add("malformed", Place.PEERS, "garbage, truncated, huge, inconsistent, misplaced frames")
def malformed(scene: Scene) -> None:
    """Refused; memory stays bounded, nothing of them is stored."""
    port, name = hub_ports(scene)[0], scene.pick("fr_pacs")
    hub = scene.world.cluster.of("fr_hub")[0]
    assert hub.process is not None
    before = peak_memory_mib(hub.process.pid)

    async def all_of_them() -> None:
        work = []
        for number, say in enumerate(_bad_bytes(scene, name)):
            for greeting in ("", name):

                async def one(say: Say = say, greeting: str = greeting, n: int = number) -> None:
                    heard = await answered(port, say, greeting)
                    acks = [event for event in heard if isinstance(event, Ack)]
                    scene.demand(not acks, "malformed", f"number {n} was acknowledged")
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
    Place.PEERS,
    f"{SLOW_CLIENTS:,} connections that say nothing, or a byte now and then",
)
def slow_clients(scene: Scene) -> None:
    """Another client's p99, measured without and with them in turns, is less than twice as much."""
    port = hub_ports(scene)[0]
    # Of those that also take reports until the world ends: not the one that sends files.
    there = sorted(slot.name for slot in scene.world.cluster.of("fr_pacs"))
    name, crowd = scene.random.sample(there, 2)
    quiet, crowded = [Latencies() for _ in range(ROUNDS)], [Latencies() for _ in range(ROUNDS)]

    async def measure(latencies: Latencies) -> None:
        channel = await greeted(port, name)
        try:
            await latencies.measure(channel, name, SCANS_A_ROUND)
        finally:
            channel.abort()

    try:
        for without, with_them in zip(quiet, crowded, strict=True):
            asyncio.run(measure(without))
            with _crowd(port, crowd):
                asyncio.run(measure(with_them))
    finally:
        ids = [scan_id for one in (*quiet, *crowded) for scan_id in one.scan_ids]
        scene.world.bear("foreign", ids)
    scene.healed()
    # Of the rounds' p99 the median: one stall of the disk is not the crowd's.
    before, beside = (
        1000 * statistics.median(one.percentile(0.99) for one in rounds)
        for rounds in (quiet, crowded)
    )
    scene.row.notes.update(p99_ms_without=round(before, 1), p99_ms_with=round(beside, 1))
    detail = f"p99 of another client: {beside:.1f} ms with them, {before:.1f} ms without"
    scene.demand(beside < 2 * before, "slow-clients", detail)


@contextlib.contextmanager
def _crowd(port: int, name: str) -> Iterator[None]:
    """The slow ones, as a process of their own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.crowd", str(port), name, str(SLOW_CLIENTS)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        yield
    finally:
        process.kill()
        process.communicate()
