"""The settings of Fr-PACS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    NoDecode,
)

from common.domain.types import Identifier
from common.settings.base import Port, Shape, WireSettings

ENDLESS_RATE = 2.0


class PacsSettings(WireSettings):
    """Fr-PACS: streams scans to Fr-HUB, receives their reports."""

    pacs_name: Identifier = Field(
        default="pacs-1", description="this unit's name, known to Fr-HUB's HUB_PACS"
    )
    pacs_host: str = Field(default="127.0.0.1", description="address on which reports are received")
    pacs_port: Port = Field(default=7302, description="port on which reports are received")
    hub_host: str = Field(default="127.0.0.1", description="where Fr-HUB is")
    hub_port: Port = Field(default=7301, description="where Fr-HUB is")
    source: Path | None = Field(
        default=None, description="file or folder of NIfTI or DICOM; none: synthetic scans"
    )
    kind: Literal["phantom", "grid"] = Field(
        default="phantom", description="synthetic scans: 3-D heads, or 10x10 grids"
    )
    shape: Annotated[Shape | None, NoDecode] = Field(
        default=None, description="of a synthetic scan, such as 128 or 181x217x181; none: 96 or 10"
    )
    contrast: Literal["flair", "t1"] = Field(
        default="flair", description="of synthetic heads; their lesions are bright on flair"
    )
    background: Literal["noise", "empty"] = Field(
        default="noise",
        description="of synthetic heads: noise everywhere, or zeros outside of the head",
    )
    scans: int | None = Field(
        default=None, ge=1, description="how many to send; none: all of SOURCE, else endless"
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        description="scans a second; none: as fast as Fr-HUB takes them, "
        "or 2 in an endless stream, which would fill the disk",
    )
    threads: int = Field(default=2, ge=1, le=256, description="connections to Fr-HUB")
    compression: bool = Field(
        default=True, description="compress large scans (Blosc, LZ4) where that makes them smaller"
    )
    seed: int = Field(default=1, ge=0, description="of synthetic scans: same seed, same voxels")
    buffer_mib: int = Field(
        default=256, ge=1, description="voxels held until they are acknowledged, MiB"
    )
    patience_s: float = Field(
        default=5.0,
        ge=0,
        description="how long a synthetic scan waits for room before it counts as failed, s",
    )
    report_patience_s: float = Field(
        default=120.0,
        gt=0,
        description="with SCANS or SOURCE: how long to wait for the next report of the rest, s",
    )
    pacs_drain_s: float = Field(
        default=5.0, ge=0, description="how long to wait for acknowledgements when stopped, seconds"
    )
    reports: Path | None = Field(
        default=None, description="folder that gets each report as JSON and text, and its picture"
    )
    ledger: Path | None = Field(default=None, description="file that gets each event as JSON line")
    summary: Path | None = Field(default=None, description="file that gets the totals as JSON")
    progress_fd: int | None = Field(
        default=None, ge=3, description="set by the launcher, not by people: where totals go"
    )

    def hosts(self) -> Iterator[tuple[str, str]]:
        """Where reports are received, and where Fr-HUB is."""
        yield "PACS_HOST", self.pacs_host
        yield "HUB_HOST", self.hub_host
        yield from super().hosts()

    @field_validator("shape", mode="before")
    @classmethod
    def _split_shape(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = value.lower().split("x")
        if not all(part.strip().isdecimal() for part in parts):
            raise ValueError(f"{value!r} should be one number or numbers with x, such as 96x96x96")
        return tuple(int(part) for part in parts)

    @model_validator(mode="after")
    def _fit(self) -> Self:
        dimensions = 2 if self.kind == "grid" else 3
        if self.shape is not None and len(self.shape) not in (1, dimensions):
            raise ValueError(f"SHAPE of a {self.kind} has 1 or {dimensions} numbers")
        return self

    @property
    def finite(self) -> bool:
        """Whether the run ends by itself."""
        return self.scans is not None or self.source is not None

    @property
    def pace(self) -> float | None:
        """Scans a second; None: as fast as Fr-HUB takes them."""
        return self.rate if self.rate or self.finite else ENDLESS_RATE

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Cells of a synthetic grid along its axes."""
        shape = self.shape or (10,)
        return (shape[0], shape[-1])

    @property
    def phantom_shape(self) -> tuple[int, int, int]:
        """Voxels of a synthetic head along its axes."""
        shape = self.shape or (96,)
        return (shape[0], shape[len(shape) // 2], shape[-1])
