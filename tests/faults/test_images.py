"""The images of the files' world are what their truth says, read by Fr-PACS' own source."""

from pathlib import Path

from common.scan_files.files import FileSource
from tests.faults.images import COPIES, IMAGES, make_images


def test_each_image_becomes_the_scan_that_its_truth_names(tmp_path: Path) -> None:
    truths = make_images(tmp_path / "images", 7)
    loaded = {task.label: task.load() for task in FileSource(tmp_path / "images", pacs="pacs-1")}
    assert len(loaded) == IMAGES
    assert {name: one.scan.voxels_hash for name, one in loaded.items()} == {
        name: truth.voxels_hash for name, truth in truths.items()
    }


def test_copies_have_the_truth_and_the_id_of_their_image(tmp_path: Path) -> None:
    truths = make_images(tmp_path / "images", 7, copies=COPIES)
    assert len(truths) == IMAGES + COPIES
    loaded = {task.label: task.load() for task in FileSource(tmp_path / "images", pacs="pacs-1")}
    assert loaded.keys() == truths.keys()
    assert len({one.scan.scan_id for one in loaded.values()}) == IMAGES
