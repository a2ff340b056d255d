"""The launcher as a process, with its own embedded MongoDB."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.commands.verify import StoreVerdict, verify
from common.settings.base import StoreSettings
from common.store.opening import open_store
from common.wire.blocking_connection import Channel
from common.wire.messages import Scan
from common.wire.policy_from_settings import policy_from_settings
from common.wire.protocol import Side
from tests.common.wire.tls_files import HUB, PACS, issued
from tests.factories import make_scan
from tests.fr_pacs.streams import pacs_settings
from tests.processes import ROOT, environment, ports
from tests.running import FRAME, acked, answer, free_port, refusal, until

SECRET = "0123456789abcdef" * 2


class LauncherRun:
    """Starts the launcher with its own data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.settings = {"DATA_DIR": str(self.data), "KIND": "grid", "WEB": "0", **ports()}
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, out: int | None = None, **given: str) -> subprocess.Popen[str]:
        """Start it; its output goes to ``out``, or to ``log``."""
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "common.launcher.launcher"],
                cwd=ROOT,
                env=environment(**{**self.settings, **given}),
                stdin=subprocess.DEVNULL,
                stdout=log if out is None else out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.processes.append(process)
        return process

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def verify(self) -> StoreVerdict:
        with open_store(StoreSettings(data_dir=self.data)) as store:
            return verify(store)

    def left(self) -> list[str]:
        """Processes that have this data folder in their command line or environment."""
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdecimal() and int(process.name) != os.getpid():
                try:
                    command = (process / "cmdline").read_bytes()
                    if str(self.data).encode() in command + (process / "environ").read_bytes():
                        found.append(command.replace(b"\0", b" ").decode())
                except OSError:
                    continue
        return found


@pytest.fixture
def run(tmp_path: Path) -> Iterator[LauncherRun]:
    run = LauncherRun(tmp_path)
    yield run
    for process in run.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    until(lambda: not run.left(), 30)


def test_a_finite_run_prints_totals_and_exits_with_0(run: LauncherRun) -> None:
    summary = run.folder / "summary.json"
    ledger = run.folder / "ledger.jsonl"
    process = run.start(SCANS="25", SUMMARY=str(summary), LEDGER=str(ledger))
    assert process.wait(90) == 0, run.log
    totals = json.loads(summary.read_text())
    for name in ("sent", "acknowledged", "stored", "reported", "delivered"):
        assert totals[name] == 25
    assert totals["complete"]
    assert totals["latency_ms"]["p50"] > 0
    assert "│ delivered" in run.log
    for unit in ("fr-hub", "fr-brain", "fr-pacs"):
        assert f"{unit:<8} │ " in run.log
    until(lambda: not run.left(), 30)
    events = [json.loads(line)["event"] for line in ledger.read_text().splitlines()]
    assert {name: events.count(name) for name in set(events)} == {
        "sent": 25,
        "acknowledged": 25,
        "reported": 25,
    }


@pytest.mark.long
def test_a_stopped_run_shuts_down_cleanly_and_the_next_one_continues(run: LauncherRun) -> None:
    process = run.start(RATE="200")
    until(lambda: "report received" in run.log, 60)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, run.log
    until(lambda: not run.left(), 30)
    first = run.verify()
    assert first.gaps == 0
    assert first.scans["In Progress"] == 0
    assert run.start(SCANS="1").wait(90) == 0
    second = run.verify()
    assert sum(second.scans.values()) == sum(first.scans.values()) + 1
    assert second.gaps == 0


