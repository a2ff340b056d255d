"""Fr-PACS put together: the source that the settings name, and how a run ends."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from structlog.testing import capture_logs

from common.errors import ProtocolError, Refusal, SourceError
from common.runtime.lifecycle import Exit, Stop
from common.runtime.logger import get_log
from common.scan_files.skipped_files import SkippedFiles, Skips, Watches
from common.settings.pacs import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.constants import FAILED_SCANS, LABEL_MAPS
from common.wire.messages import Ack, Nack, Report, Scan
from common.wire.protocol import Side
from fr_pacs.hub_connection import FINAL_AFTER
from fr_pacs.pacs import make_source, own_files, run_pacs, wanted_features
from fr_pacs.run_counts import NO_REPORT
from fr_pacs.sources.base import LoadedScan
from tests.factories import make_report
from tests.fr_pacs.report_folders import about
from tests.fr_pacs.streams import Hub, Planted, PlantedTask, next_scan, pacs_settings, small_scans
from tests.running import FRAME, POLICY, acked, answer, until


def first_of(settings: PacsSettings) -> LoadedScan:
    """The first scan of the source that the settings name."""
    task = next(iter(make_source(settings)))
    assert task is not None
    return task.load()


def test_label_maps_are_a_feature_that_a_fr_pacs_lists_if_it_wants_them(tmp_path: Path) -> None:
    assert wanted_features(pacs_settings()) == (FAILED_SCANS,)
    wanting = pacs_settings(reports=tmp_path, label_maps=True)
    assert wanted_features(wanting) == (FAILED_SCANS, LABEL_MAPS)


# --- the source ----------------------------------------------------------------------------------


def test_what_reads_files_is_not_imported_where_none_is_read() -> None:
    code = "import sys, fr_pacs.__main__; print({'nibabel', 'pydicom'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"


def test_heads_are_the_source_unless_something_else_is_said() -> None:
    source = make_source(pacs_settings())
    assert source.total is None
    assert not source.waits
    scan = first_of(pacs_settings(shape="40", scans=3)).scan
    assert (scan.scan_type, scan.shape, scan.pacs) == ("volume", (40, 40, 40), "pacs-1")
    assert (scan.modality, scan.contrast) == ("MR", "flair")


def test_the_settings_say_what_a_head_looks_like() -> None:
    loaded = first_of(pacs_settings(shape="40", contrast="t1", background="empty"))
    assert (loaded.scan.scan_type, loaded.scan.contrast) == ("volume", "t1")
    assert not loaded.scan.array(loaded.voxels)[0].any()


def test_grids_are_the_source_where_they_are_asked_for() -> None:
    settings = pacs_settings(kind="grid", scans=7, pacs_name="pacs-9")
    source = make_source(settings)
    assert source.total == 7
    assert not source.waits
    scan = first_of(settings).scan
    assert (scan.scan_type, scan.shape, scan.pacs) == ("grid", (10, 10), "pacs-9")
    assert first_of(pacs_settings(kind="grid", shape="3x4")).scan.shape == (3, 4)


@pytest.mark.parametrize("kind", ["grid", "phantom"])
def test_the_same_seed_gives_the_same_voxels_and_another_others(kind: str) -> None:
    def voxels_of(seed: int) -> str:
        return first_of(pacs_settings(kind=kind, shape="24", seed=seed)).scan.voxels_hash

    assert voxels_of(1) == voxels_of(1) != voxels_of(2)


@pytest.mark.parametrize("kind", ["grid", "phantom"])
def test_synthetic_scans_are_new_in_each_run_unless_it_has_a_name(kind: str) -> None:
    def first_id(**given: Any) -> str:
        return first_of(pacs_settings(kind=kind, shape="24", **given)).scan.scan_id

    assert first_id() != first_id()
    assert first_id(run_name="a") == first_id(run_name="a")
    others = ({"run_name": "b"}, {"run_name": "a", "seed": 2}, {"run_name": "a", "pacs_name": "x"})
    assert len({first_id(run_name="a"), *(first_id(**other) for other in others)}) == 4


def test_files_are_the_source_where_a_path_is_given(tmp_path: Path) -> None:
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    image = nib.Nifti1Image(voxels, np.eye(4))  # type: ignore[no-untyped-call]
    nib.save(image, tmp_path / "image.nii.gz")
    settings = pacs_settings(source=tmp_path)
    source = make_source(settings)
    assert source.total == 1
    assert source.waits
    assert first_of(settings).scan.shape == (3, 4, 5)


def test_what_the_settings_have_it_write_is_no_input(tmp_path: Path) -> None:
    settings = pacs_settings(
        source=tmp_path,
        reports=tmp_path / "reports",
        ledger=tmp_path / "ledger",
        summary=tmp_path / "summary",
        data_dir=tmp_path / "data",
    )
    for name in ("reports", "ledger", "summary", "data"):
        assert tmp_path / name in own_files(settings, tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "x.json").touch()
    image = nib.Nifti1Image(np.ones((2, 3, 4), np.int16), np.eye(4))  # type: ignore[no-untyped-call]
    nib.save(image, tmp_path / "image.nii")
    source = make_source(settings)
    assert isinstance(source, Skips)
    assert (source.total, len(source.skipped)) == (1, 0)
    watched = make_source(settings.model_copy(update={"watch": True, "watch_quiet_s": 0.1}))
    assert isinstance(watched, Watches)
    skipped: list[SkippedFiles] = []
    watched.start(skipped.append, lambda _: None)
    until(lambda: next(iter(watched)))
    watched.close()
    assert skipped == []


def test_a_path_where_nothing_is_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SourceError):
            make_source(pacs_settings(source=path))


@pytest.mark.parametrize("watch", [True, False])
def test_a_path_where_nothing_is_leaves_no_keys_behind(tmp_path: Path, watch: bool) -> None:
    data = tmp_path / "data"
    settings = pacs_settings(source=tmp_path / "nowhere", watch=watch, data_dir=data)
    with pytest.raises(SourceError, match="nowhere cannot be read: No such file or directory"):
        make_source(settings)
    assert not data.exists()


# --- a run ---------------------------------------------------------------------------------------


class Run:
    """A run in a thread: its exit code, or what it raised."""

    def __init__(self, settings: PacsSettings) -> None:
        self.stop = Stop()
        self.end: int | Exception | None = None
        self._settings = settings
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.end = run_pacs(self._settings, self.stop, get_log())
        except Exception as error:  # noqa: BLE001 - the test looks
            self.end = error

    def ended(self) -> int | Exception | None:
        """Wait for its end."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.end


