"""What this Fr-PACS knows of the results of scans: reports that it has, failures that it told."""

from collections import OrderedDict
from typing import TypeVar

from fr_pacs.ledger import Ledger

KEPT = 100_000
"""Scans of which it is remembered."""

_T = TypeVar("_T")


class KnownResults:
    """The latest results, of this run and, by the ledger, of earlier ones. Not locked."""

    def __init__(self, ledger: Ledger) -> None:
        self._revisions: OrderedDict[str, int] = OrderedDict()
        for key in ledger.reported:
            scan_id, _, revision = key.partition("/")
            self.note_report(scan_id, int(revision or 1))
        self._causes: OrderedDict[str, str] = OrderedDict()
        for scan_id, cause in ledger.failed:
            self.note_failure(scan_id, cause)

    def has_report(self, scan_id: str, revision: int = 1) -> bool:
        """Whether this revision of the report of a scan, or a later one, has arrived."""
        return self._revisions.get(scan_id, 0) >= revision

    def note_report(self, scan_id: str, revision: int) -> None:
        """A report has arrived."""
        _keep(self._revisions, scan_id, max(revision, self._revisions.get(scan_id, 0)))

    def has_failure(self, scan_id: str, cause: str) -> bool:
        """Whether this is the last cause for which a scan failed for good."""
        return self._causes.get(scan_id) == cause

    def note_failure(self, scan_id: str, cause: str) -> None:
        """A scan failed for good."""
        _keep(self._causes, scan_id, cause)


def _keep(of: OrderedDict[str, _T], scan_id: str, value: _T) -> None:
    of[scan_id] = value
    of.move_to_end(scan_id)
    if len(of) > KEPT:
        of.popitem(last=False)
