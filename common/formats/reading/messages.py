"""Requests to a reader process and its answers: JSON behind its length, and voxels as bytes.

Nothing is pickled. Both sides check what they get: the parent takes nothing from the child that
it could not have got from a file's header.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np

from common.domain.affine import Affine
from common.domain.skipped_kinds import SKIPPED_KINDS
from common.errors import SourceError
from common.formats.archives import MEMBERS_MAX
from common.formats.dicom.attributes import (
    BODY_PARTS,
    CONTRASTS,
    MODALITIES,
    NOTHING_SAID,
    Attributes,
)
from common.formats.dicom.slices import TILES_ACROSS_MAX, VOLUME_TAGS, Claims, Geometry, Slice
from common.formats.nifti.layout import Layout
from common.formats.not_a_scan import NotAScan, UnreadKind

Message = dict[str, Any]

MESSAGE_MAX = 128 << 20
"""Bytes of a message: the headers of 65,535 frames."""
INLINE_MAX = 1 << 20
"""Voxels up to this size follow their answer; larger ones are in shared memory."""
REASON_MAX = 500

_LENGTH = Struct("<I")
_SLICE_FIELDS = [
    field.name
    for field in fields(Slice)
    if field.name
    not in (
        *("label", "path", "subject", "patient", "attributes"),
        *("geometry", "claims", "acquired_at"),
    )
]
_GEOMETRY_FIELDS = [field.name for field in fields(Geometry)]
_ATTRIBUTES = [field.name for field in fields(Attributes)]
_CLAIMS_FIELDS = [field.name for field in fields(Claims)]
_ROLE = re.compile(r"[a-z][a-z0-9 _.,-]{0,63}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DTYPE = re.compile(r"[<>|][iuf][1248]")
_NOT_A_SCAN, _UNREAD = NotAScan.__name__, UnreadKind.__name__


def encode(message: Message) -> bytes:
    """A message as bytes."""
    body = json.dumps(message).encode()
    return _LENGTH.pack(len(body)) + body


def read_message(read: Callable[[int], "bytes | bytearray"]) -> Message:
    """Read a message.

    Args:
        read: reads exactly that many bytes.

    Raises:
        ValueError: it is longer than MESSAGE_MAX, or is no message.
    """
    (size,) = _LENGTH.unpack(read(_LENGTH.size))
    if size > MESSAGE_MAX:
        raise ValueError("the message is too long")
    message = json.loads(read(size))
    if not isinstance(message, dict):
        raise ValueError("not a message")  # noqa: TRY004 - as for every other damaged message
    return message


def encode_path(path: Path) -> str:
    """A path that JSON carries, and that does not depend on the working folder."""
    return os.path.abspath(path)  # noqa: PTH100 - ``resolve`` would follow links


def error_message(error: SourceError) -> Message:
    """A failure as an answer."""
    if isinstance(error, NotAScan):
        return {"error": _NOT_A_SCAN, "kind": error.kind}
    kind = _UNREAD if isinstance(error, UnreadKind) else SourceError.__name__
    return {"error": kind, "reason": str(error)[:REASON_MAX]}


def error_of(message: Message) -> SourceError:
    """The failure in an answer, without characters that could act on a terminal."""
    if message["error"] == _NOT_A_SCAN:
        kind = str(message["kind"])
        return NotAScan(kind if kind in SKIPPED_KINDS else "other")
    reason = _printable(message["reason"])
    return UnreadKind(reason) if message["error"] == _UNREAD else SourceError(reason)


def _printable(reason: object) -> str:
    return "".join(char if char.isprintable() else "?" for char in str(reason)[:REASON_MAX])


def slice_message(plane: Slice) -> Message:
    """A slice without what its receiver knows or must not know."""
    # Field by field: ``asdict`` takes four times as long, for each slice of a series.
    message = {name: getattr(plane, name) for name in _SLICE_FIELDS}
    place, claims = plane.geometry, plane.claims
    message["geometry"] = place and {name: getattr(place, name) for name in _GEOMETRY_FIELDS}
    message["claims"] = [getattr(claims, name) for name in _CLAIMS_FIELDS]
    message["acquired_at"] = plane.acquired_at.isoformat() if plane.acquired_at else None
    return message


def slice_of(
    message: Message,
    path: Path,
    label: str,
    subject: str | None,
    patient: str | None = None,
    attributes: Attributes = NOTHING_SAID,
) -> Slice:
    """The slice in a message.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    geometry, at = message["geometry"], message["acquired_at"]
    keys = tuple(sys.intern(str(key)) for key in message["volume_keys"])
    if len(keys) != len(VOLUME_TAGS):
        raise ValueError("volume_keys")
    return Slice(
        path=path,
        label=label,
        frame=_number(message["frame"]),
        series=str(message["series"]),
        owner=str(message["owner"]),
        protocol=str(message["protocol"]),
        uid=str(message["uid"]),
        instance=_number(message["instance"]),
        rows=int(message["rows"]),
        columns=int(message["columns"]),
        bits=int(message["bits"]),
        slope=float(message["slope"]),
        intercept=float(message["intercept"]),
        geometry=None if geometry is None else _geometry(geometry),
        claims=_claims(message["claims"]),
        volume_keys=keys,
        role=_one_of(message["role"], _ROLE),
        damage=_printable(message["damage"]),
        problems=tuple(_one_of(code, _CODE) for code in message["problems"]),
        acquired_at=None if at is None else datetime.fromisoformat(at),
        subject=subject,
        stamp=_stamp(message["stamp"]),
        tiles=_tiles(message["tiles"]),
        patient=patient,
        attributes=attributes,
    )


