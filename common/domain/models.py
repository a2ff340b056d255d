"""``BrainScan`` and ``BrainReport`` with their parts: frozen, validated, units in every field.

A scan's voxels travel beside its ``BrainScan``, as bytes in Fortran order (the first axis varies
fastest, as in NIfTI), little-endian.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from blake3 import blake3
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from common.domain.states import LESIONS_LISTED_MAX, REPORT_SCHEMA_VERSION
from common.errors import VoxelsDamaged

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Letters, digits, dot, underscore, hyphen; 1 to 64. Safe as a file name."""

ScanType = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
"""Of a parameter or a threshold."""

Flag = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]

Value = bool | int | float | str | tuple[float, ...]
"""Of a parameter."""

DType = Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]

_ITEM_BYTES: dict[str, int] = {
    "uint8": 1,
    "int8": 1,
    "uint16": 2,
    "int16": 2,
    "uint32": 4,
    "int32": 4,
    "float32": 4,
    "float64": 8,
}

AffineRow = tuple[float, float, float, float]
Affine = tuple[AffineRow, AffineRow, AffineRow]

NOTICE = (
    "Research software; not a medical device; not for diagnosis; "
    "review by a qualified radiologist required."
)

AXIS_LABELS = (("L", "R"), ("P", "A"), ("I", "S"))


def hash_voxels(voxels: bytes | bytearray | memoryview) -> str:
    """BLAKE3 of the voxel bytes, 64 hexadecimal digits."""
    return blake3(voxels).hexdigest()


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a time without its zone: give it in UTC")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        # BSON could not store it: one such scan would fail the whole batch that it is in.
        raise ValueError("a time outside of the years 1 to 9999 in UTC") from None


Instant = Annotated[datetime, AfterValidator(_in_utc)]
"""A moment, in UTC."""


class Frozen(BaseModel):
    """Base of the models: immutable, unknown fields refused, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _check_affine(affine: npt.NDArray[Any]) -> None:
    # A kilometre and a nanometre: beyond them, volumes and positions overflow or vanish.
    if np.abs(affine).max() > 1e6:
        raise ValueError("the affine reaches further than a kilometre")
    edges = np.linalg.norm(affine[:, :3], axis=0)
    # Directions, not lengths: small voxels are not singular.
    if edges.min() < 1e-6 or abs(np.linalg.det(affine[:, :3] / edges)) < 1e-6:
        raise ValueError("the affine is singular: it places all voxels in one plane")


class BrainScan(Frozen):
    """What is known of a scan beside its voxels. It is what travels and what is stored."""

    scan_id: Identifier = Field(description="chosen by the sender, unique in the store")
    pacs: Identifier = Field(description="name of the Fr-PACS that sent it and gets the report")
    subject: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="pseudonym of the person scanned; never a name, never logged"
    )
    scan_type: ScanType = Field(description="picks the analyzer: 'grid', 'volume', or another's")
    acquired_at: Instant = Field(description="when the scan was made, UTC")
    shape: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65535)], ...], Field(min_length=2, max_length=3)
    ] = Field(description="voxels along each axis, two or three axes")
    dtype: DType = Field(description="type of a voxel, little-endian")
    voxels_bytes: Annotated[int, Field(ge=1)] = Field(description="bytes of all voxels")
    voxels_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="BLAKE3 of the voxel bytes, hexadecimal"
    )
    affine: Affine | None = Field(
        default=None,
        description="three rows of the matrix that takes voxel indices (i, j, k, 1) to mm in RAS+ "
        "(x to the right, y to the front, z upwards), as in NIfTI; none for an image not in space",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        expected = math.prod(self.shape) * _ITEM_BYTES[self.dtype]
        if expected != self.voxels_bytes:
            raise ValueError(
                f"shape {'x'.join(map(str, self.shape))} of {self.dtype} takes {expected} bytes, "
                f"the header declares {self.voxels_bytes}"
            )
        if self.affine is not None:
            _check_affine(np.array(self.affine))
        return self

    @property
    def voxel_size_mm(self) -> tuple[float, float, float] | None:
        """Edge lengths of a voxel in mm along its three axes; none where not placed in space."""
        if self.affine is None:
            return None
        i, j, k = (math.hypot(*(row[axis] for row in self.affine)) for axis in range(3))
        return i, j, k

    @property
    def voxel_bytes(self) -> int:
        """Bytes of one voxel."""
        return _ITEM_BYTES[self.dtype]

    @property
    def orientation(self) -> str | None:
        """Where each voxel axis points, such as ``'RAS'`` or ``'LPS'``; none if not in space.

        Each axis, most decided first, takes the direction in space closest to it.
        """
        if self.affine is None:
            return None
        cosines = np.array(self.affine)[:, :3]
        cosines = cosines / np.linalg.norm(cosines, axis=0)
        labels = ["", "", ""]
        strengths = np.abs(cosines)
        for _ in range(3):
            world, axis = divmod(int(np.argmax(strengths)), 3)
            labels[axis] = AXIS_LABELS[world][int(cosines[world, axis] > 0)]
            strengths[world, :] = -1
            strengths[:, axis] = -1
        return "".join(labels)

    def array(self, voxels: bytes | bytearray | memoryview) -> npt.NDArray[Any]:
        """The voxels as a read-only array of ``shape`` in Fortran order, without a copy.

        Raises:
            VoxelsDamaged: the byte count is not the declared one.
        """
        if len(voxels) != self.voxels_bytes:
            raise VoxelsDamaged(f"{len(voxels)} bytes of voxels, {self.voxels_bytes} declared")
        flat = np.frombuffer(voxels, dtype=np.dtype(self.dtype).newbyteorder("<"))
        array = flat.reshape(self.shape, order="F")
        array.flags.writeable = False
        return array


class Packing(Frozen):
    """How voxels are compressed, on the wire and in the store; the scan's header knows nothing of
    it, as the scan is the same however it travels."""

    codec: Literal["blosc"] = Field(
        description="how to undo it: see common.domain.voxel_compression"
    )
    bytes: Annotated[int, Field(ge=1, le=2**40)] = Field(description="bytes of the payload")
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="BLAKE3 of the payload, hexadecimal"
    )


class Verdict(StrEnum):
    """What a report says of its image's fitness for the analysis."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"  # results are given; ``reasons`` says what to doubt
    FAIL = "fail"  # the image cannot be judged; measures are withheld


