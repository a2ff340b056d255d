"""A watched folder as a source: images arrive while its sender is killed again and again."""

import csv
import random
import shutil
from collections import Counter
from pathlib import Path

from common.domain.file_outcomes import FileOutcome
from common.domain.report_index import NAME, OUTCOME, REPORT
from tests.faults.images import COPIES, LINE_BYTES, is_once, make_images, reported, size_of
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place

_ENDS_S = 240.0
_BETWEEN_KILLS = 5
"""Files that arrive."""
_QUIET_S = 0.5
_KILLED_S = 20.0
"""It is killed so long after files arrived at the latest."""


@CATALOGUE.add(
    "watch-killed",
    Place.SERVER,
    "images and copies arrive in a watched folder; its sender is killed again and again",
)
def watch_killed(scene: Scene) -> None:
    """Whenever it is killed, there are as many scans, reports and rows in index.csv as distinct
    images, and a row for each copy."""
    world, draw = scene.world, scene.random
    slot, before = world.slot("files"), dict(world.slot("files").settings)
    folder, reports = world.folder / "arriving", world.folder / "watch-reports"
    ledger = world.folder / "files.jsonl"
    seed = 2000 + draw.randrange(1000)
    truths = make_images(world.folder / "to-arrive", seed, "arrives", COPIES)
    world.truths.labelled.update(truths)
    folder.mkdir()
    slot.settings |= {
        "WATCH": "1",
        "WATCH_QUIET_S": f"{_QUIET_S:g}",
        "SOURCE": str(folder),
        "REPORTS": str(reports),
        "DATA_DIR": str(world.folder / "watch-data"),
    }
    names = sorted(truths)
    draw.shuffle(names)
    world.cluster.start(slot)
    for n, name in enumerate(names, 1):
        _arrives(world.folder / "to-arrive" / name, folder, draw)
        if n % _BETWEEN_KILLS == 0:
            world.cluster.wait_ready(slot)
            # At any time between its start and its last report, however busy the machine is.
            enough = size_of(ledger) + LINE_BYTES * draw.randrange(3 * _BETWEEN_KILLS)
            world.wait(lambda: size_of(ledger) >= enough, _KILLED_S)  # noqa: B023
            world.wait(lambda: False, draw.uniform(0, _QUIET_S))
            world.cluster.kill(slot)
            scene.healed()
            scene.tell(f"{n} of {len(names)} files")
    wanted = sorted({truth.voxels_hash for truth in truths.values()})
    world.wait(lambda: reported(world, wanted) == wanted, _ENDS_S, 0.5)
    _has_rows(scene, reports, len(wanted), len(names))
    world.cluster.wait_ready(slot)  # the last kill may have come after the last row
    [code] = world.cluster.stop(slot)
    scene.demand(code == 0, "files", f"its sender ended with exit code {code}: see its log")
    slot.settings = before
    is_once(scene, truths)


def _arrives(image: Path, folder: Path, draw: random.Random) -> None:
    """As programs write files: under another name first, or in pieces."""
    target, content = folder / image.name, image.read_bytes()
    if draw.random() < 0.5:
        draft = folder / f"{image.name}.part"
        shutil.copy(image, draft)
        draft.rename(target)
        return
    with target.open("wb", buffering=0) as file:
        file.write(content[: len(content) // 2])
        file.write(content[len(content) // 2 :])


def _has_rows(scene: Scene, reports: Path, images: int, files: int) -> None:
    """The table names each file once, and each image has one report."""

    def rows() -> list[dict[str, str]]:
        path = reports / NAME
        return list(csv.DictReader(path.open(newline=""))) if path.exists() else []

    def counts() -> tuple[int, int, int, int]:
        outcomes = Counter(row[OUTCOME] for row in rows())
        named = {row[REPORT] for row in rows() if row[REPORT]}
        return (
            outcomes[FileOutcome.REPORTED],
            len(named),
            len({row["file"] for row in rows()}),
            sum(outcomes.values()),
        )

    right = images, images, files, files
    scene.world.wait(lambda: counts() == right, _ENDS_S, 0.5)
    is_right = counts() == right
    if not is_right:
        columns = ("file", OUTCOME, "reason", "scan_id", REPORT)
        for row in rows():
            scene.tell(" | ".join(row[name] for name in columns))
    scene.demand(
        is_right,
        "files",
        f"index.csv has reported, reports, files and rows {counts()}, not {right}",
    )
    kept = len([*reports.glob("*.json")])
    scene.demand(kept == images, "files", f"{kept} report files of {images} distinct images")
