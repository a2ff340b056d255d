"""The three units as processes: label maps arrive beside the reports, as the store has them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.domain.tenant import tenants_of
from common.domain.types import DEFAULT_TENANT
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.wire.messages import Report
from tests.factories import inside, make_report, make_scan
from tests.fr_pacs.streams import pacs_settings
from tests.fr_pacs.test_server import hub_of
from tests.label_maps import header_of, label_messages, packed
from tests.processes import peak_memory_mib, start, stop
from tests.running import SECRET, acked, answer, listens, until
from tests.test_end_to_end import Pipeline, pipeline, run

__all__ = ["pipeline"]

NAMES = {"lesions", "brain", "tissues", "regions"}
OWNER = tenants_of({})[DEFAULT_TENANT]


def maps_in(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    """The label maps beside a report, by name."""
    [path] = folder.glob(f"*{report['scan_id']}.json")
    files = folder.glob(f"{path.stem}.*.nii.gz")
    return {file.name.split(".")[-3]: nib.load(file) for file in files}


def check(store: DBManager, folder: Path, report: dict[str, Any]) -> None:
    """Hold the files of a report to what the store has."""
    stored = store.labels.find(OWNER, f"{report['scan_id']}@pacs-1")
    assert stored is not None
    images = maps_in(folder, report)
    assert images.keys() == {one.name for one in stored.maps} == NAMES
    for one in stored.maps:
        flat = b"".join(store.labels.read(stored, one))
        labels = np.frombuffer(flat, np.uint8).reshape(stored.scan.shape, order="F")
        image = images[one.name]
        assert np.array_equal(np.asanyarray(image.dataobj), labels)
        assert np.array_equal(image.affine[:3], np.array(stored.scan.affine, np.float32))
        assert int(image.header["intent_code"]) == 1002
        for value in one.values:
            assert int((labels == value.value).sum()) == value.voxels


def reports_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("*.json")]


def test_label_maps_come_with_each_report_and_again_when_it_is_asked_for_again(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    wanted: dict[str, str] = {"SCANS": "3", "SHAPE": "64", "RUN_NAME": "one"}
    first, plain, second = (tmp_path / name for name in ("first", "plain", "second"))
    assert run(pipeline, **wanted, REPORTS=str(first), LABEL_MAPS="1") == 0, pipeline.log("fr_pacs")
    reports = reports_in(first)
    assert len(reports) == 3
    for report in reports:
        check(pipeline.store, first, report)
        assert report["findings"]["volumes"] is not None
    assert all(maps_in(first, report)["brain"].dataobj[:].any() for report in reports)
    # The same scans again: without label maps as they are by default, and with them.
    for folder, label_maps in ((plain, "0"), (second, "1")):
        pipeline.settings.update(REPORTS=str(folder), LABEL_MAPS=label_maps, LEDGER="")
        pipeline.start("fr_pacs")
        assert pipeline.processes["fr_pacs"].wait(120) == 0, pipeline.log("fr_pacs")
    assert not list(plain.glob("*.nii.gz"))
    assert len(reports_in(plain)) == len(reports_in(second)) == 3
    for report in reports_in(second):
        check(pipeline.store, second, report)
    assert not list(second.glob(".*"))


@pytest.mark.long
def test_a_report_whose_label_maps_are_gone_comes_without_them(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    wanted = {"SCANS": "2", "SHAPE": "48", "RUN_NAME": "two", "REPORTS": str(tmp_path / "first")}
    assert run(pipeline, **wanted) == 0, pipeline.log("fr_pacs")
    chunks = inside(pipeline.store, Collection.LABELS)
    gone = chunks.distinct("scan_id")[0]
    assert chunks.delete_many({"scan_id": gone}).deleted_count
    again = tmp_path / "again"
    pipeline.settings.update(REPORTS=str(again), LABEL_MAPS="1", LEDGER="")
    pipeline.start("fr_pacs")
    assert pipeline.processes["fr_pacs"].wait(120) == 0, pipeline.log("fr_pacs")
    found = {report["scan_id"]: maps_in(again, report).keys() for report in reports_in(again)}
    assert found.pop(gone.split("@")[0]) == set()
    assert list(found.values()) == [NAMES]
    assert "label maps left out" in pipeline.log("fr_hub")


@pytest.mark.long
def test_large_label_maps_are_received_in_bounded_memory(tmp_path: Path) -> None:
    """Of 60 million voxels, packed to as many bytes."""
    side = 7800
    scan, _ = make_scan(shape=(side, side), voxels_bytes=side * side)
    report = make_report(scan)
    maps = packed(noise=np.random.default_rng(1).integers(0, 256, (side, side), np.uint8))
    settings = pacs_settings()
    process: subprocess.Popen[str] = start(
        "fr_pacs",
        tmp_path / "log",
        SHARED_SECRET=SECRET,
        SCANS="0",
        PACS_PORT=str(settings.pacs_port),
        HUB_PORT=str(settings.hub_port),
        REPORTS=str(tmp_path / "reports"),
        LABEL_MAPS="1",
        DATA_DIR=str(tmp_path / "data"),
    )
    try:
        until(lambda: listens(settings.pacs_port), 30)
        with hub_of(settings) as channel:
            small = make_report(make_scan()[0])
            few = packed(noise=np.ones((10, 10), np.uint8))
            channel.send(*label_messages(header_of(small, few), few.payload), Report(small))
            assert acked(answer(channel, 30)) == (small.scan_id,)
            before = peak_memory_mib(process.pid)  # with the libraries that are imported by then
            for message in label_messages(header_of(report, maps), maps.payload):
                channel.send(message)
            channel.send(Report(report))
            assert acked(answer(channel, 60)) == (report.scan_id,)
        taken = peak_memory_mib(process.pid) - before
    finally:
        assert stop(process) == 0
    file = tmp_path / "reports" / f"{report.scan_id}.noise.nii.gz"
    assert file.stat().st_size > 55e6
    assert taken < 40, f"{taken:.0f} MiB"


@pytest.mark.parametrize("unit", ["fr_pacs"])
def test_label_maps_without_a_folder_for_them_are_refused_at_the_start(
    pipeline: Pipeline, unit: str
) -> None:
    pipeline.settings["LABEL_MAPS"] = "1"
    pipeline.start(unit)
    assert pipeline.processes[unit].wait(30) == 2
    assert "set REPORTS to a folder" in pipeline.log(unit)
