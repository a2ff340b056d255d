"""A ledger's acknowledged scans, by key where it names its Fr-PACS."""

import json
from pathlib import Path

import pytest

from common.audit.ledger import acknowledged_in
from common.errors import SettingsError

AT = "2026-01-31T08:00:00.000+00:00"


def test_acknowledged_scans_are_read_and_an_unfinished_line_is_not(tmp_path: Path) -> None:
    lines = [
        {"event": "sent", "scan_id": "a", "at": AT, "pacs": "pacs-1"},
        {"event": "acknowledged", "scan_id": "a", "at": AT, "pacs": "pacs-1"},
        {"event": "acknowledged", "scan_id": "old", "at": AT},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "ledger").write_text(text + '{"event": "ackn')
    found = list(acknowledged_in(tmp_path / "ledger"))
    assert [key for key, _ in found] == ["a@pacs-1", "old"]
    assert found[0][1].isoformat() == "2026-01-31T08:00:00+00:00"


@pytest.mark.parametrize("text", ["no ledger\n", '{"event": "acknowledged"}\n', "[]\n"])
def test_what_is_no_ledger_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="LEDGER="):
        list(acknowledged_in(tmp_path / "absent"))
    (tmp_path / "ledger").write_text(text)
    with pytest.raises(SettingsError, match="not a ledger of Fr-PACS"):
        list(acknowledged_in(tmp_path / "ledger"))
