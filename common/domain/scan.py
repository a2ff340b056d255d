"""``BrainScan``: the header of a scan, without its voxels.

The voxels accompany it as bytes in Fortran order (the first axis varies fastest, as in NIfTI),
little-endian. The voxels of a signal, such as an ECG, are its samples: (samples, leads), so each
lead is contiguous.
"""

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationInfo, field_validator, model_validator

from common.domain.header_terms import known_contrast, known_problems, known_role
from common.domain.scan_identity import rounded
from common.domain.scan_key import scan_key
from common.domain.types import (
    STORED,
    Affine,
    DigestPseudonym,
    Document,
    DType,
    Flag,
    Frozen,
    Identifier,
    Instant,
    Pseudonym,
    ScanType,
)
from common.errors import VoxelsDamaged

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

VOXELS_ALONG_MAX = 65535
"""The most voxels along an axis of an image."""

SAMPLES_MAX = 2**31 - 1
"""The most samples of a lead: 24 days at 1,000 Hz."""

AXIS_LABELS = (("L", "R"), ("P", "A"), ("I", "S"))


def check_affine(affine: npt.NDArray[Any]) -> None:
    """Check that an affine places voxels in space.

    Args:
        affine: the three rows of four.

    Raises:
        ValueError: it is singular, or out of all proportion.
    """
    # Limits of a kilometre and a nanometre: beyond them, volumes and positions over- or underflow.
    if np.abs(affine).max() > 1e6:
        raise ValueError("the affine has a value above 1,000,000 mm")
    edges = np.linalg.norm(affine[:, :3], axis=0)
    # Compare directions, not lengths: small voxels are not singular.
    if edges.min() < 1e-6 or abs(np.linalg.det(affine[:, :3] / edges)) < 1e-6:
        raise ValueError("the affine is singular: it places all voxels in one plane")


class Priority(StrEnum):
    """How urgent a scan is."""

    # Stored: never renamed.
    STAT = "stat"  # next, whatever else waits
    URGENT = "urgent"
    ROUTINE = "routine"
    BACKGROUND = "background"  # when nothing else waits, as reanalyses are


_Filter = Annotated[str, Field(pattern=r"^(highpass|lowpass|notch)(_[0-9e]{1,8}){1,4}_hz$")]
_Unit = Annotated[str, Field(pattern=r"^[A-Za-z0-9/^%]{1,16}$")]


class Signal(Frozen):
    """What the samples of a signal are, such as an electrocardiogram. The header's ``acquired_at``
    and ``acquired_zone`` say when it starts."""

    sampling_rate_hz: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        default=None, description="samples per second of each lead, Hz; null if not known"
    )
    leads: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9+-]{1,16}$")], ...],
        Field(min_length=1, max_length=1024),
    ] = Field(description="names of the leads, in the order of the signal's last axis")
    units: _Unit = Field(description="unit of the samples, such as 'mV'")
    lead_units: tuple[_Unit, ...] | None = Field(
        default=None, description="unit of each lead's samples; null if all are in 'units'"
    )
    gains: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        default=None,
        description="digital steps per unit of each lead, as recorded; null if not known",
    )
    filters: Annotated[tuple[_Filter, ...], Field(max_length=16)] = Field(
        default=(),
        description="filters that the recorder applied, such as 'highpass_0_05_hz'; empty if not "
        "known",
    )

    @model_validator(mode="after")
    def _of_each_lead(self) -> Self:
        for name in ("lead_units", "gains"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.leads):
                raise ValueError(f"{name} has {len(values)} values for {len(self.leads)} leads")
        return self

    @property
    def content(self) -> tuple[object, ...]:
        """What the samples mean; the rest are attributes of the recording."""
        return self.sampling_rate_hz, self.leads, self.units, self.lead_units

    def duration_s(self, samples: int) -> float | None:
        """How long so many samples of a lead last, s, to the millisecond; None if the sampling rate
        is not known."""
        return None if self.sampling_rate_hz is None else round(samples / self.sampling_rate_hz, 3)


_KNOWN_TERMS: Mapping[str, Callable[[Any], Any]] = {
    "contrast": known_contrast,
    "role": known_role,
    "problems": known_problems,
}


