"""Two releases side by side: units of the release before this one, beside those of this one."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from common.domain.scan_key import scan_key
from tests.faults.clients import hub_ports
from tests.faults.nemesis import NotHere, Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.processes import ROOT, environment, stop
from tests.running import free_port, listens

BEFORE = "eaed206"
"""The last commit of the release before wire version 3 and schema 2."""

_SCANS = 5
_ENDS_S = 60.0


def checkout(folder: Path) -> Path:
    """That release's files.

    Raises:
        NotHere: this is no checkout that has its commit.
    """
    git = ["git", "-C", str(ROOT), "archive", "--format=tar", BEFORE]
    try:
        packed = subprocess.run(git, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise NotHere(f"no git checkout with the commit {BEFORE}") from None
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(folder, filter="data")
    return folder


def _start(module: str, log: Path, release: Path, **given: str) -> subprocess.Popen[str]:
    """A unit of this release: Python looks for modules in its working folder first."""
    with log.open("a") as out:
        return subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=release,
            env=environment(**given),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            text=True,
        )


def _send(scene: Scene, release: Path, name: str, hub: int, label: str) -> None:
    """Send some scans; they are acknowledged, or refused with a reason that names the version."""
    ledger = scene.world.folder / f"{label}.jsonl"
    log = ledger.with_suffix(".log")
    sender = _start(
        "fr_pacs",
        log,
        release,
        PACS_NAME=name,
        PACS_PORT=str(free_port()),
        HUB_PORT=str(hub),
        KIND="grid",
        SCANS=str(_SCANS),
        LEDGER=str(ledger),
        REPORT_PATIENCE_S="1",
    )
    ended = scene.world.wait(lambda: sender.poll() is not None, _ENDS_S)
    stop(sender)
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    acknowledged = {e["scan_id"] for e in entries if e["event"] == "acknowledged"}
    scene.row.notes[label] = f"{len(acknowledged)} acknowledged"
    scene.world.bear("foreign", [scan_key(e["scan_id"], name) for e in entries])
    if len(acknowledged) < _SCANS:
        scene.demand(ended, label, "neither acknowledged nor refused for good")
        scene.demand(not acknowledged, label, f"{len(acknowledged)} of {_SCANS} are acknowledged")
        scene.demand("version" in log.read_text(), label, f"no reason is given: see {log}")


@CATALOGUE.add(
    "two-releases", Place.PEERS, f"units of the release before ({BEFORE}) meet those of this one"
)
def two_releases(scene: Scene) -> None:
    """Each understands the other, or refuses it with a reason; nothing is lost."""
    name = scene.pick("fr_pacs")
    before = checkout(scene.world.folder / "release-before")
    _send(scene, before, name, hub_ports(scene)[0], "older Fr-PACS, newer Fr-HUB")
    port = free_port()
    hub = _start(
        "fr_hub",
        scene.world.folder / "older-hub.log",
        before,
        MONGODB_URI=scene.world.database.uri,
        MONGODB_DATABASE="before",
        HUB_PORT=str(port),
        HUB_PACS=f"{name}=127.0.0.1:{free_port()}",
        HUB_DISK_FREE_MIB="0",
    )
    try:
        up = scene.world.wait(lambda: listens(port), _ENDS_S)
        scene.demand(up, "older Fr-HUB", "it does not start")
        _send(scene, ROOT, name, port, "newer Fr-PACS, older Fr-HUB")
    finally:
        stop(hub)
    scene.healed()