def reporting(settings: PacsSettings) -> Channel:
    """A greeted connection to its report server, once it is there."""

    def connected() -> Channel | None:
        address = (settings.pacs_host, settings.pacs_port)
        with contextlib.suppress(Exception):
            return Channel.connect(address, Side.REPORT_SENDER, FRAME, 60, 5, POLICY)
        return None

    channel: Channel = until(connected)
    channel.greet("fr-hub")
    return channel


def test_a_run_ends_well_when_each_scan_has_its_report(tmp_path: Path) -> None:
    settings = pacs_settings(kind="grid", scans=3, summary=tmp_path / "made" / "summary.json")
    with Hub(settings) as hub:
        run = Run(settings)
        with contextlib.closing(hub.accept()) as scans:
            came = [answer(scans) for _ in range(3)]
            sent = [event.scan for event in came if isinstance(event, Scan)]
            scans.send(Ack(tuple(scan.scan_id for scan in sent)))
            with contextlib.closing(reporting(settings)) as reports:
                reports.send(*(Report(make_report(scan)) for scan in sent))
                told: set[str] = set()
                while len(told) < 3:
                    told.update(acked(answer(reports)))
                assert run.ended() == Exit.OK
    summary = json.loads((tmp_path / "made" / "summary.json").read_text())
    assert (summary["sent"], summary["delivered"], summary["complete"]) == (3, 3, True)


@pytest.mark.parametrize("ends", ["launcher", "stop"])
def test_a_run_receives_revisions_until_the_launcher_expects_no_more(ends: str) -> None:
    reported, reported_fd = os.pipe()
    hold_fd, hold = os.pipe()
    settings = pacs_settings(kind="grid", scans=1, reported_fd=reported_fd, hold_fd=hold_fd)
    with Hub(settings) as hub:
        run = Run(settings)
        with contextlib.closing(hub.accept()) as scans:
            event = answer(scans)
            assert isinstance(event, Scan)
            scans.send(Ack((event.scan.scan_id,)))
            with contextlib.closing(reporting(settings)) as reports:
                reports.send(Report(make_report(event.scan)))
                assert acked(answer(reports)) == (event.scan.scan_id,)
                assert os.read(reported, 1)  # it has all reports
                time.sleep(0.5)
                assert run.end is None
                reports.send(Report(make_report(event.scan, revision=2)))
                assert acked(answer(reports)) == (event.scan.scan_id,)
                if ends == "launcher":
                    os.close(hold)
                else:
                    run.stop.request_stop()
                assert run.ended() == Exit.OK
    os.close(reported)
    if ends == "stop":
        os.close(hold)


