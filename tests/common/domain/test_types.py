"""Identifiers, times and hashes, and what every model refuses."""

import warnings
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from pydantic import ValidationError

from common.domain.findings import Verdict
from common.domain.types import Frozen, Pseudonym, hash_voxels, utc_now
from common.domain.validation_errors import explain
from tests.strategies import a_report, a_scan

AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


def test_a_known_hash_of_blake3() -> None:
    known = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert hash_voxels(b"") == hash_voxels(memoryview(b"")) == known


def test_models_cannot_be_changed() -> None:
    scan, report = a_scan(), a_report()
    with pytest.raises(ValidationError, match="frozen"):
        scan.scan_id = "other"
    with pytest.raises(ValidationError, match="frozen"):
        report.findings.quality.verdict = Verdict.PASS


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        a_scan(patient_name="x")
    with pytest.raises(ValidationError, match="Extra inputs"):
        a_report(patient_name="x")


@pytest.mark.parametrize(
    "name", ["", ".hidden", "-x", "a/b", "..", "a b", "a\n", "ä", "a" * 65, "a\x00", "a\\b"]
)
def test_an_identifier_is_safe_as_a_file_name(name: str) -> None:
    with pytest.raises(ValidationError, match="scan_id"):
        a_scan(scan_id=name)


def test_now_survives_a_round_trip_through_bson() -> None:
    now = utc_now()
    assert bson.decode(bson.encode({"now": now}), AWARE)["now"] == now
    assert now.tzinfo is UTC
    assert abs((datetime.now(UTC) - now).total_seconds()) < 5


@pytest.mark.parametrize(
    "at",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-05-17T12:00:00"],
)
def test_a_time_that_bson_cannot_hold_is_refused(at: str) -> None:
    with pytest.raises(ValidationError, match="the time"):
        a_scan(acquired_at=at)


def test_a_time_with_an_offset_becomes_utc() -> None:
    at = a_scan(acquired_at="2024-05-17T14:00:00+02:00").acquired_at
    assert at is not None
    assert at.isoformat() == "2024-05-17T12:00:00+00:00"


# --- personal data -----------------------------------------------------------------------------


class Subject(Frozen):
    """A model with a pseudonym alone."""

    subject: Pseudonym


@pytest.mark.parametrize(
    "text",
    ["0123456789abcdef", "1234567890123456", "f" * 64, "sub-01", "P001", "anon_17", "site2.s3"],
)
def test_a_pseudonym_is_accepted(text: str) -> None:
    assert Subject(subject=text).subject == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "Hans Mueller",
            "MUELLER^HANS",
            "Müller",
            "李明",
            "-",
            "a/b",
            "a\x1b",
            "a\n",
            "x" * 65,
        ),
        *("1234567", "19700131", "1970-01-31", "31.01.1970", "s-19700131", "JD_31011970"),
        *("F" * 16 + "^", "0123456789ABCDEF 1", "12-34-56"),
    ],
)
def test_a_name_a_date_and_a_number_are_refused_without_quoting_them(text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Subject(subject=text)
    assert len(text) < 3 or text not in str(raised.value)
    assert explain(raised.value).startswith("subject: ")


def test_no_error_and_no_warning_of_a_model_quotes_a_value() -> None:
    with pytest.raises(ValidationError) as raised:
        Subject(subject="MUELLER^HANS")
    assert "MUELLER" not in str(raised.value)
    wrong = Subject.model_construct(subject={"MUELLER": "HANS"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert wrong.model_dump() == {"subject": {"MUELLER": "HANS"}}
        assert wrong.model_dump_json() == '{"subject":{"MUELLER":"HANS"}}'
