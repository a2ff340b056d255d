"""The analysed scans of studies, as far as the choice of a T1 scan for a FLAIR scan needs them."""

from collections.abc import Collection
from dataclasses import dataclass

from pydantic import ValidationError

from common.domain.scan import BrainScan
from common.domain.study_pairs import CONTRAST, StudyMember
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.documents import revision_of
from common.store.error_mapping import translated
from common.store.schema import STUDY

READ_WITH = "read_with"
"""Field of a FLAIR scan: the report on a T1 scan because of which it was last scheduled for
reanalysis, as ``StoredMember.reading``. It is scheduled once for each."""

_SCANS_MAX = 500
"""Scans of a study that are looked at."""
_SCAN_FIELDS = dict.fromkeys(("scan", "report_generated", "revision", READ_WITH), 1)
_REPORT_FIELDS = dict.fromkeys(
    (
        *("revision", "labels.fence", "report.analyzer", "report.findings.quality.verdict"),
        *(f"report.findings.parameters.{CONTRAST}", "report.findings.with_t1.t1_scan"),
    ),
    1,
)


@dataclass(frozen=True, slots=True)
class StoredMember:
    """A scan of a study and its report, as they are stored."""

    member: StudyMember
    state: str
    revision: int
    """Of the scan."""
    reported: int
    """Revision of the report."""
    read_with: str | None
    """``READ_WITH`` of the scan."""

    @property
    def reading(self) -> str:
        """Names the report: the scan, the revision and the analyzer."""
        return f"{self.member.scan.key} {self.reported} {self.member.analyzer}"


class StudyMembers:
    """Finds the analysed scans of studies."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @translated
    def of(self, studies: Collection[str]) -> list[StoredMember]:
        """The scans of these studies that have a report, in any state; without damaged ones.

        A report counts as soon as it is durable, before its scan is ``'Done'``: of two scans that
        are analysed at the same time, the second one to write its report sees the first.
        """
        # States with local read concern: the decision must take the latest writes into account.
        # Reports not: whoever is told of one must find it, and finds durable ones only.
        scans = find(
            self._db.scans_fast,
            {"scan.study": {"$in": sorted(studies)}},
            _SCAN_FIELDS,
            hint=STUDY,
            limit=_SCANS_MAX * len(studies),
        )
        keys = [one["_id"] for one in scans if isinstance(one["_id"], str)]
        if not keys:
            return []
        found = find(self._db.reports, {"_id": {"$in": keys}}, _REPORT_FIELDS, hint=BY_ID)
        reports = {one["_id"]: one for one in found}
        members = [_member(scan, reports[scan["_id"]]) for scan in scans if scan["_id"] in reports]
        return [one for one in members if one is not None]


def _member(scan: Document, stored: Document) -> StoredMember | None:
    try:
        report = stored["report"]
        findings, analyzer = report["findings"], report["analyzer"]
        read_with = scan.get(READ_WITH)
        return StoredMember(
            StudyMember(
                scan=BrainScan.stored(scan["scan"]),
                contrast=(findings.get("parameters") or {}).get(CONTRAST),
                analyzer=f"{analyzer['name']} {analyzer['version']}",
                verdict=str(findings["quality"]["verdict"]),
                has_maps="labels" in stored,
                t1_scan=(findings.get("with_t1") or {}).get("t1_scan"),
            ),
            state=str(scan.get("report_generated")),
            revision=revision_of(scan),
            reported=revision_of(stored),
            read_with=read_with if isinstance(read_with, str) else None,
        )
    except (ValidationError, KeyError, TypeError, AttributeError):
        return None  # damaged, or by a newer release