class Quality(Frozen):
    """Whether the image could be judged."""

    verdict: Verdict = Field(description="pass, warn (see the reasons) or fail (no measures given)")
    reasons: tuple[str, ...] = Field(default=(), description="why not 'pass', a sentence each")
    flags: tuple[Flag, ...] = Field(
        default=(), description="the reasons for machines, such as 'noisy'; the analyzer's words"
    )
    noise_percent: float | None = Field(
        default=None, ge=0, description="standard deviation of noise, % of white matter"
    )
    inu_percent: float | None = Field(
        default=None, ge=0, description="intensity non-uniformity: range of the bias field, %"
    )
    intracranial_plausible: bool | None = Field(
        default=None, description="whether the intracranial volume is one that heads have"
    )


class Lesion(Frozen):
    """One connected lesion."""

    id: int | None = Field(
        default=None, ge=1, description="place in the list, from 1, the largest first"
    )
    voxels: int = Field(ge=1, description="voxels (grid: cells) in it")
    volume_ml: float | None = Field(description="millilitres; none where not placed in space")
    centroid_voxel: tuple[float, ...] = Field(description="mean voxel index along each axis")
    centroid_mm: tuple[float, float, float] | None = Field(
        description="the centroid in mm, RAS+; none where not placed in space"
    )
    extent_mm: tuple[float, float, float] | None = Field(
        default=None,
        description="edges of its bounding box in mm: left-right, back-front, down-up",
    )
    intensity_ratio: float | None = Field(
        default=None, ge=0, description="its mean intensity over that of white matter"
    )
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="0 to 1: how sure the analyzer is of it"
    )


class SizeCounts(Frozen):
    """Lesions by size; a lesion on a bound counts to the larger ones."""

    below_0_03_ml: int = Field(ge=0, description="lesions of less than 0.03 ml")
    from_0_03_to_0_1_ml: int = Field(ge=0, description="lesions of 0.03 to 0.1 ml")
    from_0_1_to_1_ml: int = Field(ge=0, description="lesions of 0.1 to 1 ml")
    above_1_ml: int = Field(ge=0, description="lesions of 1 ml and more")

    @classmethod
    def of(cls, volumes_ml: Iterable[float]) -> Self:
        """Count lesions of these volumes."""
        counts = [0, 0, 0, 0]
        for ml in volumes_ml:
            counts[sum(ml >= bound for bound in (0.03, 0.1, 1.0))] += 1
        return cls(
            below_0_03_ml=counts[0],
            from_0_03_to_0_1_ml=counts[1],
            from_0_1_to_1_ml=counts[2],
            above_1_ml=counts[3],
        )


