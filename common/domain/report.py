"""``BrainReport``: the report of a scan."""

from datetime import datetime
from typing import Annotated, Literal, Self

from blake3 import blake3
from pydantic import Field, field_serializer, model_validator

from common.domain.finding_kinds import AnyFindings
from common.domain.rounding import EdgeMm
from common.domain.scan import BrainScan, Signal
from common.domain.scan_key import scan_key
from common.domain.types import Frozen, Identifier, Instant, ScanType, utc_now

REPORT_SCHEMA_VERSION = 6
"""Grows when a report's fields or their meaning change. Stored reports keep their version;
``BrainReport`` reads all versions."""

REVISION_MAX = 1_000_000
"""More than anybody analyses a scan again. A Fr-PACS keeps the highest revision that it got for
good, so one that is out of all reason must not pass."""

PICTURE_BYTES_MAX = 300_000
"""Limit of a picture, so that a report with its lesions (about 300 bytes each) and the picture fits
the smallest frame."""

REPORT_BYTES_MAX = 512 * 1024 - PICTURE_BYTES_MAX - 8192
"""Limit of a report as BSON: the smallest frame limit (512 KiB), less a picture and the rest of the
message. A larger report could not be delivered to everyone, so it is not written."""

Label = Annotated[str, Field(max_length=64)]

NOTICE = (
    "Research software; not a medical device; not for diagnosis; "
    "review by a qualified radiologist required."
)


class AnalyzerId(Frozen):
    """The analyzer that made a report."""

    name: Annotated[str, Field(min_length=1, max_length=64, description="name of the analyzer")]
    version: Annotated[
        str,
        Field(
            min_length=1,
            max_length=32,
            description="version of the analyzer; changes whenever results may differ",
        ),
    ]


class BrainReport(Frozen):
    """The report of a scan. If a scan is analysed again, the new report is its next revision.

    Reports of schema version 1 have no revision (it is 1), subject, ``acquired_at`` or picture;
    those of version 2 have none of the fields from ``study`` to ``acquired_zone`` but these. Those
    before version 4 have no ``signal``, and their findings no ``kind``: it is ``'brain'``. Findings
    before version 5 have no ``follow_up``, those before version 6 no ``with_t1``.
    """

    schema_version: int = Field(
        default=REPORT_SCHEMA_VERSION, ge=1, description="version of this schema"
    )
    report_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] = Field(
        default="", description="id of this revision, derived from the scan's id and the revision"
    )
    revision: int = Field(
        default=1,
        ge=1,
        le=REVISION_MAX,
        description="1, and one more each time the scan is analysed again",
    )
    scan_id: Identifier = Field(description="id of the scan; each scan has one report")
    pacs: Identifier = Field(description="name of the Fr-PACS that receives the report")
    subject: Label | None = Field(
        default=None, description="pseudonym of the person scanned; never a name"
    )
    study: Label | None = Field(default=None, description="pseudonym of the study (DICOM)")
    series: Label | None = Field(default=None, description="pseudonym of the series (DICOM)")
    session: Label | None = Field(default=None, description="label of the session (BIDS)")
    scan_type: ScanType = Field(
        description="type of the scan, which selects the analyzer: 'grid', 'volume', 'ecg', …"
    )
    modality: Label | None = Field(default=None, description="DICOM's term of the modality")
    contrast: Label | None = Field(
        default=None, description="contrast of the image as its sender knows it, such as 't1'"
    )
    body_part: Label | None = Field(default=None, description="DICOM's term of the body part")
    role: Label | None = Field(
        default=None, description="what the image is in its series, such as 'anatomical'"
    )
    acquired_at: datetime | None = Field(
        default=None,
        description="time of the acquisition; without a zone if acquired_zone is 'unknown'; null "
        "if the time is unknown",
    )
    acquired_zone: Literal["utc", "unknown"] = Field(
        default="utc",
        description="'utc', or 'unknown' if acquired_at is local time whose zone is unknown",
    )
    voxels_hash: str = Field(description="BLAKE3 of the voxels that were analysed")
    signal: Signal | None = Field(
        default=None, description="of a signal, such as an ECG; null if the scan is an image"
    )
    shape: tuple[int, ...] = Field(
        description="voxels along each axis; of a signal: samples, leads"
    )
    voxel_size_mm: tuple[EdgeMm, EdgeMm, EdgeMm] | None = Field(
        description="voxel size along each axis, mm; null if the image has no affine"
    )
    orientation: str | None = Field(
        description="directions of the voxel axes, such as 'RAS'; null if the image has no affine"
    )
    analyzer: AnalyzerId = Field(description="the analyzer that made the report")
    analysed_at: Instant = Field(description="time of the analysis, UTC")
    run_time_ms: float = Field(ge=0, description="run time of the analyzer, ms")
    findings: AnyFindings = Field(description="what the analyzer found")
    picture_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="BLAKE3 of the PNG sent with the report; null: no picture"
    )
    notice: str = Field(default=NOTICE, description="limits of use")

    @classmethod
    def of(
        cls,
        scan: BrainScan,
        findings: AnyFindings,
        analyzer: AnalyzerId,
        *,
        run_time_ms: float,
        revision: int = 1,
        voxels_hash: str | None = None,
    ) -> Self:
        """The report of a scan, made now.

        Args:
            scan: the header, which the report repeats in part.
            findings: what the analyzer returned.
            analyzer: the code that made them.
            run_time_ms: its run time, milliseconds.
            revision: 1, or one more than the report that it replaces.
            voxels_hash: BLAKE3 of the voxels that were analysed; None: what the header declares.
        """
        return cls(
            scan_id=scan.scan_id,
            revision=revision,
            pacs=scan.pacs,
            subject=scan.subject,
            study=scan.study,
            series=scan.series,
            session=scan.session,
            scan_type=scan.scan_type,
            modality=scan.modality,
            contrast=scan.contrast,
            body_part=scan.body_part,
            role=scan.role,
            acquired_at=scan.acquired_at,
            acquired_zone=scan.acquired_zone,
            voxels_hash=scan.voxels_hash if voxels_hash is None else voxels_hash,
            signal=scan.signal,
            shape=scan.shape,
            voxel_size_mm=scan.voxel_size_mm,
            orientation=scan.orientation,
            analyzer=analyzer,
            analysed_at=utc_now(),
            run_time_ms=round(run_time_ms, 3),
            findings=findings,
        )

    @property
    def key(self) -> str:
        """The key of the scan and of its report in the store: the scan's id and its Fr-PACS."""
        return scan_key(self.scan_id, self.pacs)

    @field_serializer("acquired_at", when_used="json-unless-none")
    def _without_unknown_zone(self, at: datetime) -> datetime:
        return at.replace(tzinfo=None) if self.acquired_zone == "unknown" else at

    @model_validator(mode="after")
    def _identify(self) -> Self:
        known = report_id_of(self.scan_id, self.revision)
        if not self.report_id:
            object.__setattr__(self, "report_id", known)  # frozen from here on
        elif self.report_id != known:
            raise ValueError("the report id does not match the scan and revision")
        return self


def report_id_of(scan_id: str, revision: int) -> str:
    """The id of a revision of a scan's report: 32 hexadecimal digits."""
    return blake3(f"{scan_id}/{revision}".encode()).hexdigest()[:32]