@pytest.mark.long
def test_a_stopped_counted_run_is_no_failure_and_says_what_is_open(run: LauncherRun) -> None:
    process = run.start(SCANS="5000", RATE="50")
    until(lambda: "report received" in run.log, 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, run.log
    assert "stopped before the end: " in run.log
    assert " of 5,000 scans are stored, " in run.log
    assert run.verify().gaps == 0


@pytest.mark.long
def test_without_a_source_the_reason_is_the_last_line(run: LauncherRun) -> None:
    run.settings.pop("KIND")
    assert run.start(SOURCE="/nowhere/at-all").wait(60) == 1
    last = run.log.rstrip().splitlines()[-1]
    assert last.startswith("fr-pacs has ended: fr pacs: /nowhere/at-all cannot be read: No such")


@pytest.mark.long
def test_a_second_launcher_on_the_same_folder_is_an_error(run: LauncherRun) -> None:
    run.start(RATE="1")
    until(lambda: "receiving scans" in run.log, 60)
    assert run.start(RATE="1").wait(30) == 3
    assert "is already running" in run.log


@pytest.mark.long
def test_a_port_in_use_ends_the_run_soon_and_its_cause_is_the_last_line(run: LauncherRun) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(run.settings["HUB_PORT"])))
        taken.listen()  # accepts and never answers: Fr-PACS waits for its greeting
        process = run.start(SCANS="20")
        until(lambda: "ended: exit 3" in run.log, 60)
        began = time.monotonic()
        assert process.wait(60) == 3
    assert time.monotonic() - began < 2 * pacs_settings().greeting_timeout_s
    last = run.log.splitlines()[-1]
    assert last.startswith("fr-hub cannot run: fr hub: ")
    assert "is in use" in last