class Lesions(Frozen):
    """All lesions found, and the largest of them one by one."""

    count: int = Field(ge=0, description="lesions found")
    voxels: int = Field(ge=0, description="voxels (grid: cells) in all of them")
    volume_ml: float | None = Field(description="millilitres in all; none if not placed in space")
    by_size: SizeCounts | None = Field(
        default=None,
        description="counts by size; counted here where an analyzer lists all its lesions",
    )
    largest: tuple[Lesion, ...] = Field(
        default=(),
        max_length=LESIONS_LISTED_MAX,
        description="the largest, in falling order of size; an analyzer may list none",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if any(lesion.id is None for lesion in self.largest):
            numbered = tuple(
                lesion if lesion.id else lesion.model_copy(update={"id": place})
                for place, lesion in enumerate(self.largest, 1)
            )
            object.__setattr__(self, "largest", numbered)  # frozen from here on
        if self.by_size is None and self.count == len(self.largest):
            volumes = [lesion.volume_ml for lesion in self.largest]
            if self.volume_ml is not None and None not in volumes:
                counts = SizeCounts.of(ml for ml in volumes if ml is not None)
                object.__setattr__(self, "by_size", counts)
        return self


class Volumes(Frozen):
    """Volumes in millilitres, and in % of the intracranial volume where that is known."""

    head_ml: float = Field(ge=0, description="all that is not air, ml")
    brain_ml: float = Field(ge=0, description="parenchyma: grey and white matter, lesions; ml")
    intracranial_ml: float | None = Field(
        default=None, ge=0, description="all inside of the skull, ml"
    )
    grey_matter_ml: float | None = Field(default=None, ge=0, description="grey matter, ml")
    white_matter_ml: float | None = Field(default=None, ge=0, description="white matter, ml")
    csf_ml: float | None = Field(default=None, ge=0, description="cerebrospinal fluid, ml")
    brain_percent: float | None = Field(
        default=None, ge=0, description="parenchyma, % of intracranial"
    )
    grey_matter_percent: float | None = Field(
        default=None, ge=0, description="grey matter, % of intracranial"
    )
    white_matter_percent: float | None = Field(
        default=None, ge=0, description="white matter, % of intracranial"
    )
    csf_percent: float | None = Field(
        default=None, ge=0, description="cerebrospinal fluid, % of intracranial"
    )

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.intracranial_ml:
            for part in ("brain", "grey_matter", "white_matter", "csf"):
                ml = getattr(self, f"{part}_ml")
                if ml is not None and getattr(self, f"{part}_percent") is None:
                    percent = round(100 * ml / self.intracranial_ml, 2)
                    object.__setattr__(self, f"{part}_percent", percent)
        return self


class Findings(Frozen):
    """What an analyzer returns: array and header in, this out."""

    quality: Quality = Field(description="whether the image could be judged")
    lesions: Lesions | None = Field(description="none where quality is 'fail'")
    volumes: Volumes | None = Field(
        default=None, description="none where quality is 'fail' or the image is not in space"
    )
    parameters: dict[Name, Value] = Field(
        default={},
        description="what the analyzer was set to, by name; a unit ends the name, as in 'shell_mm'",
    )
    thresholds: dict[Name, float] = Field(
        default={}, description="intensities and limits that it took from this image, by name"
    )
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = Field(
        default=None, description="of its random numbers; none: it draws no random numbers"
    )
    limitations: tuple[str, ...] = Field(
        default=(), description="what this analyzer was checked on and cannot do"
    )

    @model_validator(mode="after")
    def _withhold(self) -> Self:
        if self.quality.verdict is Verdict.FAIL and (self.lesions or self.volumes):
            raise ValueError("an image that cannot be judged gets no measures")
        if self.quality.verdict is not Verdict.FAIL and self.lesions is None:
            raise ValueError("a judged image must say its lesions, if only that there are none")
        return self


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


def utc_now() -> datetime:
    """Now, in UTC, to the millisecond: what BSON keeps, so that a round trip changes nothing."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
