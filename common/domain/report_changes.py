"""What changed between two revisions of a report."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from common.domain.report import BrainReport

_OTHER_EACH_TIME = ("report_id", "revision", "analysed_at", "run_time_ms", "schema_version")
"""Fields that differ between any two revisions, and say nothing of the scan."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A field with another value: its path, such as ``findings.lesions.count``, and both values.
    None: it has no value there."""

    field: str
    before: Any
    after: Any


def changes(before: BrainReport, after: BrainReport) -> list[Changed]:
    """The fields that differ between two revisions, in the order of the schema. Lists are compared
    place by place: ``findings.lesions.largest.0.volume_ml`` is of the largest lesion. What one of
    them lacks as a whole is compared field by field, too, so values have no parts."""
    old, new = (report.model_dump(mode="json") for report in (before, after))
    for name in _OTHER_EACH_TIME:
        del old[name], new[name]
    return list(_changes("", old, new))


def _changes(path: str, old: object, new: object) -> Iterator[Changed]:
    parts, others = _parts(old), _parts(new)
    for name in dict.fromkeys([*parts, *others]):
        inner = f"{path}.{name}" if path else name
        yield from _changes(inner, parts.get(name), others.get(name))
    old, new = (None if isinstance(one, dict | list) else one for one in (old, new))
    if old != new:
        yield Changed(path, old, new)


def _parts(value: object) -> dict[str, object]:
    if isinstance(value, list):
        return {str(place): item for place, item in enumerate(value)}
    return value if isinstance(value, dict) else {}
