"""Folders of reports: written in runs of their own, and what their index says."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.domain.file_outcomes import FileOutcome
from common.domain.report import BrainReport
from common.runtime.logger import get_log
from fr_pacs.report_folder import ReportFolder
from fr_pacs.sources.base import Account, Origin
from tests.factories import make_report, make_scan

ONE, TWO = ("1" * 32, "2" * 32)


def report(scan_id: str = ONE, revision: int = 1) -> BrainReport:
    return make_report(make_scan(scan_id=scan_id)[0], revision=revision)


def origin(file: str, volume: str = "", folder: str = "/data") -> Origin:
    return Origin(file, volume, folder)


@contextmanager
def opened(folder: Path) -> Iterator[ReportFolder]:
    with closing(ReportFolder(folder, get_log(), "pacs-1")) as reports:
        yield reports


def write(
    folder: Path, wanted: BrainReport, *origins: Origin, picture: bytes | None = None
) -> bool:
    """Write one report in a run of its own."""
    with opened(folder) as reports:
        return reports.write(wanted, picture, lambda _: origins)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def about(folder: Path, *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in columns) for row in rows(folder)]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@dataclass(frozen=True)
class Folder:
    """A source: what is known of its files when a run begins."""

    found: Sequence[Account]
    path: str = "/data"

    def accounts(self) -> Iterator[Account]:
        return iter(self.found)


def account(outcome: FileOutcome, reason: str, *files: str, scan_id: str = "") -> Account:
    return Account(outcome, reason, tuple(map(origin, files)), scan_id)


def waiting(file: str, scan_id: str = "") -> Account:
    return account(FileOutcome.WAITING, "not sent yet", file, scan_id=scan_id)


def begin(folder: Path, *found: Account, path: str = "/data") -> None:
    """Begin a run that is killed before it has sent anything."""
    with opened(folder) as reports:
        reports.begin(Folder(found, path))
