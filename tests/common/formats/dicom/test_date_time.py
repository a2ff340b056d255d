"""DICOM dates and times as UTC."""

from datetime import UTC, datetime

import pydicom
import pytest

from common.formats.dicom.date_time import acquisition_time, parse_datetime
from tests.common.formats.dicom.dicom_files import Write, slices_of


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"AcquisitionDateTime": "20240229121314.5678"}, "2024-02-29T12:13:14.567"),
        ({"AcquisitionDateTime": "20240229121314+0200"}, "2024-02-29T10:13:14"),
        ({"AcquisitionDate": "20240229", "AcquisitionTime": "1213"}, "2024-02-29T12:13:00"),
        (
            {"SeriesDate": "20240229", "SeriesTime": "000000", "TimezoneOffsetFromUTC": "-0130"},
            "2024-02-29T01:30:00",
        ),
        ({"SeriesDate": "20249999", "SeriesTime": "121314"}, None),
        ({"SeriesDate": "20240229"}, None),
    ],
)
def test_the_time_of_the_scan_is_read_as_utc(
    write: Write, header: dict[str, str], expected: str | None
) -> None:
    with pydicom.config.disable_value_validation():
        [plane] = slices_of(write(1, **header))
    at = None if expected is None else datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert plane.acquired_at == at


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("20240229121314.987654", "", "2024-02-29T12:13:14.987"),
        ("20240229121314-0500", "+0100", "2024-02-29T17:13:14"),  # its own offset comes first
        ("20240229121314", "+0530", "2024-02-29T06:43:14"),
        ("202402291213", "", "2024-02-29T12:13:00"),
    ],
)
def test_a_datetime_is_converted_by_its_offset(text: str, offset: str, expected: str) -> None:
    assert parse_datetime(text, offset) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "20230229", "nonsense", "99991231235959-0100"])
def test_a_datetime_that_is_not_valid_is_none(text: str) -> None:
    assert parse_datetime(text, "") is None


def test_the_next_valid_time_replaces_one_that_is_not() -> None:
    values = {
        "AcquisitionDateTime": "not a time",
        "AcquisitionDate": "20240229",
        "AcquisitionTime": "101112",
    }
    assert acquisition_time(values) == datetime(2024, 2, 29, 10, 11, 12, tzinfo=UTC)
