from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.validation_errors import explain
from tests.factories import make_report, make_scan

NAN = float("nan")
TELLTALE = "MUELLER^HANS"


def refused(kind: type[BrainScan] | type[BrainReport], content: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        kind.model_validate(content)
    return explain(raised.value)


def header(**given: Any) -> dict[str, Any]:
    return {**make_scan()[0].model_dump(), **given}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"shape": (1, TELLTALE)}, "shape.1: must be a whole number"),
        ({"shape": (1,)}, "shape: must have at least 2 items"),
        ({"shape": 7}, "shape: must be a list"),
        ({"shape": (0, 1)}, "shape.0: must be 1 or more"),
        ({"affine": ((1, 2, 3, NAN),) * 3}, "affine.0.3: must be a finite number, not NaN or inf"),
        ({"scan_id": TELLTALE}, "scan_id: must be 1 to 64 letters, digits, dots, underscores and"),
        ({"scan_id": None}, "scan_id: must be text"),
        ({"voxels_hash": TELLTALE}, "voxels_hash: must be 64 hexadecimal digits"),
        ({"dtype": TELLTALE}, "dtype: must be 'uint8', 'int8'"),
        ({"acquired_at": TELLTALE}, "acquired_at: must be a date or time as in 2026-11-28T09:30"),
        ({"subject": TELLTALE * 9}, "subject: must have at most 64 characters"),
        ({TELLTALE: TELLTALE}, "the document: has a field that this release does not know"),
    ],
    ids=lambda given: str(given)[:30],
)
def test_an_error_says_what_is_accepted_and_quotes_nothing(given: Any, text: str) -> None:
    shown = refused(BrainScan, header(**given))
    assert text in shown
    assert TELLTALE not in shown
    for raw in ("Input should", "Field required", "pattern", "Extra inputs", "String should"):
        assert raw not in shown


def test_a_field_that_is_missing_is_named() -> None:
    content = header()
    del content["dtype"]
    assert refused(BrainScan, content) == "dtype: is missing"


def test_a_name_inside_a_report_is_not_quoted() -> None:
    content = make_report(make_scan()[0]).model_dump()
    content["findings"] = {**content["findings"], TELLTALE: {TELLTALE: TELLTALE}}
    shown = refused(BrainReport, content)
    assert shown == "findings: has a field that this release does not know"


def test_what_is_not_a_document_says_so() -> None:
    assert refused(BrainScan, TELLTALE) == "the document: must be a document"


def test_of_many_errors_the_first_are_told() -> None:
    assert refused(BrainScan, {}).count("; ") == 4
