"""The states of a scan on its way to its report, and the legal transitions between them.

The names are stored in databases that outlive a release: changing one is a migration.
"""

from enum import StrEnum


class ReportGenerated(StrEnum):
    """``brain_scans.report_generated``: where a scan is on its way to its report."""

    # Durable and acknowledged; waits for a processor.
    TO_DO = "To Do"
    # Claimed: ``owner``, ``fence`` and ``lease_until`` say by whom and until when.
    IN_PROGRESS = "In Progress"
    # Its report is durable. Final, until a person has it analysed again.
    DONE = "Done"
    # Gave no report in the allowed attempts, or its voxels are damaged: ``error`` has the cause.
    ERROR = "Error"


TRANSITIONS: dict[ReportGenerated, frozenset[ReportGenerated]] = {
    # claim; give up on a scan whose attempts are used up; a report that came late
    ReportGenerated.TO_DO: frozenset(
        {ReportGenerated.IN_PROGRESS, ReportGenerated.ERROR, ReportGenerated.DONE}
    ),
    # claim again after the lease; complete; release or fail with attempts left; fail for good
    ReportGenerated.IN_PROGRESS: frozenset(
        {
            ReportGenerated.IN_PROGRESS,
            ReportGenerated.TO_DO,
            ReportGenerated.DONE,
            ReportGenerated.ERROR,
        }
    ),
    # a person has it analysed again (``make reanalyze``): the next revision of its report
    ReportGenerated.DONE: frozenset({ReportGenerated.TO_DO}),
    # a person puts it back; a report that came late
    ReportGenerated.ERROR: frozenset({ReportGenerated.TO_DO, ReportGenerated.DONE}),
}
"""The legal transitions: ``DBManager`` makes each as one atomic update, a test holds it to them."""


PURGED = "Purged"
"""``report_generated`` of a tombstone: the scan was ``'Done'``, its report was delivered, and
retention took both. No state of a scan on its way; only retention comes here, from ``'Done'``."""
