"""``fr report``: what it writes, also when no picture can be drawn, and what it reports then."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from common.domain.scan_key import scan_id_of
from common.errors import AnalysisError, FrError, SettingsError, VoxelsDamaged
from common.store.collections import Collection
from common.store.db_manager import DBManager
from fr_brain.analyzers.registry import Registry, load_analyzers
from fr_brain.commands.report import write_files
from tests.factories import edit, inside, make_reports
from tests.processes import ROOT, environment


@pytest.fixture
def scan_id(store: DBManager) -> str:
    """A grid whose report is by an analyzer that is not installed."""
    [report] = make_reports(store, 1)
    made_by(store, report.key, "another")
    return report.key


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_analyzers()


def made_by(store: DBManager, scan_id: str, name: str, version: str = "1") -> None:
    analyzer = {"report.analyzer": {"name": name, "version": version}}
    inside(store, Collection.REPORTS).update_one({"_id": scan_id}, {"$set": analyzer})


def written(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()}


def test_all_three_files_are_written(
    store: DBManager, registry: Registry, scan_id: str, tmp_path: Path
) -> None:
    write_files(store, registry, scan_id, tmp_path)
    assert written(tmp_path) == {".json", ".txt", ".png"}
    bare = scan_id_of(scan_id)
    assert json.loads((tmp_path / f"{bare}.json").read_text())["scan_id"] == bare


def test_a_scan_without_a_report_is_a_wrong_id(
    store: DBManager, registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="ID='nobody': the store has no report of this id"):
        write_files(store, registry, "nobody", tmp_path)


def test_a_folder_that_cannot_be_one_is_named(
    store: DBManager, registry: Registry, scan_id: str, tmp_path: Path
) -> None:
    taken = tmp_path / "file"
    taken.touch()
    with pytest.raises(SettingsError, match=r"OUT=.*file'"):
        write_files(store, registry, scan_id, taken)


def fails(
    store: DBManager, registry: Registry, scan_id: str, folder: Path, error: type[FrError], why: str
) -> None:
    """Everything but the picture is written."""
    with pytest.raises(error, match=why):
        write_files(store, registry, scan_id, folder)
    assert written(folder) == {".json", ".txt"}


def test_without_voxels_everything_but_the_picture_is_written(
    store: DBManager, registry: Registry, scan_id: str, tmp_path: Path
) -> None:
    inside(store).update_one({"_id": scan_id}, {"$unset": {"voxels": 1}})
    fails(store, registry, scan_id, tmp_path, VoxelsDamaged, "were deleted")


def test_no_picture_is_drawn_from_damaged_voxels(
    store: DBManager, registry: Registry, scan_id: str, tmp_path: Path
) -> None:
    edit(store, scan_id, voxels=bytes(100))
    fails(store, registry, scan_id, tmp_path, VoxelsDamaged, "are damaged: their hash differs")


def test_other_lesions_than_the_reports_are_not_drawn(
    store: DBManager, registry: Registry, scan_id: str, tmp_path: Path
) -> None:
    grid = registry.by_type["grid"]
    made_by(store, scan_id, grid.name, grid.version)
    lesions = {"report.findings.lesions.count": 7}
    inside(store, Collection.REPORTS).update_one({"_id": scan_id}, {"$set": lesions})
    fails(store, registry, scan_id, tmp_path, AnalysisError, "lesions")


def test_the_command_continues_after_a_scan_without_a_picture(
    store: DBManager, scan_id: str, tmp_path: Path
) -> None:
    [gone] = [report.key for report in make_reports(store, 1)]
    inside(store).update_one({"_id": gone}, {"$unset": {"voxels": 1}})
    done = command(store, ID=f"{gone},{scan_id}", OUT=str(tmp_path))
    assert done.returncode == 1
    assert " has the report as .json and .txt, without a picture: " in done.stderr
    assert f"the voxels of {gone} were deleted" in done.stderr
    assert (tmp_path / f"{scan_id_of(scan_id)}.png").stat().st_size > 100
    assert (tmp_path / f"{scan_id_of(gone)}.json").exists()


def test_the_command_asks_which_scan(store: DBManager) -> None:
    done = command(store)
    assert (done.returncode, "ID: which scan?" in done.stderr) == (2, True)


def command(store: DBManager, **given: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "MONGODB_URI": store.connection.uri,
        "MONGODB_DATABASE": store.connection.name,
        **given,
    }
    return subprocess.run(
        [sys.executable, "-m", "fr_brain.commands.report"],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
    )
