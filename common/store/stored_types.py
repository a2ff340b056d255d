"""What a stored scan or report must have for the units to work with it: ``fr verify`` names those
that do not."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from bson.codec_options import CodecOptions
from pydantic import ValidationError

from common.domain.scan import BrainScan
from common.domain.states import ERASED, PURGED, ReportGenerated
from common.domain.types import Document
from common.store.damage import UNDECODABLE
from common.store.schema import SCHEMA_VERSION

OnDamage = Callable[[str, str], object]
"""Called with the name of a damaged document, and what is wrong with it."""

NAIVE: CodecOptions[Document] = CodecOptions(tz_aware=False)
"""How to read these documents: times without their zone, which is UTC, take half as long to
decode."""

FOREIGN = "its id has the wrong type, so no unit ever reads it"
UNREADABLE_ID = "its id cannot be decoded, so no unit ever reads it"

_WAITING: Mapping[str, type] = {
    "reanalysis": bool,
    "received_at": datetime,
    "turn_at": datetime,
    "not_before": datetime,
    "fence": int,
    "attempts": int,
}
_HELD: Mapping[str, type] = {"fence": int, "attempts": int, "owner": str, "lease_until": datetime}
_TYPES: Mapping[str, Mapping[str, type]] = {
    ReportGenerated.TO_DO: _WAITING,
    ReportGenerated.IN_PROGRESS: _HELD,
    ReportGenerated.DONE: {"fence": int},
}
_OPTIONAL: Mapping[str, type] = {"revision": int, "blob": ObjectId, "packing": dict}
_REPORT: Mapping[str, type] = {
    "status": bool,
    "pacs": str,
    "created_at": datetime,
    "next_try_at": datetime,
    "tries": int,
}

SCAN_FIELDS = ("report_generated", "schema", "scan", *{**_WAITING, **_HELD, **_OPTIONAL})
REPORT_FIELDS = ("schema", "revision", "labels", "report.scan_id", "report.pacs", *_REPORT)

STATES = frozenset({*ReportGenerated, PURGED, ERASED})


def is_readable(key: str) -> bool:
    """Whether an id was decoded as it is stored: no id has the character that replaces others."""
    return "\ufffd" not in key


def problems_of_scan(document: Document) -> Iterator[str]:
    """What is wrong with a stored scan. One in ``'Error'`` failed already, with a cause, and a
    tombstone is nothing to work with."""
    if not is_readable(document["_id"]):
        yield UNREADABLE_ID
        return
    state = document.get("report_generated")
    if not isinstance(state, str) or state not in STATES:
        return  # named by its state
    if state not in _TYPES:
        return
    yield from _problems(document, _TYPES[state])
    try:
        header = BrainScan.stored(_in_utc(document.get("scan")))
    except ValidationError:
        yield "its header is damaged, or of a newer release"
    else:
        if header.key != document["_id"]:
            yield "its header is that of another scan"


def _in_utc(header: object) -> object:
    """The header with its time in UTC."""
    if isinstance(header, dict) and isinstance(at := header.get("acquired_at"), datetime):
        return {**header, "acquired_at": at.replace(tzinfo=UTC)}
    return header


def problems_of_report(document: Document) -> Iterator[str]:
    """What is wrong with a stored report, of what the units need to send it."""
    if not is_readable(document["_id"]):
        yield UNREADABLE_ID
        return
    yield from _problems(document, _REPORT)
    if not isinstance(document.get("report"), dict):
        yield "it has no content"


def _problems(document: Document, types: Mapping[str, type]) -> Iterator[str]:
    if UNDECODABLE in document:
        yield "it has bytes that cannot be decoded"
    version: Any = document.get("schema")
    if not _is(version, int):
        yield "'schema' is missing or has the wrong type, so no unit takes it"
    elif version > SCHEMA_VERSION:
        yield f"'schema' is {version}, so only a newer release takes it"
    for name, kind in {**types, **_OPTIONAL}.items():
        if name not in document:
            if name in types:
                yield f"{name!r} is missing"
        elif not _is(document[name], kind):
            yield f"{name!r} has the wrong type"


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
