"""Checks what an analyzer returned before a report is made of it.

Findings are validated when they are created, but a plug-in can go around that (``model_copy``,
``model_construct``, a subclass), and strings have no limit. A report that cannot be sent or read
would be stored and wait forever.
"""

from pydantic import ValidationError

from common.domain.findings import Findings
from common.domain.report import REPORT_BYTES_MAX
from common.errors import AnalysisError, StoreError
from common.store.documents import stored_bytes

HEADER_BYTES_MAX = 4096
"""What a report holds besides its findings takes less than this."""

_BSON_PER_JSON = 8
"""No value takes more than this many times the bytes as BSON than it takes as JSON: the worst is an
array of digits, whose items have a type, an index and 4 bytes each."""


def checked_findings(findings: Findings) -> Findings:
    """The findings, validated anew.

    Raises:
        AnalysisError: they are not valid, or too large for a report.
    """
    if not isinstance(findings, Findings):
        raise AnalysisError(f"the analyzer returned no findings but {type(findings).__name__}")
    try:
        text = findings.model_dump_json(warnings="error")
        valid = Findings.model_validate_json(text)
        size = len(text) * _BSON_PER_JSON
        if size > REPORT_BYTES_MAX - HEADER_BYTES_MAX:
            size = stored_bytes(valid.model_dump())
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
        raise AnalysisError(f"the analyzer's findings are not valid ({where[:64]})") from None
    except (ValueError, TypeError, RecursionError, StoreError) as error:
        raise AnalysisError(
            f"the analyzer's findings are not valid ({type(error).__name__})"
        ) from None
    if size > REPORT_BYTES_MAX - HEADER_BYTES_MAX:
        raise AnalysisError(
            f"the analyzer's findings take {size} bytes; a report has room for "
            f"{REPORT_BYTES_MAX - HEADER_BYTES_MAX}"
        )
    return valid
