"""Labels of scans, from the index of the reports and from the ledger."""

import csv
import json
from contextlib import closing
from pathlib import Path

import pytest

from common.commands.labels import Labels
from common.domain.report_index import COLUMNS
from common.errors import SettingsError


def indexed(folder: Path, *rows: dict[str, str]) -> Path:
    """A folder of reports with these rows in its index."""
    folder.mkdir()
    with (folder / "index.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="")
        table.writeheader()
        table.writerows(rows)
    return folder


def test_two_files_of_one_image_are_two_labels_of_one_scan(tmp_path: Path) -> None:
    folder = indexed(
        tmp_path / "reports",
        {"file": "a.nii", "scan_id": "a", "pacs": "one"},
        {"file": "b.nii", "volume": "volume 2", "scan_id": "a", "pacs": "one"},
        {"file": "c.nii", "scan_id": "a", "pacs": "two"},
        {"scan_id": "d", "pacs": "one"},
        {"file": "e.json", "outcome": "skipped", "pacs": "one"},
    )
    with closing(Labels(folder, None)) as labels:
        assert labels.of(["a@one", "a@two", "d@one", "@one", "unknown@one"]) == {
            "a@one": ["a.nii", "b.nii [volume 2]"],
            "a@two": ["c.nii"],
        }


def test_both_sources_are_asked_and_a_label_is_told_once(tmp_path: Path) -> None:
    folder = indexed(tmp_path / "reports", {"file": "a.nii", "scan_id": "a", "pacs": "one"})
    events = [
        {"event": event, "scan_id": scan_id, "pacs": "one", "label": label}
        for event in ("sent", "acknowledged")
        for scan_id, label in (("a", "a.nii"), ("b", "b.nii"), ("c.nii", "c.nii"))
    ]
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text("".join(json.dumps(event) + "\n" for event in events) + '{"label": "cut')
    with closing(Labels(folder, ledger)) as labels:
        many = [f"{n}@one" for n in range(2000)]
        assert labels.of(["a@one", *many, "b@one", "c.nii@one"]) == {
            "a@one": ["a.nii"],
            "b@one": ["b.nii"],
        }


@pytest.mark.parametrize("text", ["name,age\n", '{"label": 1}\n', '{"label": \n', ""])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "index.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"REPORTS=.*Fr-PACS did not write its index.csv"):
        Labels(tmp_path, None)
    if "label" in text:
        with pytest.raises(SettingsError, match=r"LEDGER=.*not a ledger of Fr-PACS"):
            Labels(None, path)


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.csv").mkdir()
    with pytest.raises(SettingsError, match=r"REPORTS=.*directory"):
        Labels(tmp_path, None)
