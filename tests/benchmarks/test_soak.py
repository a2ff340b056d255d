"""A short long run: it measures memory and acknowledgements, and says when memory grows."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from common.runtime.console import Console
from tests.benchmarks.servers import mongod
from tests.benchmarks.soak import Soak, measure, show
from tests.benchmarks.units import Bench


def test_a_run_measures_all_units_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.benchmarks.soak.KEPT_S", 0.5)
    monkeypatch.setattr("tests.benchmarks.soak.PURGE_S", 0.5)
    monkeypatch.setenv("RATE", "5")
    soak = Soak({}, 0.1, "small")
    with mongod(tmp_path / "mongod") as running:
        measure(Bench(running.uri, tmp_path, quick=True), soak, None, running.pid)
    assert (soak.delivered, soak.gaps, len(soak.acknowledged)) == (30, 0, 30)
    assert soak.purged > 0
    assert soak.memory_mib.keys() == {"mongod", "Fr-HUB", "Fr-BRAIN", "Fr-PACS"}
    assert all(max(values) > 10 for values in soak.memory_mib.values())
    printed = StringIO()
    show(soak, Console(file=printed))
    assert "acknowledgements of 30 scans" in printed.getvalue()


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs make .venv/ready-bench")
    from tests.benchmarks.soak_picture import draw

    soak = Soak({}, 1, "small")
    soak.at = list(np.arange(60.0))
    soak.memory_mib = {"Fr-HUB": [80.0] * 60}
    soak.checkpoint = [at == 30 for at in soak.at]
    soak.acknowledged = [(at, 0.02) for at in soak.at]
    assert draw(soak, tmp_path / "soak.png").stat().st_size > 10_000


def test_growing_memory_is_seen() -> None:
    soak = Soak({}, 120, "small")
    soak.at = list(np.arange(7200.0))
    soak.memory_mib = {"flat": [80.0] * 7200, "grows": [80 + at / 360 for at in soak.at]}
    assert soak.growth("flat") == pytest.approx((0.0, 0.0), abs=1e-6)
    assert soak.growth("grows") == pytest.approx((10.0, 10.0))


def test_a_report_that_never_arrives_is_lost() -> None:
    soak = Soak({}, 1, "small", acknowledged=[(1.0, 0.02), (2.0, 0.02)], delivered=2)
    assert soak.lost == 0
    soak.delivered = 1
    assert soak.lost == 1
    soak.delivered, soak.gaps = 2, 3
    assert soak.lost == 3
