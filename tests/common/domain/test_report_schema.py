"""The schema that the code publishes is that of the reports that it writes."""

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import given

from common.commands.schema import main
from common.domain.report import BrainReport
from common.domain.report_schema import SCHEMA_ID, report_schema
from fr_brain.analyzers.conformance.cases import cases
from fr_brain.analyzers.registry import load_analyzers
from tests.factories import make_report
from tests.strategies import a_report, reports

SCHEMA = report_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def as_json(report: BrainReport) -> Any:
    """As Fr-PACS keeps it."""
    return json.loads(report.model_dump_json())


def wrong(content: Any) -> bool:
    return not VALIDATOR.is_valid(content)


def test_it_is_a_schema_with_a_name_and_a_version() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == SCHEMA_ID == f"urn:fr:brain-report:{SCHEMA['version']}"
    assert SCHEMA["version"] == a_report().schema_version


@given(reports)
def test_any_report_is_valid(report: BrainReport) -> None:
    VALIDATOR.validate(as_json(report))


@pytest.mark.parametrize("kind", ["ecg", "grid", "volume"])
def test_the_reports_of_our_analyzers_are_valid_whatever_the_image(kind: str) -> None:
    analyzer = load_analyzers().pick(kind)
    seen = set()
    for _, scan, voxels in cases(kind):
        with np.errstate(all="ignore"):
            findings = analyzer.analyse(scan, scan.array(voxels))
        seen.add(str(findings.quality.verdict))
        VALIDATOR.validate(as_json(make_report(scan, findings=findings)))
    assert len(seen) > 1


def test_what_is_no_report_is_not_valid() -> None:
    good = as_json(a_report())
    VALIDATOR.validate(good)
    assert wrong({**good, "findings": {**good["findings"], "quality": {"verdict": "perhaps"}}})
    assert wrong({**good, "more": 1})
    assert wrong({**good, "schema_version": 1})
    assert wrong({**good, "run_time_ms": -1})
    assert wrong({**good, "scan_id": "../x"})
    assert wrong({**good, "findings": {**good["findings"], "thresholds": {"Bad Name": 1.0}}})
    for name in good:
        assert wrong({other: value for other, value in good.items() if other != name}), name


def objects(node: Any) -> Any:
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def test_each_field_is_described_and_each_measure_has_its_unit() -> None:
    fields = [(name, f) for one in objects(SCHEMA) for name, f in one["properties"].items()]
    assert len(fields) > 50
    assert not [name for name, field in fields if not field.get("description")]
    units = {name: field["x-unit"] for name, field in fields if "x-unit" in field}
    assert units["volume_ml"] == "ml"
    assert units["centroid_mm"] == "mm"
    assert units["noise_percent"] == "%"
    assert units["run_time_ms"] == "ms"
    assert "above_1_ml" not in units  # counts lesions


def test_the_command_prints_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["fr schema"])
    main()
    assert json.loads(capsys.readouterr().out) == SCHEMA
