"""The voxels of a scan as NIfTI, streamed from the store."""

import math
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from common.domain.coarser import LEVEL_MAX, SLICE_BYTES_MAX, coarser, coarser_voxels
from common.domain.user import Right
from common.errors import VoxelsDamaged
from common.formats.nifti.writing import nifti_header
from common.store.voxel_reader import StoredVoxels, VoxelReader
from fr_hub.web.access import CurrentTenant, requires
from fr_hub.web.conditions import etag_of, is_known
from fr_hub.web.context import Context
from fr_hub.web.openapi import ETAG, NOT_MODIFIED, a_file
from fr_hub.web.problems import Problem
from fr_hub.web.ranges import range_of
from fr_hub.web.routes.scans import Key

router = APIRouter(prefix="/scans", tags=["scans"])

_GZIP, _FASTEST = 31, 1
_NIFTI, _COMPRESSED = "application/vnd.unknown.nifti-1", "application/gzip"

Level = Annotated[
    int,
    Query(
        ge=0,
        le=LEVEL_MAX,
        description="0: as it is; n: each voxel is the mean of a block of 2^n along each axis",
    ),
]

_PART = a_file(_NIFTI, headers=ETAG, description="The range that was asked for")
_KNOWN: dict[int | str, dict[str, Any]] = {304: NOT_MODIFIED}


class _File:
    """A NIfTI file that is made while it is sent."""

    def __init__(self, reader: VoxelReader, voxels: StoredVoxels, level: int) -> None:
        scan = voxels.scan
        self._reader = reader
        self._voxels = voxels
        self._made = coarser(scan, level) if level else None
        shape, affine = scan.shape, scan.affine
        if self._made is not None:
            shape, affine = self._made.shape, self._made.affine
        self.header = nifti_header(shape, scan.dtype, affine)
        self.size = len(self.header) + math.prod(shape) * scan.voxel_bytes

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes of the file from ``start`` to before ``end``."""
        end = self.size if end is None else end
        before = len(self.header)
        if start < before:
            yield self.header[start:end]
        if end <= before:
            return
        first, last = max(0, start - before), end - before
        if self._made is None:
            yield from self._reader.read(self._voxels, first, last)
            return
        whole = coarser_voxels(self._voxels.scan, self._made, self._reader.read(self._voxels))
        yield from _part(whole, first, last)


@router.get(
    "/{key}/voxels.nii",
    dependencies=[requires(Right.READ)],
    response_class=Response,
    responses={200: a_file(_NIFTI, headers=ETAG), 206: _PART} | _KNOWN,
)
def get_voxels(
    context: Context, tenant: CurrentTenant, request: Request, key: Key, level: Level = 0
) -> Response:
    """The voxels as NIfTI. Takes range requests."""
    file, etag = _file(context, tenant, key, level)
    if is_known(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    part = range_of(request, file.size, etag)
    start, end = part or (0, file.size)
    headers = {
        **_headers(etag, "nii"),
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - start),
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    pieces = _begun(file.pieces(start, end))
    return StreamingResponse(pieces, 206 if part else 200, headers, media_type=_NIFTI)


@router.get(
    "/{key}/voxels.nii.gz",
    dependencies=[requires(Right.READ)],
    response_class=Response,
    responses={200: a_file(_COMPRESSED, headers=ETAG)} | _KNOWN,
)
def get_compressed_voxels(
    context: Context, tenant: CurrentTenant, request: Request, key: Key, level: Level = 0
) -> Response:
    """The voxels as compressed NIfTI."""
    file, etag = _file(context, tenant, key, level)
    etag = f'{etag[:-1]}-gz"'
    if is_known(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    pieces = _compressed(_begun(file.pieces()))
    return StreamingResponse(pieces, 200, _headers(etag, "nii.gz"), media_type=_COMPRESSED)


def _file(context: Context, tenant: CurrentTenant, key: str, level: int) -> tuple[_File, str]:
    reader = context.store.voxel_reader
    try:
        voxels = reader.find(tenant, key)
    except VoxelsDamaged as error:
        raise _damaged(error) from None
    if voxels is None:
        raise Problem(
            404, "no_voxels", "There is no such scan, or its voxels were removed; check its id."
        )
    try:
        file = _File(reader, voxels, level)
    except ValueError:
        limit = SLICE_BYTES_MAX // 2**20
        raise Problem(
            422,
            "slice_too_large",
            f"A slice of this scan is larger than {limit} MiB, so there is no coarser image of it; "
            "ask for level 0.",
        ) from None
    return file, etag_of(f"{voxels.scan.voxels_hash} {level} {file.header.hex()}")


def _headers(etag: str, suffix: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="voxels.{suffix}"',
        "X-Content-Type-Options": "nosniff",
    }


def _damaged(error: VoxelsDamaged) -> Problem:
    return Problem(500, "voxels_damaged", f"The stored voxels are damaged: {error}.")


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces. The header and the first voxels are read now: once they are sent, damage can
    only end the connection."""
    try:
        first = list(islice(pieces, 2))
    except VoxelsDamaged as error:
        raise _damaged(error) from None
    return chain(first, pieces)


def _part(pieces: Iterable[bytes], start: int, end: int) -> Iterator[bytes]:
    at = 0
    for piece in pieces:
        if at >= end:
            return
        if at + len(piece) > start:
            yield piece[max(0, start - at) : end - at]
        at += len(piece)


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_FASTEST, wbits=_GZIP)
    for piece in pieces:
        if done := packer.compress(piece):
            yield done
    yield packer.flush()
