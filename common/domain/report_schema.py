"""The JSON schema of a report, made from ``BrainReport``: ``make schema``."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from common.domain.report import REPORT_SCHEMA_VERSION, BrainReport

SCHEMA_ID = f"urn:fr:brain-report:{REPORT_SCHEMA_VERSION}"

_UNITS = {
    "_ml": "ml",
    "_mm": "mm",
    "_ms": "ms",
    "_s": "s",
    "_hz": "Hz",
    "_mv": "mV",
    "_bpm": "1/min",
    "_ms2": "ms²",
    "_degrees": "°",
    "_percent": "%",
}


def report_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the JSON that Fr-PACS keeps and ``make report`` writes.

    Each field has a description and, if it is a measure, its unit (``x-unit``). Every report of
    this version has every field; an unknown value is null.
    """
    schema: dict[str, Any] = _tidy(BrainReport.model_json_schema(mode="serialization"))
    schema["properties"]["schema_version"]["const"] = REPORT_SCHEMA_VERSION
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": SCHEMA_ID,
        "title": "Brain report",
        "version": REPORT_SCHEMA_VERSION,
        **{name: value for name, value in schema.items() if name != "title"},
    }


def _tidy(node: Any) -> Any:
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {name: _tidy(value) for name, value in node.items() if name != "default"}
    if isinstance(node.get("properties"), dict):
        # The titles that pydantic makes from names add nothing to the names.
        out["properties"] = {
            name: {**_without_title(_tidy(field)), **_unit(name)}
            for name, field in node["properties"].items()
        }
        out["required"] = list(out["properties"])
    if "patternProperties" in node:
        out["additionalProperties"] = False
    return out


def _without_title(field: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in field.items() if name != "title"}


def _unit(name: str) -> dict[str, str]:
    # The name of a count can end in a unit: 'above_1_ml' counts lesions.
    return next(
        (
            {"x-unit": unit}
            for ending, unit in _UNITS.items()
            if name.endswith(ending) and not name.startswith(("below_", "from_", "above_"))
        ),
        {},
    )
