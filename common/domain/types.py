"""Types that scans, findings and reports share: identifiers, times, hashes."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from blake3 import blake3
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from common.domain.affine import Affine as Affine
from common.domain.affine import AffineRow as AffineRow

Document = dict[str, Any]
"""A BSON document, as MongoDB stores it."""

DEFAULT_TENANT = "default"
"""The tenant of all Fr-PACS and users that no other tenant has."""

HUB_NAME = "fr-hub"
"""Fr-HUB's name on the wire and in its certificate; all hubs share it."""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""1 to 64 letters, digits, dots, underscores and hyphens; safe as a file name."""

ScanName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")
]
"""How a person names a scan: its id, or its key (``common.domain.scan_key``)."""

_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d([-._]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])([-._]?)(?:0[1-9]|1[0-2])\2(?:19|20)\d\d)(?!\d)"
)
"""A date, the year first or last."""


_DIGEST = re.compile(r"[0-9a-f]{16,64}")

STORED = {"stored": True}
"""Validation context of a header from the store: what an earlier release accepted stays valid."""


def _check_pseudonym(text: str, info: ValidationInfo) -> str:
    if info.context == STORED:
        return text
    if _DIGEST.fullmatch(text):
        return text  # a hash, as Fr-PACS makes them
    letters = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text) and re.search("[A-Za-z]", text)
    if not letters or _DATE.search(text):
        raise ValueError(
            "must be a pseudonym: letters, digits, dots, underscores and hyphens, with at least "
            "one letter and no date; never a name, a date of birth or a patient's number"
        )
    return text


def _check_digest(text: str, info: ValidationInfo) -> str:
    if info.context != STORED and not _DIGEST.fullmatch(text):
        raise ValueError("must be a pseudonym: a hash of 16 to 64 hexadecimal digits")
    return text


Pseudonym = Annotated[str, Field(max_length=64), AfterValidator(_check_pseudonym)]
"""Stands for a person: a hash of 16 to 64 hexadecimal digits, or a label such as ``sub-01``.

What a DICOM PatientID or PatientName often has (carets, spaces, a number alone, a date, letters
outside ASCII) is refused. A label cannot be told from a plain family name."""

DigestPseudonym = Annotated[str, Field(max_length=64), AfterValidator(_check_digest)]
"""Stands for a study or a series, whose identifiers Fr-PACS hashes: never a label."""

ScanType = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
"""Name of a parameter or a threshold."""

Flag = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]

WHOLE_BELOW = 2**53
"""The first positive integer that not every JSON reader represents exactly."""

Count = Annotated[int, Field(ge=0, lt=WHOLE_BELOW)]
Positive = Annotated[int, Field(ge=1, lt=WHOLE_BELOW)]
"""Not ``Count`` with another bound in the field: of two bounds, pydantic uses the alias' one."""

Text = Annotated[str, Field(min_length=0)]
"""Any text that can be encoded: only with a constraint does pydantic refuse lone surrogates."""

Value = (
    bool | Annotated[int, Field(gt=-WHOLE_BELOW, lt=WHOLE_BELOW)] | float | Text | tuple[float, ...]
)
"""Value of a parameter."""

DType = Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


def hash_voxels(voxels: bytes | bytearray | memoryview) -> str:
    """BLAKE3 of the voxel bytes, 64 hexadecimal digits."""
    return blake3(voxels).hexdigest()


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("the time has no zone: give it in UTC")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        # BSON could not store it, so one such scan would fail its whole batch.
        raise ValueError("the time is outside the years 1 to 9999 in UTC") from None


Instant = Annotated[datetime, AfterValidator(_in_utc)]
"""A time, in UTC."""


REQUEST_BODY = ConfigDict(defer_build=False)
"""Of models that the API takes as a request's body: FastAPI warns if their validators are built
later than its own."""


class Frozen(BaseModel):
    """Base of the models: immutable; refuses unknown fields, NaN and infinity.

    Neither its errors nor its warnings quote values, which may be a patient's.
    """

    model_config = ConfigDict(
        frozen=True,
        defer_build=True,  # a unit builds the validators that it uses: 0.2 s less to start
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        json_schema_serialization_defaults_required=True,
    )

    def model_dump(self, **options: Any) -> Document:
        """As pydantic's, without its warnings: they quote a value of the wrong type."""
        options.setdefault("warnings", False)
        return super().model_dump(**options)

    def model_dump_json(self, **options: Any) -> str:
        """As pydantic's, without its warnings: they quote a value of the wrong type."""
        options.setdefault("warnings", False)
        return super().model_dump_json(**options)


def utc_now() -> datetime:
    """The current time in UTC, to the millisecond, so that a round trip through BSON keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
