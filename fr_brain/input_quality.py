"""What was wrong with the input of a scan, in the quality of its report.

The analyzer sees voxels and a header, not the files; so whatever analyzer read the scan, the report
says what its sender found.
"""

from collections.abc import Mapping, Sequence

from common.domain.finding_kinds import AnyFindings
from common.domain.findings import Verdict
from common.domain.input_problems import sentence


def with_input_problems(findings: AnyFindings, problems: Sequence[str]) -> AnyFindings:
    """The findings, with a flag and a reason for each problem; a verdict 'pass' becomes 'warn'.

    Args:
        findings: what the analyzer returned.
        problems: codes of ``common.domain.input_problems``.
    """
    return with_reservations(findings, {code: sentence(code) for code in problems})


def with_reservations(findings: AnyFindings, reasons: Mapping[str, str]) -> AnyFindings:
    """The findings with these flags and the reason of each, without flags that they have; a verdict
    'pass' becomes 'warn'."""
    quality = findings.quality
    new = [flag for flag in reasons if flag not in quality.flags]
    if not new:
        return findings
    judged = quality.model_copy(
        update={
            "verdict": Verdict.WARN if quality.verdict is Verdict.PASS else quality.verdict,
            "flags": (*quality.flags, *new),
            "reasons": (*quality.reasons, *(reasons[flag] for flag in new)),
        }
    )
    return findings.model_copy(update={"quality": judged})
