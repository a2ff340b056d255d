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

from common.domain.report import BrainReport
from common.domain.study_pairs import T1, better_t1, is_of_pair
from common.store.error_mapping import translated
from common.store.sending_back import STATES, SendingBack
from common.store.study_members import READ_WITH, StudyMembers

_CAUSE = "a T1 scan of its study was analysed"


class StudyPairs:
    """Sends back FLAIR scans whose report should name a T1 scan."""

    def __init__(self, members: StudyMembers, sending_back: SendingBack) -> None:
        self._members = members
        self._sending_back = sending_back

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
            if t1 is None or one.state not in STATES or one.revision != one.reported:
                continue
            read_with = found[t1.scan.key].reading
            key = one.member.scan.key
            if one.read_with == read_with and key not in anew:
                continue
            analyzer, because = one.member.analyzer, (READ_WITH, read_with)
            if self._sending_back.schedule(key, one.revision, analyzer, _CAUSE, because):
                sent.add(key)
        return sent


def studies_of(reports: Sequence[BrainReport]) -> set[str]:
    """The studies that are to be looked at once these reports are written."""
    return {one.study for one in reports if one.study is not None and is_of_pair(one)}
