"""``BrainReport``: the one report of a scan."""

from datetime import datetime
from typing import Annotated, Self

from blake3 import blake3
from pydantic import Field, model_validator

from common.domain.findings import Findings
from common.domain.types import Frozen, Identifier, Instant, ScanType

REPORT_SCHEMA_VERSION = 2
"""Grows when a report's fields are other ones or change their meaning. Stored reports keep theirs:
``BrainReport`` reads all of them."""

PICTURE_BYTES_MAX = 300_000
"""A report with its lesions (about 300 bytes each) and its picture must fit the smallest frame."""

NOTICE = (
    "Research software; not a medical device; not for diagnosis; "
    "review by a qualified radiologist required."
)


class AnalyzerId(Frozen):
    """Which code made a report."""

    name: Annotated[str, Field(min_length=1, max_length=64, description="of the analyzer")]
    version: Annotated[
        str, Field(min_length=1, max_length=32, description="grows when results would differ")
    ]


class BrainReport(Frozen):
    """The one report of a scan; made again by a newer analyzer it is its next revision.

    Reports of schema version 1 have no revision (it is 1), subject, ``acquired_at`` or picture.
    """

    schema_version: int = Field(
        default=REPORT_SCHEMA_VERSION, ge=1, description="of this document; grows with its fields"
    )
    report_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] = Field(
        default="", description="of this revision: made of the scan's id and the revision"
    )
    revision: int = Field(
        default=1, ge=1, description="1, and one more each time that the scan is analysed again"
    )
    scan_id: Identifier = Field(description="the scan's id: each scan has one report")
    pacs: Identifier = Field(description="name of the Fr-PACS that it goes to")
    subject: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="pseudonym of the person scanned; never a name"
    )
    scan_type: ScanType = Field(description="what picked the analyzer: 'grid', 'volume', …")
    acquired_at: datetime | None = Field(default=None, description="when the scan was made, UTC")
    voxels_hash: str = Field(description="BLAKE3 of the voxels that were analysed")
    shape: tuple[int, ...] = Field(description="voxels along each axis")
    voxel_size_mm: tuple[float, float, float] | None = Field(description="edge lengths, mm")
    orientation: str | None = Field(description="where the voxel axes point, such as 'RAS'")
    analyzer: AnalyzerId = Field(description="the code that made the report")
    analysed_at: Instant = Field(description="UTC")
    run_time_ms: float = Field(ge=0, description="time in the analyzer, milliseconds")
    findings: Findings = Field(description="what the analyzer found")
    picture_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="BLAKE3 of the PNG that goes with the report; none: no picture"
    )
    notice: str = Field(default=NOTICE, description="what a report is not")

    @model_validator(mode="after")
    def _identify(self) -> Self:
        known = report_id_of(self.scan_id, self.revision)
        if not self.report_id:
            object.__setattr__(self, "report_id", known)  # frozen from here on
        elif self.report_id != known:
            raise ValueError("the report id is not that of this scan and revision")
        return self


def report_id_of(scan_id: str, revision: int) -> str:
    """The id of a scan's report: 32 hexadecimal digits, another one for each revision."""
    return blake3(f"{scan_id}/{revision}".encode()).hexdigest()[:32]
