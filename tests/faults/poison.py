"""Scans on which the analyzer fails, and files that are not what they say."""

import asyncio
import gzip
import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

from common.domain.scan_key import scan_key
from common.wire.messages import Ack
from tests.factories import make_scan
from tests.faults.clients import hub_ports
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.talk import insist
from tests.processes import peak_memory_mib, start, stop
from tests.running import free_port

_ERRORS_S = 240.0
_BOMB_MIB = 512
"""The most memory, MiB, that Fr-PACS may take for a file that declares a false size."""


def _poison(scene: Scene, kind: str, scans: int, **settings: str) -> list[str]:
    """Send scans of this kind to an Fr-BRAIN with these settings; their ids, once in 'Error'."""
    cluster, name = scene.world.cluster, scene.pick("fr_pacs")
    brains = cluster.of("fr_brain")
    # The last of five attempts comes after 8 s instead of 76 s.
    settings = {"BRAIN_RETRY_PAUSE_S": "0.1", **settings}
    cluster.restart(*brains, **settings)
    poisoned = [make_scan(pacs=name, scan_type=kind) for _ in range(scans)]
    ids = [scan.key for scan, _ in poisoned]
    scene.world.bear("foreign", ids)
    scene.world.bear("errors", ids)

    async def send() -> None:
        for scan, voxels in poisoned:
            answer = await insist(hub_ports(scene)[0], name, scan, voxels)
            scene.demand(isinstance(answer, Ack), scan.scan_id, f"poison got {answer!r:.200}")

    asyncio.run(send())
    store = scene.world.store

    def all_failed() -> bool:
        return all(state == "Error" for state, _ in store.queries.states_of(ids).values())

    # Others flow meanwhile.
    scene.demand(scene.world.recovered() is not None, kind, "poison held up the others")
    in_time = scene.world.wait(all_failed, _ERRORS_S, 0.25)
    scene.demand(in_time, kind, f"not 'Error' within {_ERRORS_S:.0f} s")
    cluster.restart(*brains, **dict.fromkeys(settings, ""))
    scene.healed()
    scene.row.injected += scans - 1
    return ids


@CATALOGUE.add("poison-raises", Place.PEERS, "scans on which the analyzer raises an exception")
def poison_raises(scene: Scene) -> None:
    """'Error' at the limit."""
    _poison(scene, "raises", 5)


@CATALOGUE.add("poison-dies", Place.PEERS, "a scan that kills its processor")
def poison_dies(scene: Scene) -> None:
    """'Error' at the limit: attempts are counted at the claim."""
    _poison(scene, "dies", 1)


@CATALOGUE.add("poison-hangs", Place.PEERS, "a scan on which the analyzer never returns")
def poison_hangs(scene: Scene) -> None:
    """'Error' at the limit: it is stopped at its time limit."""
    _poison(scene, "hangs", 1, BRAIN_TIME_LIMIT_S="2")


@CATALOGUE.add("poison-eats", Place.PEERS, "a scan on which the analyzer takes all memory")
def poison_eats(scene: Scene) -> None:
    """'Error' at the limit: it is stopped at its memory limit, each time, and says so."""
    [poison] = _poison(scene, "eats", 1, BRAIN_MEMORY_MIB="512")
    causes = {scan_id: cause for scan_id, cause, _ in scene.world.store.queries.errors(1000)}
    cause = scene.row.notes["cause"] = str(causes.get(poison))
    scene.demand(
        "stopped at its memory limit of 512 MiB" in cause, "poison-eats", f"cause: {cause}"
    )


def _nifti(path: Path, shape: tuple[int, int, int], zeros_mib: int) -> None:
    """A packed NIfTI-1 whose header declares ``shape`` of int16; ``zeros_mib`` of it follow."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<4s", header, 344, b"n+1\0")
    # Members of a packed file follow each other: one is made, many are written.
    piece = gzip.compress(bytes(16 << 20), 9)
    with path.open("wb") as file:
        file.write(gzip.compress(bytes(header)))
        for _ in range(zeros_mib // 16):
            file.write(piece)


@CATALOGUE.add("decompression-bomb", Place.PEERS, "compressed NIfTI files that unpack to gigabytes")
def decompression_bomb(scene: Scene) -> None:
    """One declares more than a scan may have, one less than it unpacks to: memory is bounded."""
    cases: list[tuple[str, Callable[[Path], None]]] = [
        ("declared", lambda path: _nifti(path, (2000, 2000, 1000), 8192)),
        ("undeclared", lambda path: _nifti(path, (32, 32, 32), 8192)),
    ]
    name = scene.pick("fr_pacs")
    for case, make in cases:
        source = scene.world.folder / f"bomb-{case}-{scene.row.injected}.nii.gz"
        ledger = source.with_suffix(".jsonl")
        make(source)
        pacs = start(
            "fr_pacs",
            source.with_suffix(".log"),
            PACS_NAME=name,
            PACS_PORT=str(free_port()),
            HUB_PORT=str(hub_ports(scene)[0]),
            SOURCE=str(source),
            LEDGER=str(ledger),
            REPORT_PATIENCE_S="1",
            PSEUDONYM_KEY_FILE=str(scene.world.folder / "keys" / "pseudonym.key"),
        )
        peak = 0.0

        def ended(pacs: subprocess.Popen[str] = pacs) -> bool:
            nonlocal peak
            if pacs.poll() is None:
                peak = max(peak, _peak(pacs.pid))
            return pacs.poll() is not None

        scene.demand(scene.world.wait(ended, 60, 0.05), case, "Fr-PACS does not come to an end")
        code = stop(pacs)
        scene.world.bear("foreign", _sent(ledger))
        scene.row.notes[f"{case}_peak_mib"] = round(peak, 1)
        scene.demand(code == 1, case, f"Fr-PACS ended with {code}, 1 was due: see its log")
        scene.demand(peak < _BOMB_MIB, case, f"Fr-PACS took {peak:.0f} MiB for it")
        scene.healed()


def _peak(pid: int) -> float:
    try:
        return peak_memory_mib(pid)
    except (OSError, AssertionError):
        return 0.0


def _sent(ledger: Path) -> list[str]:
    if not ledger.exists():
        return []
    entries = map(json.loads, ledger.read_text().splitlines())
    return [
        scan_key(entry["scan_id"], entry["pacs"]) for entry in entries if entry["event"] == "sent"
    ]
