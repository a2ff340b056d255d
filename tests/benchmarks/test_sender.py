"""The sender of the benchmarks sends what a real Fr-HUB stores."""

import json
from pathlib import Path

import numpy as np

from tests.benchmarks.units import Bench, units


def test_prepared_voxels_are_sent_as_new_scans(mongodb_uri: str, tmp_path: Path) -> None:
    volume = tmp_path / "volume.npy"
    np.save(volume, np.zeros((24, 24, 24), np.int16))
    about = {"scan_type": "volume", "dtype": "int16", "affine": None}
    volume.with_suffix(".json").write_text(json.dumps(about))
    with units(Bench(mongodb_uri, tmp_path, quick=True)) as running:
        running.start("fr_hub")
        totals = running.send(
            "tests.benchmarks.sender",
            BENCH_VOLUME=str(volume),
            SCANS="2",
            REPORT_PATIENCE_S="0.1",
        )
    assert totals["acknowledged"] == 2
    assert totals["megabytes"] > 0
