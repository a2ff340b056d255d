"""The label maps of a report: what the analyzer found where."""

import math
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from common.domain.coarser import coarser, coarser_labels
from common.domain.label_maps import PackedMap
from common.domain.rounding import Ml
from common.domain.scan import BrainScan
from common.domain.user import Right
from common.errors import VoxelsDamaged
from common.formats.nifti.writing import label_map_header
from common.store.labels import StoredLabels
from fr_hub.web.absences import GONE, absent
from fr_hub.web.access import CurrentTenant, in_pieces, requires
from fr_hub.web.context import Context
from fr_hub.web.etags import content_etag, is_known
from fr_hub.web.models import Answer
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
from fr_hub.web.openapi import ETAG, NOT_MODIFIED
from fr_hub.web.problems import Problem
from fr_hub.web.routes.reports import RevisionNumber, no_report
from fr_hub.web.routes.scans import Key

router = APIRouter(prefix="/scans", tags=["reports"])

_READ = [requires(Right.READ)]

MapName = Annotated[
    str, Path(max_length=32, description="name of the map, such as `lesions`, `brain`, `regions`")
]


class Label(Answer):
    """A label of a map. Its volume is null if the scan has no position in space."""

    value: int
    meaning: str
    voxels: int
    volume_ml: Ml | None


class LabelMapItem(Answer):
    """A label map; ``voxels`` and ``volume_ml`` are of all its labels."""

    name: str
    values: list[Label]
    voxels: int
    volume_ml: Ml | None


class LabelMaps(Answer):
    """The label maps of a revision of the report; a report may have none."""

    revision: int
    items: list[LabelMapItem]


@router.get(
    "/{key}/labels",
    dependencies=_READ,
    response_model=LabelMaps,
    responses={200: {"headers": ETAG}, 304: NOT_MODIFIED, **GONE},
)
def list_labels(
    context: Context,
    tenant: CurrentTenant,
    request: Request,
    key: Key,
    revision: RevisionNumber = None,
) -> Response:
    """List the label maps of the report, with their labels."""
    labels = _labels(context, tenant, key, revision)
    items = [_item(labels.scan, one) for one in labels.maps]
    body = LabelMaps(revision=labels.revision, items=items).model_dump_json()
    headers = {"ETag": content_etag(body), "Cache-Control": "private, no-cache"}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


@router.get(
    "/{key}/labels/{map_name}.nii.gz",
    dependencies=_READ,
    response_class=Response,
    responses=COMPRESSED_FILE | GONE,
)
def get_compressed_label_map(
    context: Context,
    tenant: CurrentTenant,
    request: Request,
    key: Key,
    map_name: MapName,
    level: Level = 0,
    revision: RevisionNumber = None,
) -> Response:
    """Download a label map as compressed NIfTI."""
    return serve_compressed(request, _file(context, tenant, key, map_name, level, revision))


@router.get(
    "/{key}/labels/{map_name}.nii",
    dependencies=[requires(Right.READ), in_pieces()],
    response_class=Response,
    responses=FILE | GONE,
)
def get_label_map(
    context: Context,
    tenant: CurrentTenant,
    request: Request,
    key: Key,
    map_name: MapName,
    level: Level = 0,
    revision: RevisionNumber = None,
) -> Response:
    """Download a label map as NIfTI, on the voxels of `voxels.nii`. Supports range requests. In
    a coarser map, each voxel has the most frequent label of its block."""
    return serve(request, _file(context, tenant, key, map_name, level, revision))


def _labels(
    context: Context, tenant: CurrentTenant, key: str, revision: int | None
) -> StoredLabels:
    try:
        labels = context.store.labels.find(tenant, key, revision)
    except VoxelsDamaged as error:
        raise damaged(error) from None
    if labels is None:
        raise absent(context, tenant, key, no_report())
    return labels


def _item(scan: BrainScan, one: PackedMap) -> LabelMapItem:
    voxel_ml = scan.voxel_ml

    def volume(voxels: int) -> float | None:
        return None if voxel_ml is None else voxels * voxel_ml

    total = sum(value.voxels for value in one.values)
    return LabelMapItem(
        name=one.name,
        values=[
            Label(
                value=value.value,
                meaning=value.meaning,
                voxels=value.voxels,
                volume_ml=volume(value.voxels),
            )
            for value in one.values
        ],
        voxels=total,
        volume_ml=volume(total),
    )


def _file(
    context: Context,
    tenant: CurrentTenant,
    key: str,
    map_name: str,
    level: int,
    revision: int | None,
) -> NiftiFile:
    labels = _labels(context, tenant, key, revision)
    packed = labels.named(map_name)
    if packed is None:
        raise Problem(
            404,
            "no_label_map",
            "The report has no such label map; GET /api/v1/scans/{key}/labels lists those "
            "that it has.",
        )
    scan, reader = labels.scan, context.store.labels
    try:
        made = coarser(scan, level, len(packed.values) + 1) if level else None
    except ValueError:
        raise slice_too_large() from None
    shape, affine = (scan.shape, scan.affine) if made is None else (made.shape, made.affine)
    header = label_map_header(shape, affine, packed.meanings)

    # The same planes may lie elsewhere in the scan.
    place = "" if packed.planes is None else packed.planes.model_dump_json()

    def read(start: int, end: int) -> Iterator[bytes]:
        if made is None:
            return reader.read(labels, packed, start, end)
        whole = coarser_labels(scan.shape, made, reader.read(labels, packed))
        return part_of(whole, start, end)

    return NiftiFile(
        name=f"{scan.scan_id}-{packed.name}",
        etag=content_etag(f"{packed.packing.hash}{place} {level} {header.hex()}"),
        header=header,
        voxels_bytes=math.prod(shape),
        read=read,
    )
