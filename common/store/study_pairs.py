"""Schedules a FLAIR scan for reanalysis when the T1 scan of its study was analysed later.

Whoever has written a report on a FLAIR or T1 scan of a study looks at the study *before* the scan
is set ``'Done'``, and sends each FLAIR scan back to ``'To Do'``, with the next revision, whose
report should name a T1 scan and does not. So nothing is lost:

* Of a FLAIR and a T1 scan that are analysed at the same time, one report is written second. Whoever
  wrote it looks afterwards, and sees both.
* A kill before the look leaves a scan that is not ``'Done'``, so somebody looks later: the
  processor that claims it next, or ``Reconciliation``, which looks as well before it sets such a
  scan ``'Done'``. The report says that it is to be looked at (``LOOK``).
* A FLAIR scan that waits for a reanalysis, or is read again, is left to it. If that fails for good,
  whoever says so looks.
* A kill after the FLAIR scan was sent back repeats the look. The FLAIR scan then has a revision
  above that of its report, so it is left alone.

And nothing is repeated for ever: a scan that is sent back says for which report on a T1 scan
(``READ_WITH``), and is never sent back for this one again, whatever its next report says. So only
durable reports count: the processor that claims the FLAIR scan finds no others.

The FLAIR scan may be ``'In Progress'``, if its owner has written the report and is about to set it
``'Done'``. Its claim ends then: the owner finds it lost, and its report stays the scan's report
until the next revision replaces it.
"""

from collections.abc import Collection, Sequence

from common.domain.audit_events import Kind
from common.domain.report import BrainReport
from common.domain.states import ReportGenerated
from common.domain.study_pairs import T1, better_t1, is_of_pair
from common.domain.types import Document
from common.store.claim_documents import CHOSEN, reanalysis_update
from common.store.collections import Notification
from common.store.connection import Connection
from common.store.documents import HAS_VOXELS, of_revision
from common.store.error_mapping import translated
from common.store.feed_documents import scans_to_look_up
from common.store.recording import Recorder
from common.store.study_members import READ_WITH, StoredMember, StudyMembers

_STATES = tuple(map(str, ReportGenerated))


class StudyPairs:
    """Sends back FLAIR scans whose report should name a T1 scan."""

    def __init__(self, connection: Connection, members: StudyMembers, recorder: Recorder) -> None:
        self._db = connection
        self._members = members
        self._recorder = recorder

    @translated
    def send_back(self, studies: Collection[str], anew: Collection[str] = ()) -> set[str]:
        """Look at these studies, and schedule their FLAIR scans for reanalysis where needed,
        durably and recorded; returns the keys of those. Repeatable.

        Args:
            studies: the studies.
            anew: scans whose report was written late, by a claim that was lost: it may have taken
                the place of the report that they were sent back for.
        """
        if not studies:
            return set()
        members = self._members.of(studies)
        found = {one.member.scan.key: one for one in members}
        t1_scans = [one.member for one in members if one.member.contrast == T1]
        sent = set()
        for one in members:
            t1 = better_t1(one.member, t1_scans)
            if t1 is None or one.state not in _STATES or one.revision != one.reported:
                continue
            read_with = found[t1.scan.key].reading
            key = one.member.scan.key
            if (one.read_with != read_with or key in anew) and self._schedule(one, read_with):
                sent.add(key)
        return sent

    def _schedule(self, flair: StoredMember, read_with: str) -> bool:
        key = flair.member.scan.key
        wanted = {
            "_id": key,
            # Not only the state that was read: its owner may just set it 'Done'.
            "report_generated": {"$in": [*_STATES]},
            **of_revision(flair.revision),
            **HAS_VOXELS,
            "purging_since": None,  # retention is removing them
        }
        if self._db.scans_fast.find_one(wanted, {"_id": 1}) is None:
            return False  # not to be recorded, as it will not be done
        self._db.feed.begin()
        self._recorder.note(
            Kind.SCHEDULE_REANALYSIS,
            [key],
            outcome="to be analysed again",
            cause="a T1 scan of its study was analysed",
        )
        self._recorder.wait_durable()
        is_chosen = {"$ne": [{"$type": f"${CHOSEN}"}, "missing"]}
        analyzer = {"$literal": flair.member.analyzer}
        change: list[Document] = [
            *reanalysis_update(flair.revision),
            {"$set": {READ_WITH: {"$literal": read_with}}},
            # Another choice was for a reanalysis that failed.
            {"$set": {CHOSEN: {"$cond": [is_chosen, analyzer, "$$REMOVE"]}}},
            {"$unset": ["lease_until", "notice"]},
        ]
        if not self._db.scans.update_one(wanted, change).modified_count:
            return False
        self._db.notifications.publish(Notification.SCAN)
        self._db.feed.tell(scans_to_look_up([key]))
        return True


def studies_of(reports: Sequence[BrainReport]) -> set[str]:
    """The studies that are to be looked at once these reports are written."""
    return {one.study for one in reports if one.study is not None and is_of_pair(one)}