@pytest.mark.long
def test_text_of_a_peer_freezes_nothing_and_is_escaped(run: LauncherRun) -> None:
    process = run.start(RATE="5", SHARED_SECRET=SECRET)
    until(lambda: "report received" in run.log, 60)
    policy = policy_from_settings(pacs_settings(shared_secret=SECRET), "pacs-1")
    address = ("127.0.0.1", int(run.settings["HUB_PORT"]))
    scan, voxels = make_scan()
    hostile = "\x1b[2J\u202e" * 60_000  # 300,000 characters
    begin = time.monotonic()
    with contextlib.closing(
        Channel.connect(address, Side.SCAN_SENDER, FRAME, 60, 5, policy)
    ) as channel:
        channel.greet("pacs-1", "fr-hub")
        # At full speed, for some seconds: the log must not grow with them.
        refused = 0
        while time.monotonic() - begin < 3:
            wrong = (
                {"scan_id": hostile, "voxels_hash": "0"},
                {"subject": hostile[:2000]},
                {"scan_type": "\x9b[31m" * 1000},
                {"pacs": "[/]" * 1000},
            )
            for given in wrong:
                channel.send(Scan(scan.model_copy(update=given), voxels))
            for _ in wrong:
                assert not refusal(answer(channel, 60)).retry
            refused += len(wrong)
        channel.send(Scan(scan, voxels))
        assert acked(answer(channel, 60)) == (scan.scan_id,)
    assert refused > 20
    delivered = run.log.count("report received")
    until(lambda: run.log.count("report received") > delivered, 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    log = (run.folder / "log").read_bytes()
    lines = log.splitlines()
    assert max(map(len, lines)) < 4096 + 64  # and the name of its unit
    seconds = time.monotonic() - begin
    assert len(log) < 4096 * 40 * (seconds + 10)
    assert all(line.isprintable() for line in log.decode().splitlines())
    assert log.count(b"scan refused") <= 21 * (seconds + 1)


@pytest.mark.long
@pytest.mark.parametrize("reader", ["stalled", "dead"])
def test_scans_flow_and_the_run_stops_whatever_happens_to_the_reader_of_its_output(
    run: LauncherRun, reader: str
) -> None:
    """As in ``make all | less``: the pipe is full at once, or nobody has it open."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    ledger = run.folder / "ledger.jsonl"
    process = run.start(write, RATE="100", LOG_LEVEL="debug", LEDGER=str(ledger))
    os.close(write)
    if reader == "dead":
        os.close(read)
    until(lambda: ledger.exists() and ledger.read_text().count('"reported"') > 500, 120)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    if reader == "stalled":
        os.close(read)
    assert run.verify().gaps == 0


@pytest.mark.long
def test_a_killed_unit_is_restarted(run: LauncherRun) -> None:
    process = run.start(SCANS="600", RATE="150")
    until(lambda: "report received" in run.log, 60)
    for unit in ("fr_hub", "fr_brain"):
        os.kill(a_unit_of(process.pid, unit), signal.SIGKILL)
    assert process.wait(120) == 0, run.log[-3000:]
    assert run.log.count("ended: killed by SIGKILL") == 2
    assert run.verify().gaps == 0


@pytest.mark.long
def test_units_stop_when_their_launcher_is_killed(run: LauncherRun) -> None:
    process = run.start(RATE="50")
    until(lambda: "report received" in run.log, 60)
    process.kill()
    process.wait(10)
    until(lambda: not run.left(), 40)
    assert run.verify().gaps == 0


def test_an_invalid_setting_is_an_error_before_anything_starts(run: LauncherRun) -> None:
    assert run.start(HUB_PORT="99999999").wait(30) == 2
    assert "HUB_PORT='99999999'" in run.log
    assert not run.data.exists()


@pytest.mark.long
def test_with_tls_each_unit_has_its_own_certificate(run: LauncherRun) -> None:
    folder = issued(run.folder / "certs", HUB, PACS)
    cert, key, ca = (str(folder / name) for name in (f"{HUB}.pem", f"{HUB}.key", "ca.pem"))
    assert run.start(SCANS="5", TLS_CERT=cert, TLS_KEY=key, TLS_CA=ca).wait(90) == 0
    assert "authenticated" not in run.log  # no warning about a missing authentication


def test_a_missing_certificate_is_an_error_before_anything_starts(
    run: LauncherRun,
) -> None:
    folder = issued(run.folder / "certs", HUB)
    cert, key, ca = (str(folder / name) for name in (f"{HUB}.pem", f"{HUB}.key", "ca.pem"))
    assert run.start(SCANS="5", TLS_CERT=cert, TLS_KEY=key, TLS_CA=ca).wait(30) == 2
    assert "make certs NAMES=fr-hub,pacs-1" in run.log.replace("\n", " ")
    assert not run.data.exists()


def test_a_missing_source_is_an_error(run: LauncherRun) -> None:
    assert run.start(SOURCE=str(run.folder / "nowhere"), KIND="").wait(60) != 0
    assert "No such file or directory" in run.log


def a_unit_of(launcher: int, name: str) -> int:
    """The process id of a unit started by this launcher."""

    def found() -> int | None:
        for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
            if Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[2:3] == [name.encode()]:
                return int(child)
        return None

    child: int = until(found)
    return child


@pytest.mark.long
def test_the_api_runs_beside_the_units_and_prints_one_address(run: LauncherRun) -> None:
    port = free_port()
    process = run.start(WEB="1", WEB_PORT=str(port), SCANS="0")
    until(lambda: f"http://127.0.0.1:{port}/#one-time=" in run.log, 60)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ping") as answer:
        assert answer.status == 200
    until(lambda: "sending nothing (SCANS=0)" in run.log, 60)
    assert process.poll() is None, "without scans to send it runs until it is stopped"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, run.log
    assert run.log.count("http://") == 1
    assert sum(run.verify().scans.values()) == 0


@pytest.mark.long
def test_a_taken_port_of_the_api_ends_nothing_else(run: LauncherRun) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = run.start(WEB="1", WEB_PORT=str(other.getsockname()[1]), RATE="20")
        until(lambda: "the API and its page are off; everything else runs: " in run.log, 60)
        assert "another program may use this port: set another WEB_PORT" in run.log
        until(lambda: "report received" in run.log, 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, run.log
        assert "the API and its page were off: " in run.log.splitlines()[-1]
    assert run.verify().gaps == 0