def attributes_message(attributes: Attributes) -> Message:
    """The attributes of a file."""
    return {name: getattr(attributes, name) for name in _ATTRIBUTES}


def attributes_in(message: Message) -> Attributes:
    """The attributes of a file in an answer: terms that the parent knows, whoever answers.

    Raises:
        ValueError, TypeError, KeyError: they are none.
    """
    study, contrast = message["study"], message["contrast"]
    if not isinstance(study, str | None) or not isinstance(message["is_zone_known"], bool):
        raise TypeError("attributes")
    if contrast not in (None, *CONTRASTS.values()):
        raise ValueError("contrast")
    for name, terms in (("modality", MODALITIES), ("body_part", BODY_PARTS)):
        if message[name] is not None and message[name] not in terms:
            raise ValueError(name)
    return Attributes(**message)


def members_of(message: Message) -> list[tuple[str, int]]:
    """The names of the members of an archive, and their sizes in bytes.

    Raises:
        ValueError, TypeError, KeyError: they are none.
    """
    members = [(str(name), int(size)) for name, size in message["members"]]
    if len(members) > MEMBERS_MAX or any(size < 0 for _, size in members):
        raise ValueError("members")
    return members


def layout_message(layout: Layout) -> Message:
    """A NIfTI header."""
    return {**asdict(layout), "dtype": layout.dtype.str}


def layout_of(message: Message) -> Layout:
    """The NIfTI header in a message.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    i, j, k = map(int, message["shape"])
    return Layout(
        shape=(i, j, k),
        volumes=int(message["volumes"]),
        dtype=dtype_of(message["dtype"]),
        offset=int(message["offset"]),
        slope=float(message["slope"]),
        inter=float(message["inter"]),
        affine=None if message["affine"] is None else _affine(message["affine"]),
        problems=tuple(_one_of(code, _CODE) for code in message["problems"]),
    )


def dtype_of(name: object) -> np.dtype[Any]:
    """A type of numbers.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(name, str) or not _DTYPE.fullmatch(name):
        raise ValueError("dtype")
    return np.dtype(name)


def _affine(rows: Any) -> Affine:
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in rows)
    return x, y, z


def _geometry(message: Message) -> Geometry:
    position, row, column = (_vector(message[name], 3) for name in ("position", "row", "column"))
    return Geometry(
        position, row, column, _vector(message["spacing"], 2), float(message["thickness"])
    )


def _claims(found: Any) -> Claims:
    images, slices, *lengths, concatenation, parts = found
    spacing, thickness, location = (None if mm is None else float(mm) for mm in lengths)
    counts = _number(images), _number(slices)
    return Claims(*counts, spacing, thickness, location, str(concatenation), _number(parts))


def _one_of(word: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(word, str) or not pattern.fullmatch(word):
        raise ValueError("word")
    return sys.intern(word)


def _vector(numbers: Any, count: int) -> tuple[float, ...]:
    vector = tuple(map(float, numbers))
    if len(vector) != count:
        raise ValueError("vector")
    return vector


def _tiles(value: Any) -> int:
    if not 1 <= (count := int(value)) <= TILES_ACROSS_MAX:
        raise ValueError("tiles")
    return count


def _stamp(numbers: Any) -> tuple[int, int]:
    size, mtime_ns = map(int, numbers)
    return size, mtime_ns


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
