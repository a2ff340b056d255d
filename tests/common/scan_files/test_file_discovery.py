"""Which files of a folder are read, in which order, and which are skipped."""

import os
from pathlib import Path
from typing import Any

import pytest

from common.formats.recognition import NOT_AN_IMAGE
from common.scan_files.file_discovery import LEADS_OUT, KnownByName, walk_files
from common.scan_files.files import FileSource
from tests.fr_pacs.sources.image_folders import Save, outcomes


def test_a_bids_folder_does_not_fail_for_its_sidecars(save: Save, tmp_path: Path) -> None:
    save("sub-01/anat/sub-01_T1w.nii.gz")
    for name in ("README", "participants.tsv", "dataset_description.json", ".bidsignore"):
        (tmp_path / name).write_text("text")
    for suffix in ("json", "bval", "bvec"):
        (tmp_path / f"sub-01/anat/sub-01_T1w.{suffix}").write_text("text")
    source = FileSource(tmp_path, pacs="site-a")
    assert [task.label for task in source] == ["sub-01/anat/sub-01_T1w.nii.gz"]
    assert source.skipped.counts == {"sidecar": 5, "text": 1, "hidden": 1}


def test_a_sidecar_that_is_sent_by_name_fails(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("text")
    told = {"README.txt": "not a scan, but a text file"}
    assert outcomes(tmp_path / "README.txt") == told


def test_links_that_lead_out_of_the_folder_are_followed_only_if_asked(
    save: Save, tmp_path: Path
) -> None:
    save("elsewhere/a.nii")
    save("elsewhere/deep/b.nii")
    save("source/c.nii")
    source = tmp_path / "source"
    (source / "a.nii").symlink_to(tmp_path / "elsewhere" / "a.nii")
    (source / "deep").symlink_to(tmp_path / "elsewhere" / "deep", target_is_directory=True)
    (source / "up").symlink_to("..", target_is_directory=True)
    (source / "here.nii").symlink_to("c.nii")
    (tmp_path / "source-2").mkdir()
    (source / "beside").symlink_to(tmp_path / "source-2", target_is_directory=True)
    assert outcomes(source) == {
        "a.nii": LEADS_OUT,
        "beside": LEADS_OUT,
        "c.nii": "sent",
        "deep": LEADS_OUT,
        "here.nii": "sent",
        "up": LEADS_OUT,
    }
    followed = outcomes(source, follow_links=True)
    assert {name: followed[name] for name in ("a.nii", "deep/b.nii", "here.nii")} == {
        "a.nii": "sent",
        "deep/b.nii": "sent",
        "here.nii": "sent",
    }


def test_the_source_itself_may_be_a_link(save: Save, tmp_path: Path) -> None:
    save("elsewhere/a.nii")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert outcomes(tmp_path / "link") == {"a.nii": "sent"}


def test_links_are_followed_and_loops_end(save: Save, tmp_path: Path) -> None:
    save("in/a.nii")
    (tmp_path / "in" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "in" / "b.nii").symlink_to(tmp_path / "in" / "a.nii")
    (tmp_path / "in" / "gone.nii").symlink_to(tmp_path / "nowhere")
    assert outcomes(tmp_path) == {
        "in/a.nii": "sent",
        "in/b.nii": "sent",
        "in/gone.nii": "a link to a file that does not exist: fetch the file",
    }


def test_hidden_files_and_folders_are_not_sent(save: Save, tmp_path: Path) -> None:
    save("a.nii")
    save(".b.nii")
    save(".git/c.nii")
    assert list(outcomes(tmp_path)) == ["a.nii"]


def test_a_pipe_fails_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.dcm")
    assert outcomes(tmp_path) == {"a.dcm": NOT_AN_IMAGE}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_says_so(save: Save, tmp_path: Path) -> None:
    save("a.nii").chmod(0)
    save("locked/b.nii")
    (tmp_path / "locked").chmod(0)
    told = outcomes(tmp_path)
    (tmp_path / "locked").chmod(0o700)
    assert told == {
        "a.nii": "cannot be read: Permission denied",
        "locked": "the folder cannot be listed: Permission denied",
    }


def test_a_folder_that_cannot_be_listed_is_a_failed_task(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.nii")
    save("locked/b.nii")
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert outcomes(tmp_path) == {
        "a.nii": "sent",
        "locked": "the folder cannot be listed: Permission denied",
    }


def test_files_are_found_in_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b/2.nii", "b/1.nii", "a.nii", "c.nii"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.name for path in walk_files(tmp_path) if isinstance(path, Path)]
    assert found == ["a.nii", "c.nii", "1.nii", "2.nii"]
    assert list(walk_files(tmp_path / "a.nii")) == [tmp_path / "a.nii"]


def test_hidden_folders_are_named_and_not_visited(save: Save, tmp_path: Path) -> None:
    save("a.nii")
    save(".git/annex/b.nii")
    save("__MACOSX/._a.nii")
    (tmp_path / "._a.nii").write_bytes(b"x")
    found = [one for one in walk_files(tmp_path) if isinstance(one, KnownByName)]
    assert {one.path.name: one.kind for one in found} == {
        ".git": "hidden",
        "__MACOSX": "system",
        "._a.nii": "system",
    }


def test_a_walk_may_begin_anywhere_and_finds_there_what_the_whole_walk_finds(
    save: Save, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    save("root/a/b.nii")
    save("root/a/.hidden/c.nii")
    save("outside/d.nii")
    (root / "a" / "notes.txt").write_text("text")
    (root / "a" / "out").symlink_to(tmp_path / "outside", target_is_directory=True)
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)

    def told(*start: str, **options: Any) -> list[str]:
        found = walk_files(root, start=root.joinpath(*start), **options)
        return [
            str(one.relative_to(root)) if isinstance(one, Path)
            else one.kind if isinstance(one, KnownByName) else one.label
            for one in found
        ]  # fmt: skip

    assert told() == told("a") == ["hidden", "a/out", "a/b.nii", "text"]
    assert told("a", "b.nii") == ["a/b.nii"]
    assert told("a", "notes.txt") == ["text"]
    assert told("a", ".hidden") == ["hidden"]
    assert told("a", "out") == ["a/out"]
    assert told("a", "loop") == told("a", "absent") == []
    assert told("a", ".hidden", "c.nii") == told("a", "out", "d.nii") == []
    assert told("a", "out", "d.nii", follow_links=True) == ["a/out/d.nii"]
