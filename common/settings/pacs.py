"""The settings of Fr-PACS."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    NoDecode,
)

from common.domain.pacs_key import KEY_BYTES, PacsKey, PacsKeys
from common.domain.scan import Priority
from common.domain.tenant import PacsName
from common.domain.types import Identifier
from common.domain.volume_roles import VOLUME_ROLES
from common.settings.base import Port, Shape, WireSettings, from_file
from common.settings.hosts import Host

ENDLESS_RATE = 2.0
_CELLS_ALONG_MAX = 4096
"""The most cells or voxels along an axis of a synthetic image."""

_KEY = re.compile(f"[0-9a-fA-F]{{{2 * KEY_BYTES}}}")


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip().lower())]


class PacsSettings(WireSettings):
    """Fr-PACS: streams scans to Fr-HUB and receives their reports."""

    pacs_name: PacsName = Field(
        default="pacs-1", description="name of the Fr-PACS; it must be listed in Fr-HUB's HUB_PACS"
    )
    pacs_host: Host = Field(default="127.0.0.1", description="address to listen on for reports")
    pacs_port: Port = Field(default=7302, description="port to listen on for reports")
    hub_host: Host = Field(
        default="127.0.0.1",
        description="address of Fr-HUB: it listens here, and Fr-PACS connects here",
    )
    hub_port: Port = Field(
        default=7301, description="port of Fr-HUB: it listens here, and Fr-PACS connects here"
    )
    pacs_key: SecretStr | None = Field(
        default=None,
        description="key of this Fr-PACS, 64 hexadecimal digits; make pacs-key prints it where "
        "Fr-HUB's SHARED_SECRET is set. Each side proves that it knows the key, and never sends it",
    )
    pacs_key_file: Path | None = Field(
        default=None, description="file to read PACS_KEY from, if PACS_KEY is unset"
    )
    source: Path | None = Field(
        default=None,
        description="file, folder, or zip or tar archive to send: NIfTI, Analyze, MGH, DICOM or "
        "ECGs; if unset, synthetic scans",
    )
    watch: bool = Field(
        default=False,
        description="1: keep running, and send files and series that arrive in the folder SOURCE "
        "later, once they are complete",
    )
    watch_quiet_s: float | None = Field(
        default=None,
        gt=0,
        description="with WATCH: time after which a file or series that has not changed counts as "
        "complete, seconds; if unset, 5, or 60 on network file systems",
    )
    watch_poll_s: float | None = Field(
        default=None,
        ge=0.1,
        description="with WATCH: interval at which to look for changes, seconds; if unset, the "
        "kernel reports changes, except on network file systems, where Fr-PACS looks every 5 "
        "seconds",
    )
    labels: Literal["name", "hash"] = Field(
        default="name",
        description="file names in the log: name (name) or hash (hash), because a file name may "
        "identify a patient. LEDGER, SUMMARY, index.csv and the names of "
        "the report files always contain the real names",
    )
    volumes: str = Field(
        default="anatomical,unclassified",
        description="roles of the DICOM volumes to send, according to their headers, separated by "
        f"commas: {', '.join(VOLUME_ROLES)}; or all. Other volumes are skipped and counted. NIfTI "
        "volumes are always sent",
    )
    follow_links: bool = Field(default=False, description="1: follow links that lead out of SOURCE")
    pseudonym_key_file: Path | None = Field(
        default=None,
        description="file with the key for the pseudonyms of patients, studies and series, "
        "created if missing; if unset, DATA_DIR/PACS_NAME/pseudonym.key",
    )
    scan_id_key_file: Path | None = Field(
        default=None,
        description="file with the key for the ids of scans from files, created if missing; if "
        "unset, scan-id.key in the folder of PSEUDONYM_KEY_FILE. Never replace it",
    )
    priority: Priority = Field(
        default=Priority.ROUTINE,
        description="how urgent the scans are: 'stat' (analysed next), 'urgent', 'routine' or "
        "'background'",
    )
    kind: Literal["phantom", "grid", "ecg"] = Field(
        default="phantom",
        description="kind of synthetic scan: phantom (3-D head), grid (10x10) or ecg (10 s of 12 "
        "leads)",
    )
    shape: Annotated[Shape | None, NoDecode] = Field(
        default=None,
        description="size of a synthetic scan in voxels, such as 128 or 181x217x181; of an ECG, "
        "samples at 500 Hz and leads, such as 30000x3; if unset, 96 for a phantom, 10 for a grid "
        "and 5000x12 for an ECG",
    )
    contrast: Literal["flair", "t1"] = Field(
        default="flair", description="MR contrast of synthetic heads; lesions are bright on flair"
    )
    background: Literal["noise", "empty"] = Field(
        default="noise",
        description="background of synthetic heads: noise everywhere, or zeros outside the head "
        "(empty)",
    )
    scans: int | None = Field(
        default=None,
        ge=0,
        description="number of scans to send; if unset, every scan of SOURCE, or synthetic scans "
        "until stopped; 0: send none, and receive reports until stopped",
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        description="scans per second; if unset, as fast as Fr-HUB accepts them. If Fr-PACS sends "
        "synthetic scans until stopped, the default is 2, so that the disk does not fill up",
    )
    threads: int = Field(
        default=2, ge=1, le=256, description="connections to Fr-HUB, one thread each"
    )
    compression: bool = Field(
        default=True,
        description="1: compress large scans (Blosc with LZ4) if that makes them smaller",
    )
    seed: int = Field(
        default=1,
        ge=0,
        description="random seed of synthetic scans; the same seed gives the same voxels",
    )
    run_name: Identifier | None = Field(
        default=None,
        description="name of a run of synthetic scans: runs of the same name and SEED send the "
        "same scans under the same ids; if unset, each run sends new scans",
    )
    buffer_mib: int = Field(
        default=256,
        ge=1,
        description="memory for scans awaiting acknowledgement, MiB; when full, Fr-PACS pauses "
        "sending",
    )
    patience_s: float = Field(
        default=5.0,
        ge=0,
        description="time for which a synthetic scan waits while the buffer is full, seconds; "
        "after that it counts as failed",
    )
    report_patience_s: float = Field(
        default=120.0,
        gt=0,
        description="with SCANS or SOURCE: time to wait for the next report, seconds; after that "
        "Fr-PACS ends, and the scans without a report count as failed. Fr-HUB keeps them: run the "
        "same SOURCE again to get their reports",
    )
    pacs_drain_s: float = Field(
        default=5.0, ge=0, description="time to wait for acknowledgements at shutdown, seconds"
    )
    reports: Path | None = Field(
        default=None,
        description="folder for the reports: JSON, text and, if drawn, a picture of each, and "
        "index.csv, which lists each input file with its outcome and its report",
    )
    label_maps: bool = Field(
        default=False,
        description="1: with REPORTS, also write the segmentations (label maps) of each report: "
        "lesions, brain, tissues, regions, or what its analyzer makes, as compressed NIfTI on the "
        "voxels of the scan, one file for each map",
    )
    ledger: Path | None = Field(
        default=None,
        description="ledger file: Fr-PACS appends each scan event as a JSON line",
    )
    summary: Path | None = Field(default=None, description="file to write the totals to, as JSON")
    progress_fd: int | None = Field(
        default=None,
        ge=3,
        description="internal, set by the launcher: a file descriptor to write totals to",
    )
    reported_fd: int | None = Field(
        default=None,
        ge=3,
        description="internal, set by the launcher: a file descriptor that a byte is written to "
        "when each scan has its report",
    )
    hold_fd: int | None = Field(
        default=None,
        ge=3,
        description="internal, set by the launcher: a file descriptor; reports are received until "
        "its other end closes",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_key(cls, values: Any) -> Any:
        return from_file(values, "pacs_key")

    @field_validator("pacs_key")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _KEY.fullmatch(value.get_secret_value()):
            raise ValueError("it must be the 64 hexadecimal digits that make pacs-key prints")
        return value

    @field_validator("volumes")
    @classmethod
    def _check_volumes(cls, value: str) -> str:
        unknown = [role for role in _words(value) if role not in (*VOLUME_ROLES, "all")]
        if unknown or not _words(value):
            near = [m for role in unknown for m in get_close_matches(role, VOLUME_ROLES, n=1)]
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(
                f"{value!r} is not a list of volume roles{meant}: write all, or some of "
                f"{', '.join(VOLUME_ROLES)}"
            )
        return value

    @property
    def wanted_volumes(self) -> frozenset[str]:
        """The roles of the DICOM volumes that are sent."""
        wanted = frozenset(_words(self.volumes))
        return frozenset(VOLUME_ROLES) if "all" in wanted else wanted

    def given_keys(self) -> PacsKeys | None:
        """Its own key, or the secret that it can be derived from."""
        if self.pacs_key is None:
            return super().given_keys()
        return PacsKey(bytes.fromhex(self.pacs_key.get_secret_value()))

    def hosts(self) -> Iterator[tuple[str, str]]:
        """The address for receiving reports, and that of Fr-HUB."""
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
            raise ValueError(
                f"{value!r} is not a shape: write one number, or several such as 96x96x96"
            )
        return tuple(int(part) for part in parts)

    @model_validator(mode="after")
    def _exclude(self) -> Self:
        kinds = {"kind", "shape", "contrast", "background", "run_name", "seed"}
        synthetic = kinds & self.model_fields_set
        if self.source is not None and synthetic:
            names = " and ".join(sorted(name.upper() for name in synthetic))
            raise ValueError(f"SOURCE sends files, not synthetic scans: unset it, or {names}")
        return self

    @model_validator(mode="after")
    def _check_watch(self) -> Self:
        if self.watch and self.source is None:
            raise ValueError("WATCH watches a folder: set SOURCE to it, or unset WATCH")
        if self.watch and self.scans is not None:
            raise ValueError(
                "WATCH runs until it is stopped, but SCANS ends the run: unset one of them"
            )
        return self

    @model_validator(mode="after")
    def _check_label_maps(self) -> Self:
        if self.label_maps and self.reports is None:
            raise ValueError(
                "LABEL_MAPS writes label maps beside the reports: set REPORTS to a folder, or "
                "unset LABEL_MAPS"
            )
        return self

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.kind != "ecg" and self.shape is not None and max(self.shape) > _CELLS_ALONG_MAX:
            raise ValueError(
                f"SHAPE={'x'.join(map(str, self.shape))}: each number must be {_CELLS_ALONG_MAX} "
                "or less"
            )
        dimensions = 3 if self.kind == "phantom" else 2
        if self.shape is not None and len(self.shape) not in (1, dimensions):
            what = "an ECG" if self.kind == "ecg" else f"a {self.kind}"
            raise ValueError(
                f"SHAPE of {what} needs 1 or {dimensions} numbers, not {len(self.shape)}"
            )
        return self

    @property
    def finite(self) -> bool:
        """Whether the number of scans is limited, so that the run ends on its own."""
        limited = self.scans is not None or (self.source is not None and not self.watch)
        return limited and not self.sends_nothing

    @property
    def sends_nothing(self) -> bool:
        """Whether it only takes reports, until it is stopped."""
        return self.scans == 0

    @property
    def pace(self) -> float | None:
        """Scans per second; None if there is no limit."""
        synthetic = self.source is None
        return self.rate or (ENDLESS_RATE if synthetic and not self.finite else None)

    @property
    def grid_shape(self) -> tuple[int, int]:
        """Number of cells of a synthetic grid along each axis."""
        shape = self.shape or (10,)
        return (shape[0], shape[-1])

    @property
    def ecg_shape(self) -> tuple[int, int]:
        """Number of samples and leads of a synthetic ECG."""
        shape = self.shape or (5000,)
        return (shape[0], shape[1] if len(shape) > 1 else 12)

    @property
    def phantom_shape(self) -> tuple[int, int, int]:
        """Number of voxels of a synthetic head along each axis."""
        shape = self.shape or (96,)
        return (shape[0], shape[len(shape) // 2], shape[-1])
