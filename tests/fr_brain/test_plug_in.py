"""The analyzer in fr_brain/analyzers/README.md does what that says, in a real brain."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import make_scan, opened, state_of
from tests.processes import ROOT, environment, start, stop
from tests.running import until


def blocks(language: str) -> str:
    """The first block of a language in the section on analyzers of one's own."""
    text = (ROOT / "fr_brain/analyzers/README.md").read_text()
    section = text[text.index("## Your own analyzer") :]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def plugged_in(tmp_path: Path) -> Path:
    """A folder with the README's package in it, installed."""
    source, project = blocks("python"), blocks("toml")
    assert len(source.strip().splitlines()) <= 15
    (group,) = re.findall(r'entry-points\."(.+)"\]', project)
    ((name, value),) = re.findall(r'^(\w+) = "(.+)"', project, re.MULTILINE)
    package = value.partition(":")[0]
    (tmp_path / f"{package}.py").write_text(source)
    info = tmp_path / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    return tmp_path


def test_it_reads_the_scans_of_its_type_in_place_of_ours(
    plugged_in: Path, mongodb_uri: str, database: str
) -> None:
    voxels = bytes([0] * 50 + [200] * 50)
    with opened(mongodb_uri, database) as store:
        scan, _ = make_scan(voxels=voxels, scan_type="volume", shape=(5, 5, 4))
        store.scans.add([NewScan(scan, voxels)])
        brain = start(
            "fr_brain",
            None,
            MONGODB_URI=store.connection.uri,
            MONGODB_DATABASE=store.connection.name,
            BRAIN_PROCESSES="1",
            PYTHONPATH=str(plugged_in),
        )
        try:
            until(lambda: state_of(store, scan.key) == "Done", 60)
        finally:
            assert stop(brain) == 0
        check(store, scan.key)


def check(store: DBManager, scan_id: str) -> None:
    found = store.revisions.reported(scan_id)
    assert found is not None
    _, report = found
    assert (report.analyzer.name, report.analyzer.version) == ("dark", "1")
    assert report.findings.lesions is not None
    assert report.findings.lesions.voxels == 50


def test_it_does_what_an_analyzer_must(plugged_in: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fr_brain.analyzers.conformance", "dark"],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(plugged_in)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
