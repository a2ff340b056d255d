"""The analysed scans of studies, as far as the choice of a T1 scan for a FLAIR scan needs them."""

from collections.abc import Collection
from dataclasses import dataclass

from pydantic import ValidationError

from common.domain.scan import BrainScan
from common.domain.study_pairs import CONTRAST, FLAIR, T1, StudyMember
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.documents import revision_of
from common.store.error_mapping import translated
from common.store.schema import STUDY

READ_WITH = "read_with"
"""Field of a FLAIR scan: the report on a T1 scan because of which it was last scheduled for
reanalysis, as ``StoredMember.reading``. It is scheduled once for each."""

_SCANS_MAX = 10_000
"""Scans of a study that are looked at: far more than one has."""
_AT_ONCE = 500
_SCAN_FIELDS = dict.fromkeys(("scan", "report_generated", "revision", READ_WITH), 1)
_CONTRAST = f"report.findings.parameters.{CONTRAST}"
_REPORT_FIELDS = dict.fromkeys(
    (
        *("revision", "labels.fence", "report.analyzer", "report.findings.quality.verdict"),
        *(_CONTRAST, "report.findings.with_t1.t1_scan"),
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
        """The FLAIR and T1 scans of these studies that have a report, in any state; without damaged
        ones.

        A report counts as soon as it is durable, before its scan is ``'Done'``: of two scans that
        are analysed at the same time, the second one to write its report sees the first.
        """
        keys = [key for study in sorted(studies) for key in self._keys(study)]
        chunks = [keys[n : n + _AT_ONCE] for n in range(0, len(keys), _AT_ONCE)]
        return [member for chunk in chunks for member in self._members(chunk)]

    def _keys(self, study: str) -> list[str]:
        found = find(
            self._db.scans_fast, {"scan.study": study}, {"_id": 1}, hint=STUDY, limit=_SCANS_MAX
        )
        # BSON's code is a str, and no key.
        return [one["_id"] for one in found if type(one["_id"]) is str]

    def _members(self, keys: list[str]) -> list[StoredMember]:
        # Only durable reports: whoever is told of one must find it.
        wanted = {"_id": {"$in": keys}, _CONTRAST: {"$in": [FLAIR, T1]}}
        reports = {
            one["_id"]: one for one in find(self._db.reports, wanted, _REPORT_FIELDS, hint=BY_ID)
        }
        if not reports:
            return []
        # States with local read concern: the decision must take the latest writes into account.
        these = {"_id": {"$in": list(reports)}}
        scans = find(self._db.scans_fast, these, _SCAN_FIELDS, hint=BY_ID)
        members = [_member(scan, reports[scan["_id"]]) for scan in scans]
        return [one for one in members if one is not None]


def _member(scan: Document, stored: Document) -> StoredMember | None:
    try:
        report = stored["report"]
        findings, analyzer = report["findings"], report["analyzer"]
        read_with = scan.get(READ_WITH)
        header = BrainScan.stored(scan["scan"])
        if header.key != scan["_id"]:
            return None
        return StoredMember(
            StudyMember(
                scan=header,
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