class BrainScan(Frozen):
    """The header of a scan, as sent and as stored.

    Identifiers of the person, the study and the series are pseudonyms. They are attributes: two
    headers that differ only in attributes are of the same scan (``same_content``). Terms that this
    release does not know are left out or replaced (``common.domain.header_terms``).
    """

    scan_id: Identifier = Field(description="id chosen by the sender, unique among its scans")
    pacs: Identifier = Field(
        description="name of the Fr-PACS that sent the scan and receives the report"
    )
    subject: Pseudonym | None = Field(
        default=None, description="pseudonym of the person scanned; never a name, never logged"
    )
    study: DigestPseudonym | None = Field(
        default=None, description="pseudonym of the study (DICOM), a hash"
    )
    series: DigestPseudonym | None = Field(
        default=None, description="pseudonym of the series (DICOM), a hash"
    )
    session: Pseudonym | None = Field(
        default=None, description="label of the session (BIDS), such as 'ses-01'"
    )
    scan_type: ScanType = Field(
        description="selects the analyzer: 'grid', 'volume', 'ecg', or another analyzer's type"
    )
    modality: Annotated[str, Field(pattern=r"^[A-Z]{1,16}$")] | None = Field(
        default=None, description="DICOM's term of the modality, such as 'MR'"
    )
    contrast: Flag | None = Field(
        default=None, description="contrast of the image, such as 't1' or 'flair', if it is known"
    )
    body_part: Annotated[str, Field(pattern=r"^[A-Z]{1,16}$")] | None = Field(
        default=None, description="DICOM's term of the body part, such as 'HEAD'"
    )
    role: Annotated[str, Field(pattern=r"^[a-z][a-z0-9 _.,-]{0,63}$")] | None = Field(
        default=None, description="what the image is in its series, such as 'anatomical'"
    )
    acquired_at: Instant | None = Field(
        default=None, description="time of the acquisition; null if the file does not say"
    )
    acquired_zone: Literal["utc", "unknown"] = Field(
        default="utc",
        description="'utc', or 'unknown' if acquired_at is local time whose zone is unknown",
    )
    problems: Annotated[tuple[Flag, ...], Field(max_length=32)] = Field(
        default=(),
        description="what was wrong with the input (codes of common.domain.input_problems)",
    )
    signal: Signal | None = Field(default=None, description="null if the scan is not a signal")
    shape: Annotated[
        tuple[Annotated[int, Field(ge=1, le=SAMPLES_MAX)], ...], Field(min_length=2, max_length=3)
    ] = Field(description="voxels along each of the two or three axes; of a signal: samples, leads")
    dtype: DType = Field(description="data type of a voxel, little-endian")
    voxels_bytes: Annotated[int, Field(ge=1)] = Field(description="size of all voxels, bytes")
    voxels_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="BLAKE3 of the voxel bytes, hexadecimal"
    )
    affine: Affine | None = Field(
        default=None,
        description="three rows of the matrix that maps voxel indices (i, j, k, 1) to mm in RAS+ "
        "(x right, y anterior, z superior), as in NIfTI; null if the position is unknown",
    )

    priority: Priority = Field(
        default=Priority.ROUTINE,
        description="how urgent the scan is: 'stat', 'urgent', 'routine' or 'background'; not part "
        "of its content, so the same scan may be sent again with another one",
    )

    @field_validator("contrast", "role", "problems")
    @classmethod
    def _terms(cls, value: Any, info: ValidationInfo) -> Any:
        if not value or info.context == STORED:
            return value
        return _KNOWN_TERMS[str(info.field_name)](value)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        expected = math.prod(self.shape) * _ITEM_BYTES[self.dtype]
        if expected != self.voxels_bytes:
            raise ValueError(
                f"shape {'x'.join(map(str, self.shape))} of {self.dtype} takes {expected} bytes, "
                f"the header declares {self.voxels_bytes}"
            )
        if self.affine is not None:
            check_affine(np.array(self.affine))
        self._check_axes()
        return self

    def _check_axes(self) -> None:
        signal = self.signal
        if signal is not None and len(self.shape) == 2 and self.shape[1] == len(signal.leads):
            return
        if signal is not None:
            raise ValueError(
                f"a signal of {len(signal.leads)} leads has the shape (samples, leads), not "
                f"{'x'.join(map(str, self.shape))}"
            )
        if max(self.shape) > VOXELS_ALONG_MAX:
            raise ValueError(f"an axis has {max(self.shape)} voxels, more than {VOXELS_ALONG_MAX}")

    @classmethod
    def stored(cls, document: Any) -> Self:
        """The header in a stored document, which an earlier release may have accepted by other
        rules for ``subject``.

        Raises:
            ValidationError: it is damaged, or by a newer release.
        """
        return cls.model_validate(document, context=STORED)

    @property
    def key(self) -> str:
        """The scan's key in the store: its id and its Fr-PACS."""
        return scan_key(self.scan_id, self.pacs)

    def document(self) -> Document:
        """The header as it is sent and stored: without fields that only have their default, except
        the priority, by which the store orders scans."""
        known = self.model_dump(exclude_none=True)
        for name in [name for name, default in _OMITTED if known.get(name) == default]:
            del known[name]
        return known

    def same_content(self, other: Self) -> bool:
        """Whether both are headers of the same scan: what its id is made of is equal."""
        return (
            rounded(self.affine) == rounded(other.affine)
            and _content(self.signal) == _content(other.signal)
            and all(getattr(self, name) == getattr(other, name) for name in CONTENT)
        )

    @property
    def kind(self) -> Literal["image", "signal"]:
        """What the voxels are: those of an image, or the samples of a signal."""
        return "image" if self.signal is None else "signal"

    @property
    def declared_contrast(self) -> str | None:
        """The contrast as its sender knows it; of scans of earlier releases, whose type it was."""
        was = self.scan_type if self.scan_type in ("t1", "flair") else None
        return was if self.contrast is None else self.contrast

    @property
    def voxel_size_mm(self) -> tuple[float, float, float] | None:
        """Voxel size along each axis, mm; None without an affine."""
        if self.affine is None:
            return None
        i, j, k = (math.hypot(*(row[axis] for row in self.affine)) for axis in range(3))
        return i, j, k

    @property
    def voxel_ml(self) -> float | None:
        """Volume of a voxel, ml; None without an affine."""
        if self.affine is None:
            return None
        return abs(float(np.linalg.det(np.array(self.affine)[:, :3]))) / 1000

    @property
    def voxel_bytes(self) -> int:
        """Size of one voxel, bytes."""
        return _ITEM_BYTES[self.dtype]

    @property
    def orientation(self) -> str | None:
        """The direction of each voxel axis, such as ``'RAS'`` or ``'LPS'``; None without an affine.

        Each axis gets the anatomical direction closest to it; the axis with the largest direction
        cosine chooses first.
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
            VoxelsDamaged: the number of bytes is not the declared one.
        """
        if len(voxels) != self.voxels_bytes:
            raise VoxelsDamaged(f"{len(voxels)} bytes of voxels, {self.voxels_bytes} declared")
        flat = np.frombuffer(voxels, dtype=np.dtype(self.dtype).newbyteorder("<"))
        array = flat.reshape(self.shape, order="F")
        array.flags.writeable = False
        return array


def _content(signal: Signal | None) -> tuple[object, ...] | None:
    return None if signal is None else signal.content


CONTENT = ("scan_id", "pacs", "shape", "dtype", "voxels_bytes", "voxels_hash")
"""The fields that make a scan what it is. All others are attributes; ``same_content`` also compares
the affine and what a signal's samples mean."""

_OMITTED: tuple[tuple[str, object], ...] = (("acquired_zone", "utc"), ("problems", ()))


class Packing(Frozen):
    """How voxels are compressed, on the wire and in the store. It is not part of the scan's header,
    as compression does not change the scan."""

    codec: Literal["blosc"] = Field(description="the codec: see common.domain.voxel_compression")
    bytes: Annotated[int, Field(ge=1, le=2**40)] = Field(description="size of the payload, bytes")
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="BLAKE3 of the payload, hexadecimal"
    )
