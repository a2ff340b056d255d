"""ECGs in JSON and CSV: what they say, and what contradicts itself."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import SourceError
from common.formats.ecg.text import is_json_ecg, of_document, open_csv, open_json
from tests.common.formats.ecg.test_wfdb import samples_of

SEED: dict[str, Any] = {
    "leads": [{"name": "I", "number_of_samples": 8, "signal": [1, 0, -1, 0, 1, 0, 0, 1]}]
}


def two(**fields: Any) -> dict[str, Any]:
    return {"leads": [{"name": "I", "signal": [1, 2]}, {"name": "II", "signal": [3, 4]}], **fields}


def csv_of(folder: Path, text: str) -> Path:
    path = folder / "x.csv"
    path.write_text(text)
    return path


def test_json_with_nothing_but_leads(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(SEED))
    assert is_json_ecg(path.read_bytes())
    opened = open_json(path)
    assert opened.recording.sampling_rate_hz is None
    assert opened.recording.leads == ("I",)
    assert samples_of(opened)[:, 0].tolist() == SEED["leads"][0]["signal"]


def test_json_with_rate_units_start_and_missing_samples() -> None:
    given = two(sampling_rate_hz=500, units="µV", start="2024-05-17T12:00:00+02:00")
    given["leads"][0]["signal"] = [None, 1000]
    opened = of_document(given)
    assert opened.recording.sampling_rate_hz == 500
    assert opened.recording.start == datetime(2024, 5, 17, 10, tzinfo=UTC)
    assert opened.recording.zone == "utc"
    found = samples_of(opened)
    assert np.isnan(found[0, 0])
    assert found[:, 1] == pytest.approx([0.003, 0.004])
    local = of_document(two(start="2024-05-17T12:00:00")).recording
    assert (local.zone, local.start) == ("unknown", datetime.fromisoformat("2024-05-17T12:00:00"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "not an ECG"),
        ({}, "not an ECG"),
        ({"leads": []}, "not an ECG"),
        ({"leads": [1]}, "lead 1 must have"),
        ({"leads": [{"name": "I"}]}, "lead 1 must have"),
        ({"leads": [{"name": 1, "signal": [1]}]}, "lead 1 must have"),
        ({"leads": [{"name": "I", "signal": [1], "number_of_samples": 2}]}, "number_of_samples"),
        ({"leads": [{"name": "I", "signal": [1], "number_of_samples": True}]}, "number_of_samples"),
        ({"leads": [{"name": "I", "signal": ["1"]}]}, "numbers only"),
        ({"leads": [{"name": "I", "signal": [True]}]}, "numbers only"),
        ({"leads": [{"name": "I", "signal": [[1]]}]}, "numbers only"),
        ({"leads": [{"name": "I", "signal": [10**400]}]}, "out of range"),
        ({"leads": [{"name": "I", "signal": [1e39, 0.0]}]}, "out of range"),
        ({"leads": [{"name": "I", "signal": [1]}, {"name": "II", "signal": []}]}, "different numb"),
        (two(sampling_rate_hz="500"), "must be a number"),
        (two(sampling_rate_hz=True), "must be a number"),
        (two(units="mmHg"), "not a voltage"),
        (two(units=1), "must be text"),
        (two(start="yesterday"), "ISO 8601"),
        ({"leads": [{"name": "I", "signal": [1]}] * 300}, "300 leads"),
    ],
    ids=str,
)
def test_json_that_is_no_ecg_is_refused(content: Any, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        of_document(content)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"leads": Infinity}', "\xff"])
def test_json_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError):
        open_json(path)


def test_csv_with_times(tmp_path: Path) -> None:
    opened = open_csv(csv_of(tmp_path, "time_ms,I,aVR\n0,1,2\n2,,4\n4,5,6\n"))
    assert opened.recording.leads == ("I", "aVR")
    assert opened.recording.sampling_rate_hz == 500
    np.testing.assert_array_equal(samples_of(opened), [[1, 2], [np.nan, 4], [5, 6]])


def test_csv_with_settings_and_decimal_commas(tmp_path: Path) -> None:
    text = "# sampling_rate_hz=360\n# units = V\n\nII;V5\n0,001;-0,002\n0;1e-3\n"
    opened = open_csv(csv_of(tmp_path, text))
    assert opened.recording.sampling_rate_hz == 360
    assert samples_of(opened) == pytest.approx(np.array([[1, -2], [0, 1]]))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an ECG"),
        ("1,2\n3,4\n", "names of the leads"),
        ("I,II\n1\n", "1 cells"),
        ("I,II\n1,two\n", "not a number"),
        ("I\n1e999\n", "not a number"),
        ("time,I\n0,1\n1,2\n5,3\n", "not evenly spaced"),
        ("time,I\n0,1\n0,2\n", "do not increase"),
        ("# sampling_rate_hz=fast\nI\n1\n", "must be a number"),
    ],
    ids=repr,
)
def test_csv_that_is_no_ecg_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        open_csv(csv_of(tmp_path, text))
