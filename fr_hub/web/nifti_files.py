"""NIfTI files that are made while they are sent: whole, in ranges, or compressed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response, StreamingResponse

from common.domain.coarser import HELD_BYTES_MAX, LEVEL_MAX
from common.errors import VoxelsDamaged
from common.formats.nifti.writing import gzipped
from fr_hub.web.etags import is_known
from fr_hub.web.openapi import ETAG, NOT_MODIFIED, a_file
from fr_hub.web.problems import Problem
from fr_hub.web.ranges import range_of

_NIFTI, _COMPRESSED = "application/vnd.unknown.nifti-1", "application/gzip"

Level = Annotated[
    int,
    Query(
        ge=0,
        le=LEVEL_MAX,
        description="0: full resolution; n: each voxel stands for a block of 2^n voxels along "
        "each axis",
    ),
]
"""The type of a route's parameter that asks for a coarser image."""

FILE: dict[int | str, dict[str, Any]] = {
    200: a_file(_NIFTI, headers=ETAG),
    206: a_file(_NIFTI, headers=ETAG, description="The requested range"),
    304: NOT_MODIFIED,
}
COMPRESSED_FILE: dict[int | str, dict[str, Any]] = {
    200: a_file(_COMPRESSED, headers=ETAG),
    304: NOT_MODIFIED,
}
"""The answers of routes that serve such files."""


@dataclass(frozen=True, slots=True)
class NiftiFile:
    """A file.

    Args:
        name: its name, without a suffix.
        etag: of its content, without compression.
        header: what comes before the voxels.
        voxels_bytes: size of the voxels.
        read: their bytes from a position to before another.
    """

    name: str
    etag: str
    header: bytes
    voxels_bytes: int
    read: Callable[[int, int], Iterator[bytes]]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + self.voxels_bytes

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes of the file from ``start`` to before ``end``."""
        end = self.size if end is None else end
        before = len(self.header)
        if start < before:
            yield self.header[start:end]
        if end > before:
            yield from self.read(max(0, start - before), end - before)


def serve(request: Request, file: NiftiFile) -> Response:
    """The file, or the range of it that the request asks for."""
    if is_known(request, file.etag):
        return Response(status_code=304, headers={"ETag": file.etag})
    part = range_of(request, file.size, file.etag)
    start, end = part or (0, file.size)
    headers = {
        **_headers(file.etag, f"{file.name}.nii"),
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - start),
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    pieces = _begun(file.pieces(start, end))
    return StreamingResponse(pieces, 206 if part else 200, headers, media_type=_NIFTI)


def serve_compressed(request: Request, file: NiftiFile) -> Response:
    """The file, compressed by gzip."""
    etag = f'{file.etag[:-1]}-gz"'
    if is_known(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    pieces = gzipped(_begun(file.pieces()))
    headers = _headers(etag, f"{file.name}.nii.gz")
    return StreamingResponse(pieces, 200, headers, media_type=_COMPRESSED)


def damaged(error: VoxelsDamaged) -> Problem:
    """The problem of an image whose stored voxels are damaged."""
    return Problem(500, "voxels_damaged", f"The stored voxels are damaged: {error}.")


def slice_too_large() -> Problem:
    """The problem of an image of which no coarser one can be made."""
    limit = HELD_BYTES_MAX // 2**20
    return Problem(
        422,
        "slice_too_large",
        f"The slices of this scan are so large that this coarser image takes more than {limit} MiB "
        "of the server's memory; ask for a higher level, or for level 0.",
    )


def part_of(pieces: Iterable[bytes], start: int, end: int) -> Iterator[bytes]:
    """The bytes of all pieces together from ``start`` to before ``end``."""
    at = 0
    for piece in pieces:
        if at >= end:
            return
        if at + len(piece) > start:
            yield piece[max(0, start - at) : end - at]
        at += len(piece)


def _headers(etag: str, name: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces. The header and the first voxels are read now: once they are sent, damage can
    only end the connection."""
    try:
        first = list(islice(pieces, 2))
    except VoxelsDamaged as error:
        raise damaged(error) from None
    return chain(first, pieces)
