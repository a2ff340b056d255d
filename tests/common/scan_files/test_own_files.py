"""What Fr-PACS writes into SOURCE is no input."""

from pathlib import Path

import pytest

from common.scan_files.file_discovery import KnownByName, walk_files
from common.scan_files.file_tasks import FailedTask
from common.scan_files.own_files import OwnFiles

ID = "0123456789abcdef" * 2


def names(root: Path, own: OwnFiles, start: Path | None = None) -> list[str]:
    found = []
    for one in walk_files(root, own=own, start=start):
        assert not isinstance(one, FailedTask)
        path = one.path if isinstance(one, KnownByName) else one
        found.append(path.relative_to(root).as_posix())
    return found


def fill(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_reports_ledger_summary_and_data_in_the_folder_are_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "source"
    fill(root, "a.nii", "out/x.json", "out/deep/y.json", "ledger.jsonl", "summary.json")
    fill(root, ".data/key", "sub/out/b.nii", "sub/ledger.jsonl")
    monkeypatch.chdir(tmp_path)
    others = [Path("source/ledger.jsonl"), root / "summary.json", root / ".data", tmp_path]
    own = OwnFiles(root, Path("source/out"), others)
    wanted = ["a.nii", "sub/ledger.jsonl", "sub/out/b.nii"]
    assert names(root, own) == wanted
    for start in ("out", "out/deep/y.json", "ledger.jsonl", ".data/key"):
        assert names(root, own, root / start) == []
    assert names(root, own, root / "sub") == wanted[1:]
    link = tmp_path / "link"
    link.symlink_to(root, target_is_directory=True)
    assert names(link, OwnFiles(link, root / "out", others)) == wanted


def test_reports_that_are_written_beside_the_images_are_known_by_their_names(
    tmp_path: Path,
) -> None:
    reports = [f"a__{ID}.json", f"a__{ID}.txt", f"a__{ID}.png", f"{ID}.json"]
    reports += [f"a__{ID}.lesions.nii.gz", f"{ID}.brain.nii.gz"]
    fill(tmp_path, "a.nii", "a.json", "index.csv", ".index.csv.ab", *reports)
    fill(tmp_path, f"sub/{ID}.json", f"{ID}.nii", f"{ID}.nii.gz", "a.brain.nii.gz")
    wanted = [f"{ID}.nii", f"{ID}.nii.gz", "a.json", "a.nii", "a.brain.nii.gz", f"sub/{ID}.json"]
    assert sorted(names(tmp_path, OwnFiles(tmp_path, tmp_path))) == sorted(wanted)
    assert names(tmp_path, OwnFiles(tmp_path, tmp_path), tmp_path / "index.csv") == []
    assert len(names(tmp_path, OwnFiles(tmp_path))) == len(wanted) + len(reports) + 2
