"""REPORTS: the folder of the reports, whose files are named after their input, and its index."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from common.domain.file_outcomes import FileOutcome
from common.domain.report import BrainReport
from common.domain.report_index import about_file, files_name, map_file, map_in, scan_id_in
from common.errors import SettingsError, VoxelsDamaged
from common.runtime.logger import Log
from fr_pacs.report_files import NO_MAPS, Maps, write_report
from fr_pacs.report_index import ReportIndex
from fr_pacs.sources.base import Account, AccountsForFiles, Origin, accounts_of


class ReportFolder:
    """Writes reports and notes them in the index. Thread-safe.

    A report whose files are there keeps their name, also that of an earlier release, ``<scan_id>``.

    Args:
        folder: created if it is missing.
        log: where an index that cannot be written is told.
        pacs: name of this Fr-PACS.

    Raises:
        SettingsError: the folder cannot be written, or has another ``index.csv``.
    """

    def __init__(self, folder: Path, log: Log, pacs: str = "") -> None:
        self._folder = folder
        self._log = log
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Checked now: Fr-HUB would send a report that cannot be written again and again.
            with tempfile.TemporaryFile(dir=folder):
                pass
            with os.scandir(folder) as found:
                files = [one.name for one in found if not one.name.startswith(".")]
        except OSError as error:
            raise SettingsError(
                f"REPORTS={str(folder)!r} is not a folder that Fr-PACS can write to "
                f"({error.strerror}): name another one, or one that does not exist yet"
            ) from error
        names = [one.removesuffix(".json") for one in files if one.endswith(".json")]
        self._maps: dict[str, set[str]] = {}
        """The label maps that have files, by the name of the report's files."""
        for name, label_map in filter(None, map(map_in, files)):
            self._maps.setdefault(name, set()).add(label_map)
        # Only names that are not the id alone.
        self._names = {scan_id_in(name): name for name in names if scan_id_in(name) != name}
        self._found = frozenset(map(scan_id_in, names))
        """The scans whose reports were here at the start."""
        self._last: BrainReport | None = None
        """The report that was read last, for further copies of its image."""
        self._index = ReportIndex(folder, log, pacs)
        # A kill came between the report, which Fr-HUB does not send again, and its row.
        for scan_id, origin in self._index.unreported().items():
            if scan_id in self._names or scan_id in names:
                accounts = accounts_of([origin], FileOutcome.REPORTED, "", scan_id)
                self._add_existing(scan_id, accounts)

    def write(
        self,
        report: BrainReport,
        picture: bytes | None = None,
        origins_of: Callable[[str], Sequence[Origin]] = lambda _: (),
        maps: Maps = NO_MAPS,
    ) -> bool:
        """Write the files of a report; they are on disk when this returns, the index soon after.

        Args:
            report: the report.
            picture: its picture, PNG; None: it has none.
            origins_of: the volumes of files with the scan of an id, as far as they are known.
            maps: its label maps; one that cannot be made is logged, and then all are left out.

        Returns:
            Whether the folder has no later revision of the report.

        Raises:
            OSError: a file cannot be written.
        """
        scan_id = report.scan_id
        with self._lock:
            name = self._name_of(scan_id, origins_of(scan_id))
        written = self._write(report, picture, name, maps)
        self._last = None
        # Asked again: whoever finds a copy from now on finds the report, too (``account``).
        accounts = accounts_of(origins_of(scan_id), FileOutcome.REPORTED, "", scan_id)
        if written:
            self._index.add(report, accounts, name)
        else:
            self._add_existing(scan_id, accounts)
        return written

    def _write(self, report: BrainReport, picture: bytes | None, name: str, maps: Maps) -> bool:
        known = self._maps.get(name, set())
        try:
            return write_report(self._folder, report, picture, name, maps, known)
        except VoxelsDamaged as error:
            self._log.warning("label maps left out", scan_id=report.scan_id, reason=str(error))
            return write_report(self._folder, report, picture, name, existing_maps=known)
        finally:
            if either := known | maps.keys():
                files = ((one, self._folder / map_file(name, one)) for one in either)
                self._maps[name] = {one for one, file in files if file.exists()}

    def begin(self, source: AccountsForFiles) -> None:
        """Note in the index what is known of each file before the first scan is sent."""
        accounts = list(source.accounts())
        self._index.begin(source.path, accounts)
        # A kill came between a report and its row, and Fr-HUB does not send the report again.
        with contextlib.suppress(OSError):  # the index tells of it
            known = {one.scan_id for one in accounts} & self._found
            lacking = self._index.without_report(known) if known else known
            of_scan: dict[str, list[Account]] = {scan_id: [] for scan_id in lacking}
            for one in accounts:
                if one.scan_id in of_scan:
                    is_copy = one.outcome is FileOutcome.COPY
                    outcome = FileOutcome.COPY if is_copy else FileOutcome.REPORTED
                    reason = one.reason if is_copy else ""
                    of_scan[one.scan_id].append(replace(one, outcome=outcome, reason=reason))
            for scan_id, these in of_scan.items():
                self._add_existing(scan_id, these)
        self._found = frozenset()

    def account(self, account: Account) -> None:
        """Note in the index what became of files. A copy of an image has the report of its scan;
        one of a slice has no scan."""
        is_copy = account.outcome is FileOutcome.COPY and account.scan_id
        if not (is_copy and self._add_existing(account.scan_id, [account])):
            self._index.account(account)

    def _add_existing(self, scan_id: str, accounts: Sequence[Account]) -> bool:
        """Note these files for the report that is there; whether it is."""
        with self._lock:
            name = self._name_of(scan_id, ())
        last = self._last
        try:
            if last is None or last.scan_id != scan_id:
                text = (self._folder / f"{name}.json").read_bytes()
                self._last = last = BrainReport.model_validate_json(text)
        except (OSError, ValidationError):
            return False  # not there yet, or damaged: its next report names them
        self._index.add(last, accounts, name)
        return True

    def close(self) -> None:
        """Write what is left of the index. Idempotent."""
        self._index.close()

    def _name_of(self, scan_id: str, origins: Sequence[Origin]) -> str:
        if (known := self._names.get(scan_id)) is not None:
            return known
        first = origins[0] if origins else self._index.take_origin(scan_id)
        if first is None or (self._folder / f"{scan_id}.json").exists():
            return scan_id
        name = files_name(scan_id, about_file(first.file, first.volume, first.folder))
        if name != scan_id:
            self._names[scan_id] = name
        return name