def test_a_run_whose_reports_do_not_come_ends_and_says_so() -> None:
    settings = pacs_settings(kind="grid", scans=2, report_patience_s=0.2)
    with Hub(settings) as hub:
        run = Run(settings)
        with contextlib.closing(hub.accept()) as scans:
            came = [answer(scans) for _ in range(2)]
            scans.send(Ack(tuple(event.scan.scan_id for event in came if isinstance(event, Scan))))
            assert run.ended() == Exit.FAILED


def test_a_report_that_does_not_come_is_in_the_row_of_its_file(tmp_path: Path) -> None:
    source, reports = tmp_path / "source", tmp_path / "reports"
    source.mkdir()
    image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))  # type: ignore[no-untyped-call]
    nib.save(image, source / "image.nii")
    settings = pacs_settings(source=source, reports=reports, report_patience_s=0.2)
    with Hub(settings) as hub:
        run = Run(settings)
        with contextlib.closing(hub.accept()) as scans:
            scans.send(Ack((next_scan(scans),)))
            assert run.ended() == Exit.FAILED
    assert about(reports, "file", "outcome", "reason") == [("image.nii", "waiting", NO_REPORT)]


def test_an_endless_run_that_is_stopped_ends_well() -> None:
    settings = pacs_settings(kind="grid", rate=100)
    with Hub(settings) as hub:
        run = Run(settings)
        with contextlib.closing(hub.accept()) as scans:
            answer(scans)
            run.stop.request_stop()
            assert run.ended() == Exit.OK


def test_a_counted_run_that_is_stopped_ends_well_and_says_what_is_open() -> None:
    settings = pacs_settings(kind="grid", scans=500, rate=50, pacs_drain_s=0.2)
    with capture_logs() as logs, Hub(settings) as hub:
        run = Run(settings)
        with contextlib.closing(hub.accept()) as scans:
            first, second = answer(scans), answer(scans)
            assert isinstance(first, Scan)
            assert isinstance(second, Scan)
            scans.send(Ack((first.scan.scan_id,)))
            until(lambda: any(line["event"] == "scan acknowledged" for line in logs))
            run.stop.request_stop()
            assert run.ended() == Exit.OK
    (line,) = [line for line in logs if line["event"] == "stopped before the end"]
    assert line["without_report"] == 1
    assert line["not_acknowledged"] >= 1
    assert line["not_sent"] + line["not_acknowledged"] + line["without_report"] == 500


def test_a_counted_run_that_is_stopped_after_a_failure_says_so(tmp_path: Path) -> None:
    (tmp_path / "cut.nii").write_bytes(b"x")
    settings = pacs_settings(source=tmp_path, report_patience_s=60)
    image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))  # type: ignore[no-untyped-call]
    nib.save(image, tmp_path / "whole.nii")
    with Hub(settings) as hub:
        run = Run(settings)
        with contextlib.closing(hub.accept()) as scans:
            answer(scans)
            run.stop.request_stop()
            assert run.ended() == Exit.FAILED


def test_a_refusal_by_the_hub_is_raised() -> None:
    settings = pacs_settings(kind="grid", scans=2)
    with Hub(settings) as hub:
        run = Run(settings)
        for _ in range(FINAL_AFTER):
            with contextlib.closing(hub.accept_in_silence()) as scans:
                scans.send(Nack(None, Refusal.UNKNOWN_PACS, "add it to HUB_PACS", retry=False))
        error = run.ended()
    assert isinstance(error, ProtocolError)
    assert error.reason == "add it to HUB_PACS"


class Broken(Planted):
    """A source with a bug."""

    def load(self, task: PlantedTask) -> LoadedScan:
        """Fail as no source should."""
        raise ValueError(task.label)


def test_a_bug_in_a_client_thread_ends_the_run_and_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fr_pacs.pacs.make_source", lambda *_: Broken(small_scans(2)))
    settings = pacs_settings()
    with Hub(settings) as hub:
        run = Run(settings)
        with contextlib.closing(hub.accept()):
            error = run.ended()
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, ValueError)
