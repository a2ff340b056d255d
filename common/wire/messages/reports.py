"""From Fr-HUB to Fr-PACS: reports, and scans that failed for good."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from common.domain.report import PICTURE_BYTES_MAX, BrainReport
from common.domain.types import hash_voxels
from common.domain.validation_errors import explain
from common.errors import Refusal
from common.wire.messages.fields import TEXT_MAX, read_document, read_text, scan_id_in
from common.wire.messages.invalid import InvalidMessageError


@dataclass(frozen=True, slots=True)
class Report:
    """A report for the Fr-PACS that its scan came from."""

    t: ClassVar[str] = "report"
    report: BrainReport
    picture: bytes | None = None
    """PNG whose hash is the report's ``picture_hash``."""

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"report": self.report.model_dump()}
        if self.picture is not None:
            body["picture"] = self.picture
        return body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        content = read_document(body, "report")
        try:
            report = BrainReport.model_validate(content)
        except ValidationError as error:
            raise InvalidMessageError(Refusal.HEADER, explain(error), scan_id_in(content)) from None
        picture = body.get("picture")
        if picture is None:
            return cls(report)
        if not isinstance(picture, bytes) or len(picture) > PICTURE_BYTES_MAX:
            reason = f"the field 'picture' must be binary, of at most {PICTURE_BYTES_MAX} bytes"
            raise InvalidMessageError(Refusal.MALFORMED, reason, report.scan_id)
        if hash_voxels(picture) != report.picture_hash:
            reason = "the picture does not have the hash that its report declares (picture_hash)"
            raise InvalidMessageError(Refusal.HASH, reason, report.scan_id)
        return cls(report, picture)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A stored report, sent unchanged; the receiver gets a ``Report`` and checks it."""

    t: ClassVar[str] = Report.t
    content: Mapping[str, Any]
    picture: bytes | None = None

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"report": self.content}
        return body if self.picture is None else {**body, "picture": self.picture}


@dataclass(frozen=True, slots=True)
class Failed:
    """A scan of this Fr-PACS failed for good, and why. It is acknowledged by the scan's id, as a
    report is. If somebody requeues the scan, a report may still follow."""

    t: ClassVar[str] = "failed"
    scan_id: str
    cause: str

    def body(self) -> dict[str, Any]:
        return {"scan_id": self.scan_id, "cause": self.cause[:TEXT_MAX]}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        return cls(read_text(body, "scan_id"), read_text(body, "cause"))
