"""``make all`` as a process with an embedded MongoDB of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.commands.verify import StoreVerdict, verify
from common.settings.loading import StoreSettings
from common.store.opening import open_store
from tests.common.wire.tls_files import HUB, PACS, issued
from tests.processes import ROOT, environment, ports
from tests.running import until


class Everything:
    """The launcher on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.settings = {"DATA_DIR": str(self.data), "KIND": "grid", **ports()}
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, **given: str) -> subprocess.Popen[str]:
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "common.launcher.launcher"],
                cwd=ROOT,
                env=environment(**{**self.settings, **given}),
                stdin=subprocess.DEVNULL,
                stdout=log,
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
        """Processes that have this folder in their command line or environment."""
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
def everything(tmp_path: Path) -> Iterator[Everything]:
    everything = Everything(tmp_path)
    yield everything
    for process in everything.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    until(lambda: not everything.left(), 30)


def test_a_run_with_an_end_sums_up_and_exits_with_0(everything: Everything) -> None:
    summary = everything.folder / "summary.json"
    ledger = everything.folder / "ledger.jsonl"
    process = everything.start(SCANS="25", SUMMARY=str(summary), LEDGER=str(ledger))
    assert process.wait(90) == 0, everything.log
    totals = json.loads(summary.read_text())
    for name in ("sent", "acknowledged", "stored", "reported", "delivered"):
        assert totals[name] == 25
    assert totals["complete"]
    assert totals["latency_ms"]["p50"] > 0
    assert "│ delivered" in everything.log
    for unit in ("fr-hub", "fr-brain", "fr-pacs"):
        assert f"{unit:<8} │ " in everything.log
    until(lambda: not everything.left(), 30)
    events = [json.loads(line)["event"] for line in ledger.read_text().splitlines()]
    assert {name: events.count(name) for name in set(events)} == {
        "sent": 25,
        "acknowledged": 25,
        "reported": 25,
    }


def test_a_run_that_is_stopped_ends_in_order_and_the_next_goes_on(everything: Everything) -> None:
    process = everything.start(RATE="200")
    until(lambda: "report received" in everything.log, 60)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, everything.log
    until(lambda: not everything.left(), 30)
    first = everything.verify()
    assert first.gaps == 0
    assert first.scans["In Progress"] == 0
    assert everything.start(SCANS="1").wait(90) == 0
    second = everything.verify()
    assert sum(second.scans.values()) == sum(first.scans.values()) + 1
    assert second.gaps == 0


def test_a_second_one_beside_the_first_gets_a_clear_error(everything: Everything) -> None:
    everything.start(RATE="1")
    until(lambda: "receiving scans" in everything.log, 60)
    assert everything.start(RATE="1").wait(30) == 3
    assert "is already running" in everything.log


def test_a_unit_that_is_killed_is_started_again(everything: Everything) -> None:
    process = everything.start(SCANS="600", RATE="150")
    until(lambda: "report received" in everything.log, 60)
    for unit in ("fr_hub", "fr_brain"):
        os.kill(a_unit_of(process.pid, unit), signal.SIGKILL)
    assert process.wait(120) == 0, everything.log[-3000:]
    assert everything.log.count("ended: killed by SIGKILL") == 2
    assert everything.verify().gaps == 0


def test_a_launcher_that_is_killed_takes_its_units_along(everything: Everything) -> None:
    process = everything.start(RATE="50")
    until(lambda: "report received" in everything.log, 60)
    process.kill()
    process.wait(10)
    until(lambda: not everything.left(), 40)
    assert everything.verify().gaps == 0


def test_a_wrong_setting_stops_it_before_anything_starts(everything: Everything) -> None:
    assert everything.start(HUB_PORT="99999999").wait(30) == 2
    assert "HUB_PORT='99999999'" in everything.log
    assert not everything.data.exists()


def test_with_tls_each_unit_has_its_own_certificate(everything: Everything) -> None:
    folder = issued(everything.folder / "certs", HUB, PACS)
    cert, key, ca = (str(folder / name) for name in (f"{HUB}.pem", f"{HUB}.key", "ca.pem"))
    assert everything.start(SCANS="5", TLS_CERT=cert, TLS_KEY=key, TLS_CA=ca).wait(90) == 0
    assert "authenticated" not in everything.log  # nothing to warn of


def test_a_unit_without_a_certificate_stops_it_before_anything_starts(
    everything: Everything,
) -> None:
    folder = issued(everything.folder / "certs", HUB)
    cert, key, ca = (str(folder / name) for name in (f"{HUB}.pem", f"{HUB}.key", "ca.pem"))
    assert everything.start(SCANS="5", TLS_CERT=cert, TLS_KEY=key, TLS_CA=ca).wait(30) == 2
    assert "make certs NAMES=fr-hub,pacs-1" in everything.log.replace("\n", " ")
    assert not everything.data.exists()


def test_nothing_to_send_is_an_error_that_says_so(everything: Everything) -> None:
    assert everything.start(SOURCE=str(everything.folder / "nowhere")).wait(60) != 0
    assert "No such file or directory" in everything.log


def a_unit_of(launcher: int, name: str) -> int:
    """The process id of a unit that this launcher started."""

    def found() -> int | None:
        for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
            if Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[2:3] == [name.encode()]:
                return int(child)
        return None

    child: int = until(found)
    return child
