"""Heads of one person that do not fit each other, in the quality of a report.

The sections of a report about the previous scan and about the T1 scan say so as well. But who reads
many reports looks at the verdicts, and a mix-up of two patients must not go unseen.
"""

from common.domain.finding_kinds import AnyFindings
from common.domain.findings import Findings
from fr_brain.input_quality import with_reservations

UNLIKE_T1, UNLIKE_PREVIOUS = "unlike_t1", "unlike_previous"
"""Flags. Stored: never renamed."""

_WHAT_TO_DO = (
    "Compare the two images. If they show two people, correct the patient's ID at the source, "
    "erase the mislabelled scan, send the corrected images, and analyse the other scan again "
    "(make reanalyze)."
)
_REASONS = {
    UNLIKE_T1: (
        "This scan and the T1 scan of its study do not fit each other: one was misread, or they "
        f"are of two people. {_WHAT_TO_DO}"
    ),
    UNLIKE_PREVIOUS: (
        "This scan and the previous one do not fit each other: the brain has changed a lot, one "
        f"was misread, or they are of two people. {_WHAT_TO_DO}"
    ),
}


def with_misfits(findings: AnyFindings) -> AnyFindings:
    """The findings, with a flag and a reason for each other scan that does not fit this one; a
    verdict 'pass' becomes 'warn'."""
    if not isinstance(findings, Findings):
        return findings
    others = {UNLIKE_T1: findings.with_t1, UNLIKE_PREVIOUS: findings.follow_up}
    flags = [flag for flag, other in others.items() if other is not None and other.is_misfit]
    return with_reservations(findings, {flag: _REASONS[flag] for flag in flags})
