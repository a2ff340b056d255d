"""What a report derives from its fields, and how reports of older releases are read."""

import json
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given
from pydantic import ValidationError

from common.domain.findings import (
    Volumes,
)
from common.domain.report import AnalyzerId, BrainReport, report_id_of
from tests.factories import make_report, make_scan
from tests.strategies import a_report, reports

OLD: dict[str, Any] = {
    "schema_version": 1,
    "scan_id": "scan-1",
    "pacs": "pacs-1",
    "scan_type": "volume",
    "voxels_hash": "0" * 64,
    "shape": [4, 5, 6],
    "voxel_size_mm": [1.0, 1.0, 1.0],
    "orientation": "RAS",
    "analyzer": {"name": "volume", "version": "1"},
    "analysed_at": "2024-05-17T12:00:00Z",
    "run_time_ms": 12.5,
    "findings": {
        "quality": {"verdict": "warn", "reasons": ["noisy"]},
        "lesions": {
            "count": 3,
            "voxels": 5,
            "volume_ml": 0.005,
            "largest": [
                {
                    "voxels": 3,
                    "volume_ml": 0.003,
                    "centroid_voxel": [1.0, 2.0, 3.0],
                    "centroid_mm": [1.0, 2.0, 3.0],
                }
            ],
        },
        "volumes": {"head_ml": 0.12, "brain_ml": 0.1},
        "limitations": ["checked on phantoms"],
    },
    "notice": "not for diagnosis",
}
"""As an older release wrote it."""


def test_a_report_of_the_first_schema_is_read_and_stays_one() -> None:
    report = BrainReport.model_validate(OLD)
    assert (report.schema_version, report.revision, report.subject) == (1, 1, None)
    assert report.report_id == report_id_of("scan-1", 1)
    assert report.findings.lesions is not None
    assert (
        report.findings.lesions.by_size is None
    )  # two lesions are not listed, so their sizes are unknown
    assert report.findings.lesions.largest[0].id == 1
    assert report.findings.volumes == Volumes(head_ml=0.12, brain_ml=0.1)
    assert BrainReport.model_validate(report.model_dump(mode="json")) == report


def test_each_revision_has_an_id_of_its_own_and_no_other() -> None:
    ids = {a_report(scan_id=name, revision=n).report_id for name in ("a", "b") for n in (1, 2)}
    assert len(ids) == 4
    with pytest.raises(ValidationError, match="does not match the scan and revision"):
        a_report(report_id=a_report(revision=2).report_id)
    with pytest.raises(ValidationError):
        a_report(report_id="mine")


AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


@given(reports)
def test_any_report_survives_a_round_trip_through_bson_and_json(report: BrainReport) -> None:
    assert (
        BrainReport.model_validate(bson.decode(bson.encode(report.model_dump()), AWARE)) == report
    )
    assert BrainReport.model_validate(json.loads(report.model_dump_json())) == report


def test_each_report_carries_the_notice() -> None:
    assert "not for diagnosis" in a_report().model_dump()["notice"]


def test_a_report_repeats_the_header_of_its_scan() -> None:
    scan, _ = make_scan(subject="p-1")
    findings = make_report(scan).findings
    report = BrainReport.of(
        scan, findings, AnalyzerId(name="grid", version="2"), run_time_ms=1.23456, revision=3
    )
    for name in ("scan_id", "pacs", "subject", "scan_type", "voxels_hash", "shape", "acquired_at"):
        assert getattr(report, name) == getattr(scan, name), name
    assert (report.revision, report.run_time_ms, report.findings) == (3, 1.235, findings)
    assert report.report_id == report_id_of(scan.scan_id, 3)


def test_a_time_without_a_known_zone_has_none_in_json() -> None:
    at = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)
    scan, _ = make_scan()
    local = make_report(scan, acquired_at=at, acquired_zone="unknown")
    told = local.model_dump(mode="json")
    assert told["acquired_at"] == "2024-05-06T07:08:00"
    assert BrainReport.model_validate(told).model_dump(mode="json") == told
    assert local.model_dump()["acquired_at"] == at  # on the wire and in the store
    known = make_report(scan, acquired_at=at).model_dump(mode="json")
    assert known["acquired_at"] == "2024-05-06T07:08:00Z"
    assert make_report(scan).model_dump(mode="json")["acquired_at"] is None
