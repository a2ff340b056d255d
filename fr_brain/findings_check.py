"""Checks what an analyzer returned before a report is made of it.

Findings are valid however they were made (``AlwaysValid``), but their texts and lists have no
limit, and their dictionaries can be changed. A report that cannot be sent or read would be stored
and wait forever.
"""

from pydantic import ValidationError

from common.domain.finding_kinds import MODELS, AnyFindings
from common.domain.findings import Findings
from common.domain.report import REPORT_BYTES_MAX
from common.errors import AnalysisError, StoreError
from common.store.documents import stored_bytes

HEADER_BYTES_MAX = 4096
"""What a report holds besides its findings takes less than this."""

_ROOM = REPORT_BYTES_MAX - HEADER_BYTES_MAX
_FIXED_BYTES = 4096
_LESION_BYTES = 768
_ITEM_BYTES = 80
"""More than a number takes as BSON, with a name of 48 characters."""

_CHARACTER_BYTES = 4
"""The most that a character takes as UTF-8."""


def checked_findings(findings: AnyFindings) -> AnyFindings:
    """The findings, if a report of them can be stored, sent and read.

    Raises:
        AnalysisError: they are not valid, or too large for a report.
    """
    kind = next((one for one in MODELS if isinstance(findings, one)), None)
    if kind is None:
        raise AnalysisError(f"the analyzer returned {type(findings).__name__} instead of findings")
    try:
        if type(findings) is not Findings or findings.parameters or findings.thresholds:
            findings = kind.model_validate(findings.model_dump(warnings="error"))
        size = _ROOM + 1
        if isinstance(findings, Findings) and not _is_compared(findings):
            size = most_bytes(findings)
        if size > _ROOM:
            size = stored_bytes(findings.model_dump())
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
        raise AnalysisError(f"the analyzer's findings are not valid ({where[:64]})") from None
    except (ValueError, TypeError, RecursionError, StoreError) as error:
        raise AnalysisError(
            f"the analyzer's findings are not valid ({type(error).__name__})"
        ) from None
    if size > _ROOM:
        raise AnalysisError(
            f"the analyzer's findings take {size} bytes; a report has room for {_ROOM}"
        )
    return findings


def _is_compared(findings: Findings) -> bool:
    return findings.follow_up is not None or findings.with_t1 is not None


def most_bytes(findings: Findings) -> int:
    """No fewer bytes than findings that are not compared with another scan take as BSON. Encoding
    all findings to know would cost a tenth of the time that a small scan takes."""
    size = _FIXED_BYTES
    for text in (*findings.quality.reasons, *findings.quality.flags, *findings.limitations):
        size += _ITEM_BYTES + _CHARACTER_BYTES * len(text)
    if findings.lesions is not None:
        size += _CHARACTER_BYTES * len(findings.lesions.missed or "")
        for lesion in findings.lesions.largest:
            size += _LESION_BYTES + _ITEM_BYTES * len(lesion.centroid_voxel)
    if findings.registration is not None:
        size += _LESION_BYTES
        for text in (findings.registration.template, findings.registration.withheld or ""):
            size += _ITEM_BYTES + _CHARACTER_BYTES * len(text)
    for value in (*findings.parameters.values(), *findings.thresholds.values()):
        several = len(value) if isinstance(value, str | tuple) else 0
        size += _ITEM_BYTES + _ITEM_BYTES * several
    return size
