"""Identifiers, times and hashes, and what every model refuses."""

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from pydantic import ValidationError

from common.domain.findings import Verdict
from common.domain.types import hash_voxels, utc_now
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
    assert at.isoformat() == "2024-05-17T12:00:00+00:00"
