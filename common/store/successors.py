"""Schedules a scan for reanalysis when the scan before it was analysed later.

A report says what changed since the subject's previous scan, as far as that had its report by then.
Whoever has written a report looks at the subject's other scans *before* the scan is set ``'Done'``,
and sends each scan back to ``'To Do'``, with the next revision, whose report should be compared
with another scan than it is. As with the T1 scan of a study (``study_pairs`` explains the steps),
whoever writes second sees both reports; ``Reconciliation`` looks for a processor that was killed
before it could; and a scan that waits for a reanalysis is left to it.

The work is bounded. A scan is sent back only if the new report is on its direct predecessor: the
latest scan before it, and later than the one that its report names. It is sent back once for each
(``COMPARED_WITH``), whatever its next report says. The next revision of a report by the same
analyzer sends no other scan back: its successors name its scan already. So of scans that arrive in
reverse order, each is analysed twice. A scan of which several predecessors arrive, each later than
the one before, is analysed again for each that comes after its last reanalysis, until it has as
many revisions as ``SendingBack`` allows. Of a subject with more than 200 scans, only the latest
received ones are looked at.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from common.domain.previous_scan import SubjectMember, better_previous
from common.domain.scan import BrainScan
from common.domain.study_pairs import CONTRAST
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.documents import COMPARES, revision_of
from common.store.earlier_scans import scans_of_subject
from common.store.error_mapping import translated
from common.store.sending_back import STATES, SendingBack

COMPARED_WITH = "compared_with"
"""Field of a scan: the earlier scan because of which it was last scheduled for reanalysis, and the
analyzer of both. It is scheduled once for each."""

_CAUSE = "the scan of the subject before it was analysed"
_SCAN_FIELDS = dict.fromkeys(("scan", "report_generated", "revision", COMPARED_WITH), 1)
_CONTRAST = f"report.findings.parameters.{CONTRAST}"
_FOLLOW_UP = "report.findings.follow_up"
_REPORT_FIELDS = dict.fromkeys(
    (
        *("revision", "labels.fence", COMPARES, "report.analyzer", _CONTRAST),
        *("report.findings.lesions.count", f"{_FOLLOW_UP}.previous_scan"),
        f"{_FOLLOW_UP}.previous_acquired_at",
    ),
    1,
)


@dataclass(frozen=True, slots=True)
class _Stored:
    member: SubjectMember
    state: str
    revision: int
    """Of the scan."""
    reported: int
    """Revision of the report."""
    compares: bool
    """Whether the analyzer that made the report compares scans."""
    compared_with: object
    """``COMPARED_WITH`` of the scan."""


class Successors:
    """Sends back scans whose report should be compared with another scan than it is."""

    def __init__(self, connection: Connection, sending_back: SendingBack) -> None:
        self._db = connection
        self._sending_back = sending_back

    @translated
    def send_back(self, keys: Collection[str], anew: Collection[str] = ()) -> set[str]:
        """Look at these scans, whose reports are durable, and at those after them, and schedule for
        reanalysis whichever should be compared with another scan; returns the keys of those.
        Repeatable.

        Args:
            keys: the scans.
            anew: scans whose report was written late, by a claim that was lost: it may have taken
                the place of the report that they were sent back for.
        """
        together: dict[tuple[str, str, str], list[BrainScan]] = {}
        for scan in self._headers(keys):
            if scan.subject is not None:
                whose = scan.subject, scan.pacs, scan.scan_type
                together.setdefault(whose, []).append(scan)
        return {key for scans in together.values() for key in self._look(scans, anew)}

    def _look(self, scans: Sequence[BrainScan], anew: Collection[str]) -> set[str]:
        """The same for scans of one subject."""
        stored = self._members(scans)
        members = [one.member for one in stored]
        sent = set()
        for one in stored:
            if not one.compares or one.state not in STATES or one.revision != one.reported:
                continue
            previous = better_previous(one.member, members)
            if previous is None:
                continue
            key, with_this = one.member.scan.key, f"{previous.scan.key} {previous.analyzer}"
            if one.compared_with == with_this and key not in anew:
                continue
            because = COMPARED_WITH, with_this
            if self._sending_back.schedule(key, one.revision, one.member.analyzer, _CAUSE, because):
                sent.add(key)
        return sent

    def _headers(self, keys: Collection[str]) -> list[BrainScan]:
        if not keys:
            return []
        found = find(self._db.scans_fast, {"_id": {"$in": sorted(keys)}}, {"scan": 1}, hint=BY_ID)
        headers = [_header(one.get("scan")) for one in found]
        return [one for one in headers if one is not None]

    def _members(self, these: Sequence[BrainScan]) -> list[_Stored]:
        """The scans of the same subject that have a report, in any state; without damaged ones."""
        # States with local read concern: the decision must take the latest writes into account.
        scans = {
            one["_id"]: one
            for one in scans_of_subject(
                self._db.scans_fast, these[0], _SCAN_FIELDS, [one.key for one in these]
            )
            if type(one["_id"]) is str  # BSON's code is a str, and no key
        }
        # Only durable reports: whoever is told of one must find it.
        wanted = {"_id": {"$in": list(scans)}}
        reports = find(self._db.reports, wanted, _REPORT_FIELDS, hint=BY_ID)
        members = [_stored(scans[one["_id"]], one) for one in reports]
        return [one for one in members if one is not None]


def _stored(scan: Document, report: Document) -> _Stored | None:
    header = _header(scan.get("scan"))
    if header is None or header.key != scan["_id"]:
        return None
    try:
        content = report["report"]
        findings, analyzer = content["findings"], content["analyzer"]
        follow_up = findings.get("follow_up") or {}
        return _Stored(
            SubjectMember(
                scan=header,
                contrast=(findings.get("parameters") or {}).get(CONTRAST),
                analyzer=f"{analyzer['name']} {analyzer['version']}",
                has_lesions=findings.get("lesions") is not None,
                has_maps="labels" in report,
                previous_scan=follow_up.get("previous_scan"),
                previous_acquired_at=_time(follow_up.get("previous_acquired_at")),
            ),
            state=str(scan.get("report_generated")),
            revision=revision_of(scan),
            reported=revision_of(report),
            compares=report.get(COMPARES) is True,
            compared_with=scan.get(COMPARED_WITH),
        )
    except (KeyError, TypeError, AttributeError):
        return None  # damaged, or by a newer release


def _header(stored: Any) -> BrainScan | None:
    try:
        return BrainScan.stored(stored)
    except (ValidationError, TypeError):
        return None  # damaged, or by a newer release


def _time(stored: Any) -> datetime | None:
    if not isinstance(stored, datetime):
        return None
    return stored if stored.tzinfo is not None else stored.replace(tzinfo=UTC)
