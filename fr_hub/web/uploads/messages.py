"""What a client sends and gets when it uploads, beside the bytes of the files."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from fr_hub.web.models import Answer, Body
from fr_hub.web.uploads.multipart import FILES_MAX
from fr_hub.web.uploads.names import NAME_MAX
from fr_hub.web.uploads.results import FileResult, Outcome


class UploadFile(Body):
    """A file of an upload."""

    name: Annotated[str, Field(max_length=NAME_MAX)]
    """Name with its folders, separated by slashes, as a browser has it. It is not stored."""
    size: Annotated[int, Field(strict=True, ge=0, le=2**50)]
    """Bytes."""


class UploadRequest(Body):
    """What is to come. Either ``size`` and perhaps ``name`` of one file, or ``files``, whose bytes
    then come one after the other: all files of a series belong into one upload."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "brain.nii.gz", "size": 8_388_608}]}
    )

    name: Annotated[str, Field(max_length=NAME_MAX)] | None = None
    size: Annotated[int, Field(strict=True, ge=0, le=2**50)] | None = None
    files: Annotated[list[UploadFile], Field(min_length=1, max_length=FILES_MAX)] | None = None
    volumes: Literal["default", "all"] = "default"
    """``all``: also store localizers, diffusion and all other volumes of DICOM series."""

    @model_validator(mode="after")
    def _agree(self) -> "UploadRequest":
        if (self.size is None) == (self.files is None):
            raise ValueError("give either 'size', for one file, or 'files'")
        if self.files is not None and self.name is not None:
            raise ValueError("with 'files', leave 'name' out: each of the files has its own")
        return self

    def declared(self) -> list[tuple[str, int]]:
        """The files by name and size."""
        if self.files is not None:
            return [(one.name, one.size) for one in self.files]
        return [(self.name or "", self.size or 0)]


class UploadState(Answer):
    """An upload and its progress."""

    id: str
    url: str
    """Send the bytes to this address with PATCH."""
    size: int
    offset: int
    chunk_bytes: int
    """How much to send in one request."""
    expires_at: datetime


class FileOutcome(Answer):
    """What became of a file: ``stored`` as scans, ``known`` (the same image was stored before),
    ``skipped`` because it is no scan, or ``refused``."""

    name: str
    outcome: Outcome
    kind: str | None = None
    """Of what is skipped."""
    reason: str | None = None
    scans: list[str]
    """Keys of its scans."""


class FinishedUpload(Answer):
    """The outcome for each file. All stored scans are durable."""

    files: list[FileOutcome]


def outcome_of(result: FileResult) -> FileOutcome:
    """A result as the client gets it."""
    return FileOutcome(
        name=result.name,
        outcome=result.outcome,
        kind=result.kind,
        reason=result.reason,
        scans=list(result.scans),
    )


def answer_of(results: Iterable[FileResult]) -> FinishedUpload:
    """What became of the files of an upload, as the client gets it."""
    return FinishedUpload(files=[outcome_of(one) for one in results])
