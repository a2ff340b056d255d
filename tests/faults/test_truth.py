"""The truth of scans, against the sources and analyzers that it is computed apart from."""

import json
from pathlib import Path

from common.domain.types import hash_voxels
from fr_brain.analyzers.grid import GridAnalyzer
from fr_brain.analyzers.volume import VolumeAnalyzer
from fr_pacs.sources.grid import GridSource
from fr_pacs.sources.phantom.source import PhantomSource
from tests.faults.essence import essence, essence_of
from tests.faults.truth import Truth, Truths, grid_cells, grid_truth, phantom_truth


def test_grids_are_those_of_the_source_in_any_block() -> None:
    for shape, indices in (((10, 10), (0, 511, 512, 1500)), ((720, 720), (0, 1, 2, 5))):
        source = GridSource("pacs-1", None, 7, shape)
        for index in indices:
            assert grid_cells(7, index, shape) == source.cells(index)


def test_a_grids_truth_is_what_its_analyzer_finds_and_no_other_grids() -> None:
    loaded = next(iter(GridSource("pacs-1", 1, 7))).load()
    truth = grid_truth(7, 0, (10, 10))
    assert truth.voxels_hash == loaded.scan.voxels_hash
    found = GridAnalyzer().analyse(loaded.scan, loaded.scan.array(loaded.voxels))
    assert truth.findings == essence_of(found)
    assert grid_truth(7, 1, (10, 10)).voxels_hash != truth.voxels_hash


def test_a_phantoms_truth_is_its_scans() -> None:
    loaded = next(iter(PhantomSource("pacs-1", 1, 7, (32, 32, 32)))).load()
    truth = phantom_truth(7, 0, (32, 32, 32), "flair")
    assert truth.voxels_hash == hash_voxels(loaded.voxels)
    array = loaded.scan.array(loaded.voxels)
    assert truth.findings == essence_of(VolumeAnalyzer().analyse(loaded.scan, array))


def test_the_essence_is_the_same_from_mongodb_and_from_a_model_and_changes_with_the_count() -> None:
    loaded = next(iter(GridSource("pacs-1", 1, 7))).load()
    array = loaded.scan.array(loaded.voxels)
    found = GridAnalyzer().analyse(loaded.scan, array)
    assert essence(found.model_dump()) == essence_of(found)
    other = found.model_dump()
    other["lesions"]["voxels"] += 1
    assert essence(other) != essence_of(found)


def test_truths_are_those_that_a_recorder_named(tmp_path: Path) -> None:
    made = tmp_path / "pacs-1.made"
    truths = Truths([made], {"a.nii": Truth("hash")})
    assert truths.of(["s"]) == {}
    lines = [
        {"scan_id": "s", "kind": "grid", "seed": 7, "index": 3, "shape": [10, 10]},
        {"scan_id": "f", "kind": "file", "label": "a.nii", "shape": [2, 2, 2]},
    ]
    made.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"scan_id": "cut')
    assert truths.of(["s", "f", "t"]) == {"s": grid_truth(7, 3, (10, 10)), "f": Truth("hash")}
