"""The voxels of a scan as NIfTI, streamed from the store."""

import math
from collections.abc import Iterator

from fastapi import APIRouter, Request
from starlette.responses import Response

from common.domain.coarser import coarser, coarser_voxels
from common.domain.user import Right
from common.errors import VoxelsDamaged
from common.formats.nifti.writing import nifti_header
from fr_hub.web.absences import GONE, absent
from fr_hub.web.access import CurrentTenant, in_pieces, requires
from fr_hub.web.context import Context
from fr_hub.web.etags import content_etag
from fr_hub.web.nifti_files import (
    COMPRESSED_FILE,
    FILE,
    Level,
    NiftiFile,
    damaged,
    part_of,
    serve,
    serve_compressed,
    slice_too_large,
)
from fr_hub.web.problems import CHECK_THE_KEY, Problem
from fr_hub.web.routes.scans import Key

router = APIRouter(prefix="/scans", tags=["scans"])


@router.get(
    "/{key}/voxels.nii",
    dependencies=[requires(Right.READ), in_pieces()],
    response_class=Response,
    responses=FILE | GONE,
)
def get_voxels(
    context: Context, tenant: CurrentTenant, request: Request, key: Key, level: Level = 0
) -> Response:
    """Download the voxels as NIfTI. Supports range requests. In a coarser image, each
    voxel is the mean of its block."""
    return serve(request, _file(context, tenant, key, level))


@router.get(
    "/{key}/voxels.nii.gz",
    dependencies=[requires(Right.READ)],
    response_class=Response,
    responses=COMPRESSED_FILE | GONE,
)
def get_compressed_voxels(
    context: Context, tenant: CurrentTenant, request: Request, key: Key, level: Level = 0
) -> Response:
    """Download the voxels as compressed NIfTI."""
    return serve_compressed(request, _file(context, tenant, key, level))


def _file(context: Context, tenant: CurrentTenant, key: str, level: int) -> NiftiFile:
    reader = context.store.voxel_reader
    try:
        voxels = reader.find(tenant, key)
    except VoxelsDamaged as error:
        raise damaged(error) from None
    if voxels is None:
        missing = Problem(
            404,
            "no_voxels",
            f"There is no such scan, or its voxels were removed; {CHECK_THE_KEY}.",
        )
        raise absent(context, tenant, key, missing)
    scan = voxels.scan
    if scan.kind != "image":
        raise Problem(
            422,
            "no_image",
            "This scan is a signal, such as an ECG: it has no voxels. Its report has the "
            "findings.",
        )
    try:
        made = coarser(scan, level) if level else None
    except ValueError:
        raise slice_too_large() from None
    shape, affine = (scan.shape, scan.affine) if made is None else (made.shape, made.affine)
    header = nifti_header(shape, scan.dtype, affine)

    def read(start: int, end: int) -> Iterator[bytes]:
        if made is None:
            return reader.read(voxels, start, end)
        return part_of(coarser_voxels(scan, made, reader.read(voxels)), start, end)

    return NiftiFile(
        name=scan.scan_id,
        etag=content_etag(f"{scan.voxels_hash} {level} {header.hex()}"),
        header=header,
        voxels_bytes=math.prod(shape) * scan.voxel_bytes,
        read=read,
    )
