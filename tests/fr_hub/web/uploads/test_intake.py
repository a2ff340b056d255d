"""While the backlog or a disk is full, nothing is taken."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.settings.web import WebSettings
from fr_hub.web.uploads import intake
from fr_hub.web.uploads.intake import MIB, Full, Intake


def intake_of(folder: Path, to_do: dict[str, int], free: int = 10**9, **limits: Any) -> Intake:
    given = {"hub_backlog": 100, "hub_disk_free_mib": 100, "data_dir": folder / "none", **limits}
    settings = WebSettings(_env_file=None, **given)  # type: ignore[call-arg]
    capacity: Any = SimpleNamespace(
        count_to_do_by_pacs=lambda _: dict(to_do), disk_free=lambda: free
    )
    return Intake(settings, capacity, ["web", "web-north"])


def test_the_backlog_of_one_source_leaves_the_others_their_share(tmp_path: Path) -> None:
    full = intake_of(tmp_path, {"pacs-1": 60, "web": 30})
    with pytest.raises(Full, match="waiting"):
        full.check("web")
    full.check("web-north")


def test_what_was_stored_since_counts(tmp_path: Path) -> None:
    counted = intake_of(tmp_path, {"pacs-1": 50})
    for _ in range(25):
        counted.check("web")
        counted.stored("web")
    with pytest.raises(Full):
        counted.check("web")


def test_it_is_measured_again_and_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to_do = {"web": 1000}
    full = intake_of(tmp_path, to_do)
    with pytest.raises(Full):
        full.check("web")
    to_do.clear()
    with pytest.raises(Full):
        full.check("web")
    monkeypatch.setattr(intake, "MEASURE_S", 0.0)
    full.check("web")


def test_both_disks_keep_their_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Full, match="database"):
        intake_of(tmp_path, {}, free=99 * MIB).check("web")
    intake_of(tmp_path, {}, free=0, hub_disk_free_mib=0).check("web")
    usage = SimpleNamespace(free=1000 * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    disk = intake_of(tmp_path, {})
    disk.check_disk(400 * MIB, 500 * MIB)
    with pytest.raises(Full, match="space"):
        disk.check_disk(401 * MIB, 500 * MIB)
