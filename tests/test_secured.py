"""The units as processes that prove who they are, by certificates or by a secret."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.domain.pacs_key import HubSecret
from common.settings.local_secret import FILE, local_secret
from tests.common.settings.reading import secret_file
from tests.common.wire.tls_files import HUB, PACS, issued
from tests.factories import migrate
from tests.processes import ports, start, stop
from tests.running import until

SECRET = "correct-horse-battery-staple-1234"  # noqa: S105 - of nothing


class Units:
    """Starts units on one database; their settings and what they logged."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = settings
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, unit: str, **more: str) -> subprocess.Popen[str]:
        log = self.folder / f"{unit}.log"
        self.processes.append(start(unit, log, **self.settings, **more))
        return self.processes[-1]

    def log(self, unit: str) -> str:
        return (self.folder / f"{unit}.log").read_text()


@pytest.fixture
def units(mongodb_uri: str, database: str, tmp_path: Path) -> Iterator[Units]:
    migrate(mongodb_uri, database)
    made = Units(
        tmp_path,
        MONGODB_URI=mongodb_uri,
        MONGODB_DATABASE=database,
        BRAIN_PROCESSES="1",
        REPORT_PATIENCE_S="40",
        SUMMARY=str(tmp_path / "summary.json"),
        **ports(),
    )
    try:
        yield made
    finally:
        for process in reversed(made.processes):
            with contextlib.suppress(subprocess.TimeoutExpired):
                stop(process)
            if process.poll() is None:
                process.kill()
                process.wait(10)


def tls(folder: Path, name: str) -> dict[str, str]:
    return {
        "TLS_CERT": str(folder / f"{name}.pem"),
        "TLS_KEY": str(folder / f"{name}.key"),
        "TLS_CA": str(folder / "ca.pem"),
        "SHARED_SECRET": "",
    }


def sends_all(units: Units, hub: dict[str, str], pacs: dict[str, str]) -> None:
    units.start("fr_hub", **hub)
    units.start("fr_brain")
    sent = units.start("fr_pacs", SCANS="20", KIND="grid", **pacs)
    assert sent.wait(90) == 0, units.log("fr_pacs")
    totals = json.loads((units.folder / "summary.json").read_text())
    assert (totals["acknowledged"], totals["delivered"], totals["failed"]) == (20, 20, 0)


def test_scans_and_reports_go_all_the_way_in_tls(units: Units, tmp_path: Path) -> None:
    folder = issued(tmp_path / "certs", HUB, PACS)
    sends_all(units, tls(folder, HUB), tls(folder, PACS))
    for unit in ("fr_hub", "fr_pacs"):
        assert "authenticated" not in units.log(unit), "nothing to warn of"


@pytest.mark.long
def test_scans_and_reports_go_all_the_way_with_a_secret(units: Units, tmp_path: Path) -> None:
    path = secret_file(tmp_path / "secret", SECRET.encode())
    from_file = {"SHARED_SECRET": "", "SHARED_SECRET_FILE": str(path)}
    sends_all(units, {"SHARED_SECRET": SECRET}, from_file)
    for unit in ("fr_hub", "fr_pacs"):
        assert SECRET not in units.log(unit)


def test_scans_and_reports_go_all_the_way_with_the_key_of_this_fr_pacs(units: Units) -> None:
    key = HubSecret(SECRET.encode()).key_of(PACS).hex()
    sends_all(units, {"SHARED_SECRET": SECRET}, {"SHARED_SECRET": "", "PACS_KEY": key})
    for unit in ("fr_hub", "fr_pacs"):
        assert key not in units.log(unit)


@pytest.mark.long
def test_with_nothing_set_both_find_the_secret_that_the_first_of_them_made(
    units: Units, tmp_path: Path
) -> None:
    nothing = {"SHARED_SECRET": "", "DATA_DIR": str(tmp_path / "data")}
    sends_all(units, nothing, nothing)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE]
    for unit in ("fr_hub", "fr_pacs"):
        assert local_secret(tmp_path / "data") not in units.log(unit)


def test_the_key_of_another_fr_pacs_is_refused(units: Units) -> None:
    """Fr-HUB takes scans of pacs-2 only from whoever has the key of pacs-2."""
    units.settings["HUB_PACS"] = "pacs-1=127.0.0.1:1,pacs-2=127.0.0.1:2"
    units.start("fr_hub", SHARED_SECRET=SECRET)
    until(lambda: "receiving scans" in units.log("fr_hub"), 30)
    key = HubSecret(SECRET.encode()).key_of("pacs-1").hex()
    given = {"SHARED_SECRET": "", "PACS_KEY": key, "PACS_NAME": "pacs-2"}
    refused = units.start("fr_pacs", SCANS="1", KIND="grid", **given)
    assert refused.wait(30) == 1
    assert "the peer has another key" in units.log("fr_pacs")
    assert key not in units.log("fr_pacs") + units.log("fr_hub")


@pytest.mark.sample(1)
@pytest.mark.parametrize(("hub", "pacs"), [(SECRET, ""), ("", SECRET), (SECRET, SECRET + "x")])
def test_a_fr_pacs_with_another_secret_ends_and_says_what_to_do(
    units: Units, tmp_path: Path, hub: str, pacs: str
) -> None:
    data = {"DATA_DIR": str(tmp_path / "data")}  # where a unit without one finds another
    units.start("fr_hub", SHARED_SECRET=hub, **data)
    until(lambda: "receiving scans" in units.log("fr_hub"), 30)
    refused = units.start("fr_pacs", SCANS="1", KIND="grid", SHARED_SECRET=pacs, **data)
    assert refused.wait(30) == 1
    assert "set SHARED_SECRET at Fr-HUB and the PACS_KEY made from it" in units.log("fr_pacs")
    assert "connection refused" in units.log("fr_hub")
    for unit in ("fr_hub", "fr_pacs"):
        assert SECRET not in units.log(unit)


@pytest.mark.long
def test_a_unit_with_anothers_certificate_ends_at_its_start_and_says_why(
    units: Units, tmp_path: Path
) -> None:
    folder = issued(tmp_path / "certs", HUB, "pacs-2")
    for unit, name, own in (("fr_pacs", "pacs-2", PACS), ("fr_hub", "pacs-2", HUB)):
        assert units.start(unit, SCANS="1", KIND="grid", **tls(folder, name)).wait(30) == 2
        assert f"issue its own with make certs NAMES={own}" in units.log(unit)


@pytest.mark.long
def test_a_fr_pacs_of_another_authority_ends_and_says_what_to_do(
    units: Units, tmp_path: Path
) -> None:
    units.start("fr_hub", **tls(issued(tmp_path / "certs", HUB), HUB))
    until(lambda: "receiving scans" in units.log("fr_hub"), 30)
    other = issued(tmp_path / "other", PACS)
    refused = units.start("fr_pacs", SCANS="1", KIND="grid", **tls(other, PACS))
    assert refused.wait(30) == 1
    assert "this unit refuses the peer's certificate" in units.log("fr_pacs")
    assert "issue or renew the units' certificates with make certs" in units.log("fr_pacs")


@pytest.mark.long
def test_a_certificate_that_cannot_be_read_is_a_wrong_setting(units: Units, tmp_path: Path) -> None:
    folder = issued(tmp_path / "certs", HUB)
    for unit in ("fr_hub", "fr_pacs"):
        assert units.start(unit, **tls(folder, "nobody")).wait(30) == 2
        assert "TLS_CERT=" in units.log(unit)
