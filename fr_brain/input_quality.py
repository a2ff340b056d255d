"""What was wrong with the input of a scan, in the quality of its report.

The analyzer sees voxels and a header, not the files; so whatever analyzer read the scan, the report
says what its sender found.
"""

from collections.abc import Sequence

from common.domain.finding_kinds import AnyFindings
from common.domain.findings import Verdict
from common.domain.input_problems import sentence


def with_input_problems(findings: AnyFindings, problems: Sequence[str]) -> AnyFindings:
    """The findings, with a flag and a reason for each problem; a verdict 'pass' becomes 'warn'.

    Args:
        findings: what the analyzer returned.
        problems: codes of ``common.domain.input_problems``.
    """
    quality = findings.quality
    new = [code for code in dict.fromkeys(problems) if code not in quality.flags]
    if not new:
        return findings
    judged = quality.model_copy(
        update={
            "verdict": Verdict.WARN if quality.verdict is Verdict.PASS else quality.verdict,
            "flags": (*quality.flags, *new),
            "reasons": (*quality.reasons, *map(sentence, new)),
        }
    )
    return findings.model_copy(update={"quality": judged})
