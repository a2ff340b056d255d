"""ECGs through all three units: files and synthetic ones, each with its report, beside images."""

import csv
import json
from pathlib import Path

import pytest

from common.commands.verify import verify
from common.domain.report import REPORT_SCHEMA_VERSION
from common.store.scan_list import Wanted
from tests.common.formats.ecg.test_text import SEED
from tests.running import until
from tests.test_end_to_end import Pipeline, pipeline, run

__all__ = ["pipeline"]


def test_synthetic_ecgs_are_reported(pipeline: Pipeline) -> None:
    assert run(pipeline, SCANS="12", KIND="ecg", SHAPE="5000x3") == 0, pipeline.log("fr_pacs")
    totals = pipeline.totals()
    assert (totals["acknowledged"], totals["delivered"], totals["failed"]) == (12, 12, 0)
    until(pipeline.drained)
    verdict = verify(pipeline.store, pipeline.ledger, deep=True)
    assert (verdict.gaps, verdict.scans["Done"]) == (0, 12)


@pytest.mark.long
def test_files_of_ecgs_are_reported(pipeline: Pipeline, tmp_path: Path) -> None:
    source, reports = tmp_path / "source", tmp_path / "reports"
    source.mkdir()
    (source / "seed.ecg.json").write_text(json.dumps(SEED))
    (source / "two.ecg.csv").write_text("time_ms,I,II\n0,1,1\n2,-1,2\n4,1,\n6,-1,1\n")
    assert run(pipeline, SOURCE=str(source), REPORTS=str(reports)) == 0, pipeline.log("fr_pacs")
    found = {}
    for path in reports.glob("*.json"):
        report = json.loads(path.read_text())
        assert report["scan_type"] == "ecg"
        assert report["schema_version"] == REPORT_SCHEMA_VERSION
        assert report["findings"]["kind"] == "ecg"
        crossings = report["findings"]["crossings"]
        found[path.name.partition("__")[0]] = {
            one["lead"]: one["zero_crossings"] for one in crossings
        }
    assert found == {"seed.ecg.json": {"I": 2}, "two.ecg.csv": {"I": 3, "II": 0}}
    texts = [path.read_text() for path in reports.glob("*.txt")]
    assert all(text.startswith("ECG report") and "lesion" not in text for text in texts)
    with (reports / "index.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert rows["seed.ecg.json"]["kind"] == "ecg"
    assert rows["seed.ecg.json"]["zero_crossings"] == "2"
    assert rows["seed.ecg.json"]["lesions"] == ""
    assert rows["two.ecg.csv"]["duration_s"] == "0.008"
    listed = list(pipeline.store.scan_list.scans(Wanted()))
    assert [scan.lesions for scan in listed] == [None, None]
