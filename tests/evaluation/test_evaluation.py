"""A small part of ``make evaluate``, with bounds."""

import json
from pathlib import Path

import numpy as np
import pytest

from fr_pacs.sources.phantom.source import make_phantom
from tests.evaluation.__main__ import main
from tests.evaluation.measures import figures_of
from tests.evaluation.reading import read
from tests.evaluation.real import read_real_images
from tests.evaluation.rows import ROWS
from tests.evaluation.scans import evaluate_scan

SCANS = 4


@pytest.mark.parametrize(
    "name", [pytest.param("128 cubed 5/40", marks=pytest.mark.long), "2 mm 3/20"]
)
def test_lesions_of_held_out_phantoms_are_found_and_outlined(name: str) -> None:
    row = next(row for row in ROWS if row.name == name)
    figures = figures_of([evaluate_scan(row, index) for index in range(SCANS)])
    value = {key: figure.value for key, figure in figures.items()}
    assert value["unread"] == 0
    assert (value["false_per_scan"] or 0) <= 0.5
    assert (value["f1"] or 0) >= 0.88
    assert (value["dice"] or 0) >= 0.75
    assert (value["lesion_error"] or 0) <= 0.2


def test_no_lesion_is_found_in_real_heads_that_have_none() -> None:
    images = read_real_images()
    assert images
    for image in images:
        assert image.failed is None, image.name
        assert image.lesions == 0, image.name


def test_labels_lie_where_the_scan_has_them() -> None:
    row = next(row for row in ROWS if row.name == "2 mm 3/20")
    phantom = make_phantom(3, 1, row.shape, row.recipe)
    reading = read("flair", phantom.voxels, phantom.affine)
    inside = phantom.voxels[reading.labels > 0].astype(float)
    assert inside.size
    brain = phantom.voxels[phantom.truth.brain].astype(float)
    assert np.median(inside) > 1.2 * np.median(brain)


def test_the_program_writes_its_results_and_says_whether_goals_were_met(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    code = main(["--only", "2 mm", "--scans", "2", "--jobs", "1", "--json", str(path)])
    document = json.loads(path.read_text())
    (row,) = document["rows"]
    assert row["name"] == "2 mm 3/20"
    assert row["scans"] == 2
    assert document["real"] == []
    assert code == int(bool(row["missed"]))
    assert "| 2 mm 3/20 |" in capsys.readouterr().out


def test_a_row_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "nothing such"]) == 2
    assert "128 cubed 5/40" in capsys.readouterr().err
