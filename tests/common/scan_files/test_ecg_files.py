"""ECGs beside images in a folder: what becomes a scan, what is skipped, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from common.errors import SourceError
from common.scan_files.files import FileSource
from tests.common.formats.ecg.test_text import SEED
from tests.common.formats.ecg.wfdb_files import write_record

VALUES = np.random.default_rng(1).integers(-500, 500, (500, 2))


def test_a_folder_of_ecgs(tmp_path: Path) -> None:
    write_record(tmp_path, "r", VALUES, 212)
    write_record(tmp_path, "m_1", VALUES)
    (tmp_path / "m.hea").write_text("m/1 2 250 500\nm_1 500\n")
    write_record(tmp_path, "p", VALUES, lines=("9/mmHg 12 0 0 0 0 ABP", "9/NU 12 0 0 0 0 PLETH"))
    (tmp_path / "s.ecg.json").write_text(json.dumps(SEED))
    (tmp_path / "sidecar.json").write_text("{}")
    source = FileSource(tmp_path, pacs="pacs-1")
    scans = {task.label: task.load().scan for task in source}
    assert sorted(scans) == ["m.hea", "r.hea", "s.ecg.json"]
    assert {scan.scan_type for scan in scans.values()} == {"ecg"}
    assert scans["r.hea"].shape == (500, 2)
    assert scans["r.hea"].signal is not None
    assert scans["r.hea"].signal.leads == ("V1", "V2")
    # The same samples, and the same meaning: the same scan.
    assert scans["m.hea"].scan_id == scans["m.hea"].scan_id
    counts = source.skipped.counts
    assert (counts["segment"], counts["biosignal"], counts["sidecar"]) == (1, 1, 1)
    assert counts["signals"] == 3
    assert "other" not in counts


def test_the_same_samples_at_another_rate_are_another_scan(tmp_path: Path) -> None:
    key_path = tmp_path / "keys"
    key_path.mkdir()
    write_record(tmp_path, "a", VALUES)
    write_record(tmp_path, "b", VALUES)
    write_record(tmp_path, "c", VALUES, rate="500")
    a, b, c = (task.load().scan for task in FileSource(tmp_path, pacs="pacs-1"))
    assert a.scan_id == b.scan_id != c.scan_id


def test_a_file_that_the_user_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(SEED))
    [task] = FileSource(path, pacs="pacs-1")
    loaded = task.load()
    assert loaded.scan.array(loaded.voxels)[:, 0].tolist() == [1, 0, -1, 0, 1, 0, 0, 1]


def test_a_flat_recording_is_refused_by_name(tmp_path: Path) -> None:
    path = write_record(tmp_path, "r", np.zeros((500, 2), np.int64))
    [task] = FileSource(path, pacs="pacs-1")
    with pytest.raises(SourceError, match="a flat recording"):
        task.load()
