"""The states of a scan on its way to its report, and the legal transitions between them.

The names are stored in databases that outlive a release: changing one is a migration.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class ReportGenerated(StrEnum):
    """``brain_scans.report_generated``: where a scan is on its way to its report."""

    # Durable; waits for a processor.
    TO_DO = "To Do"
    # Claimed; ``owner``, ``fence`` and ``lease_until`` hold by whom and until when.
    IN_PROGRESS = "In Progress"
    # Its report is durable. Final, unless a reanalysis is scheduled.
    DONE = "Done"
    # Failed in all allowed attempts, or its voxels are damaged; ``error`` has the cause.
    ERROR = "Error"


TRANSITIONS: dict[ReportGenerated, frozenset[ReportGenerated]] = {
    # claim; give up on a scan that has used up its attempts; a late report
    ReportGenerated.TO_DO: frozenset(
        {ReportGenerated.IN_PROGRESS, ReportGenerated.ERROR, ReportGenerated.DONE}
    ),
    # claim again after the lease; complete; release, fail with attempts left, or be scheduled for
    # reanalysis with a T1 scan that came meanwhile; fail finally
    ReportGenerated.IN_PROGRESS: frozenset(
        {
            ReportGenerated.IN_PROGRESS,
            ReportGenerated.TO_DO,
            ReportGenerated.DONE,
            ReportGenerated.ERROR,
        }
    ),
    # an operator schedules a reanalysis (``make reanalyze``), or a T1 scan of its study came later
    ReportGenerated.DONE: frozenset({ReportGenerated.TO_DO}),
    # an operator requeues the scan (``make requeue``); a late report
    ReportGenerated.ERROR: frozenset({ReportGenerated.TO_DO, ReportGenerated.DONE}),
}
"""The legal transitions. The store makes each as one atomic update; a test checks that it makes no
others."""


PURGED = "Purged"
"""``report_generated`` of the tombstone of a fully purged scan: the scan was ``'Done'``, its report
was delivered, and retention removed both. Only retention makes this change."""

ERASED = "Erased"
"""``report_generated`` of the tombstone of a scan that was erased on request, in whatever state it
was. Only an erasure makes this change, and nothing follows it."""


SHOWN: Mapping[str, str] = MappingProxyType(
    {
        "waiting": ReportGenerated.TO_DO,
        "analysing": ReportGenerated.IN_PROGRESS,
        "done": ReportGenerated.DONE,
        "failed": ReportGenerated.ERROR,
        "erased": ERASED,
        "purged": PURGED,
    }
)
"""The states by the names that people know them by."""

_SHOWN_AS = {stored: name for name, stored in SHOWN.items()}


def shown(state: str) -> str:
    """The name of a stored state for people; ``'unknown'`` if it is none."""
    return _SHOWN_AS.get(state, "unknown")
