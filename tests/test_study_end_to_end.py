"""All three units: the FLAIR and the T1 series of a study, sent in either order, end as one report
that names both."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from pydicom.uid import generate_uid

from common.commands.verify import verify
from common.store.collections import Collection
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.common.formats.dicom.dicom_files import writer
from tests.factories import inside
from tests.running import until
from tests.test_end_to_end import UNITS, Pipeline, pipeline

__all__ = ["pipeline"]

SHAPE = (96, 108, 90)
SEED = 90_210


def write_series(folder: Path, contrast: Literal["flair", "t1"], study: str) -> None:
    """A series of one head."""
    made = make_phantom(SEED, 3, SHAPE, Recipe(contrast=contrast, healthy_chance=0))
    (dx, _, _, x), (_, dy, _, y), (_, _, dz, z) = made.affine
    write, series = writer(folder), generate_uid()
    for n in range(SHAPE[2]):
        write(
            n + 1,
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            SeriesDescription=contrast,
            Rows=SHAPE[1],
            Columns=SHAPE[0],
            PixelSpacing=[round(dy, 6), round(dx, 6)],
            SliceThickness=round(dz, 6),
            # DICOM's axes run to the left and to the back.
            ImageOrientationPatient=[-1, 0, 0, 0, -1, 0],
            ImagePositionPatient=[round(-x, 6), round(-y, 6), round(z + n * dz, 6)],
            PixelData=np.ascontiguousarray(made.voxels[:, :, n].T).astype("<i2").tobytes(),
        )


def kept(reports: Path) -> dict[str, Any]:
    """The reports that Fr-PACS has, by contrast."""
    found = [json.loads(path.read_text()) for path in reports.glob("*.json")]
    return {report["findings"]["parameters"]["contrast"]: report for report in found}


def start_watching(pipeline: Pipeline, source: Path, reports: Path) -> None:
    """Start all units; Fr-PACS sends what comes into the folder ``source``."""
    source.mkdir()
    pipeline.settings |= {"SOURCE": str(source), "REPORTS": str(reports)}
    pipeline.settings |= {"WATCH": "1", "WATCH_QUIET_S": "0.5"}
    pipeline.settings["DATA_DIR"] = str(source.parent / "data")
    for unit in UNITS:
        pipeline.start(unit)


@pytest.mark.long
@pytest.mark.parametrize("order", [("flair", "t1"), ("t1", "flair")], ids="-then-".join)
def test_the_report_on_flair_names_the_t1_scan_whichever_comes_first(
    pipeline: Pipeline, tmp_path: Path, order: tuple[Literal["flair", "t1"], ...]
) -> None:
    source, reports, study = tmp_path / "source", tmp_path / "reports", generate_uid()
    start_watching(pipeline, source, reports)
    for contrast in order:
        write_series(source / contrast, contrast, study)
        until(lambda contrast=contrast: contrast in kept(reports), 60)  # type: ignore[misc]
    until(lambda: kept(reports)["flair"]["findings"]["with_t1"] is not None, 60)
    until(pipeline.drained, 30)

    found = kept(reports)
    flair, t1 = found["flair"], found["t1"]
    assert (flair["study"], flair["subject"]) == (t1["study"], t1["subject"])
    with_t1 = flair["findings"]["with_t1"]
    assert (with_t1["t1_scan"], with_t1["withheld"]) == (t1["scan_id"], None)
    assert with_t1["overlap"] > 0.97
    assert flair["revision"] == (2 if order[0] == "flair" else 1)
    assert (t1["revision"], t1["findings"]["with_t1"]) == (1, None)
    [text] = [path.read_text() for path in reports.glob(f"*{flair['scan_id']}*.txt")]
    assert f"With T1:   scan {t1['scan_id']} of the same study" in text
    assert inside(pipeline.store, Collection.REPORTS).count_documents({}) == 2
    assert verify(pipeline.store, pipeline.ledger).gaps == 0


@pytest.mark.long
def test_kills_while_the_t1_scan_is_analysed_lose_and_repeat_nothing(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    source, reports, study = tmp_path / "source", tmp_path / "reports", generate_uid()
    stored = inside(pipeline.store, Collection.REPORTS)

    def brain_is_killed_once(happened: Callable[[], bool]) -> None:
        until(happened, 60)
        pipeline.kill("fr_brain")
        pipeline.start("fr_brain")

    start_watching(pipeline, source, reports)
    write_series(source / "flair", "flair", study)
    until(lambda: "flair" in kept(reports), 60)
    write_series(source / "t1", "t1", study)
    states = pipeline.store.queries.count_states
    brain_is_killed_once(lambda: states()["In Progress"] == 1)
    brain_is_killed_once(lambda: stored.count_documents({}) == 2)
    until(lambda: kept(reports)["flair"]["findings"]["with_t1"] is not None, 60)
    until(pipeline.drained, 30)
    found = kept(reports)
    assert (found["flair"]["revision"], found["t1"]["revision"]) == (2, 1)
    assert found["flair"]["findings"]["with_t1"]["t1_scan"] == found["t1"]["scan_id"]
    assert stored.count_documents({}) == 2
    assert verify(pipeline.store, pipeline.ledger).gaps == 0
