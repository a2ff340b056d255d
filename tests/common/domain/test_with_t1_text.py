"""The text of a report says what the T1 scan of the study shows."""

from typing import Any

from common.domain.findings import Findings
from common.domain.report_text import report_text
from common.domain.with_t1 import LesionOnT1, WithT1
from common.domain.with_t1_text import LESIONS_SHOWN, with_t1_lines
from tests.common.domain.test_with_t1 import ABOUT, DARK
from tests.factories import make_report, make_scan

MEASURED: dict[str, Any] = {
    "t1_intracranial_ml": 1510.4,
    "intracranial_difference_percent": -0.42,
    "grey_matter_ml": 766.2,
    "white_matter_ml": 512.5,
    "csf_ml": 249.1,
    "from_grey_matter_ml": 6.1,
    "from_csf_ml": 0.0,
    "lesions": (DARK, LesionOnT1(id=2, not_white=0.05)),
}


def lines(**about: Any) -> list[str]:
    return list(with_t1_lines(WithT1(**ABOUT, **about)))


def test_volumes_and_lesions_are_told() -> None:
    assert lines(**MEASURED) == [
        "With T1:   scan scan-1 of the same study",
        "           intracranial 1510 ml on T1, 0.4 % less than on FLAIR",
        "           volumes on T1 if lesions count as white matter: grey matter 766 ml (6.10 ml "
        "less than\n           without), white matter 513 ml, CSF 249 ml",
        "           share of each lesion that is not labelled white matter on T1: #1 93 %, #2 5 %",
    ]


def test_a_doubt_is_told() -> None:
    told = lines(**{**MEASURED, "doubt": "The volumes\ndiffer."})
    assert "           doubtful: The volumes differ." in told


def test_of_many_lesions_the_largest_are_told() -> None:
    told = " ".join(lines(lesions=(DARK,) * 9))
    assert " ".join(told.split()).count("93 %") == LESIONS_SHOWN
    assert "4 more in the JSON" in told


def test_scans_that_are_not_read_together_have_the_reason() -> None:
    assert lines(withheld="They do\nnot fit.")[1:] == [
        "           Not read together. They do not fit."
    ]
    assert lines() == ["With T1:   scan scan-1 of the same study"]


def test_it_is_part_of_the_reports_text() -> None:
    report = make_report(make_scan()[0])
    assert isinstance(report.findings, Findings)
    findings = report.findings.model_copy(update={"with_t1": WithT1(**ABOUT, **MEASURED)})
    text = report_text(report.model_copy(update={"findings": findings}))
    assert "With T1:   scan scan-1 of the same study\n" in text
    assert "With T1" not in report_text(report)
