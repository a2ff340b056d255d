"""The samples of signals, such as ECGs: pieces of them, at a resolution."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.requests import HTTPConnection
from starlette.responses import Response

from common.domain.tenant import Tenant
from common.domain.user import Right
from common.errors import VoxelsDamaged
from fr_hub.web.absences import GONE, absent
from fr_hub.web.access import CurrentTenant, in_pieces, note_scans, requires
from fr_hub.web.context import Context, WebContext
from fr_hub.web.envelopes import COLUMNS_MAX, STEPS, Envelopes
from fr_hub.web.etags import content_etag, is_known
from fr_hub.web.nifti_files import damaged
from fr_hub.web.openapi import ETAG, NOT_MODIFIED
from fr_hub.web.problems import Problem
from fr_hub.web.routes.ecgs import USES, AccountScope, EcgKey
from fr_hub.web.routes.scans import Key

router = APIRouter(tags=["scans"])

MEDIA_TYPE = "application/octet-stream"
_STEPS = ", ".join(map(str, STEPS))

Step = Annotated[int, Query(ge=1, le=STEPS[-1], description=f"samples per column: {_STEPS}")]
First = Annotated[int, Query(ge=0, le=2**31, description="the first column")]
Columns = Annotated[int, Query(ge=1, le=COLUMNS_MAX, description="maximum number of columns")]

ANSWERS: dict[int | str, dict[str, object]] = {
    200: {
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "contentMediaType": MEDIA_TYPE}}},
        "headers": {
            **ETAG,
            "X-Columns": {
                "description": "Number of columns of each lead.",
                "schema": {"type": "string"},
            },
        },
        "description": "Of each lead one after the other, of each column: the sample if `step` is "
        "1, else the lowest and the highest one of its samples; float32, little-endian, in the "
        "signal's units. NaN: there is none.",
    },
    304: NOT_MODIFIED,
    **GONE,
}


async def _envelopes(connection: HTTPConnection) -> Envelopes:
    state = connection.app.state
    if not hasattr(state, "envelopes"):
        state.envelopes = Envelopes()
    made: Envelopes = state.envelopes
    return made


CurrentEnvelopes = Annotated[Envelopes, Depends(_envelopes)]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Which samples a request asks for, and what answers it."""

    context: WebContext
    request: Request
    envelopes: Envelopes
    step: int
    first: int
    columns: int

    def of(self, tenant: Tenant, key: str) -> Response:
        """The answer, of this scan.

        Raises:
            Problem: the tenant has no such signal, or its samples cannot be read.
        """
        if self.step not in STEPS:
            raise Problem(422, "invalid", f"'step' must be one of {_STEPS}.")
        reader = self.context.store.voxel_reader
        try:
            stored = reader.find(tenant, key)
            if stored is None:
                missing = Problem(
                    404,
                    "no_samples",
                    "There is no such scan, or its samples were removed; check its id.",
                )
                raise absent(self.context, tenant, key, missing)
            scan = stored.scan
            if scan.kind != "signal":
                raise Problem(
                    422,
                    "no_signal",
                    "This scan is an image, not a signal: get its voxels from voxels.nii.",
                )
            count = max(1, min(self.columns, COLUMNS_MAX // scan.shape[1]))
            etag = content_etag(f"{scan.voxels_hash} {self.step} {self.first} {count}")
            headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
            if is_known(self.request, etag):
                return Response(status_code=304, headers=headers)

            def read(start: int, end: int) -> Iterator[bytes]:
                return reader.read(stored, start, end)

            first = min(self.first, math.ceil(scan.shape[0] / self.step))
            made = self.envelopes.of(scan, read, self.step, first, count)
        except VoxelsDamaged as error:
            raise damaged(error) from None
        headers["X-Columns"] = str(made.shape[1])
        body = made.astype("<f4", copy=False).tobytes()
        return Response(body, 200, headers, media_type=MEDIA_TYPE)


async def _piece(
    context: Context,
    request: Request,
    envelopes: CurrentEnvelopes,
    step: Step = 1,
    first: First = 0,
    columns: Columns = 4096,
) -> _Piece:
    return _Piece(context, request, envelopes, step, first, columns)


Piece = Annotated[_Piece, Depends(_piece)]


@router.get(
    "/scans/{key}/samples",
    dependencies=[requires(Right.READ), in_pieces()],
    response_class=Response,
    responses=ANSWERS,
)
def get_samples(tenant: CurrentTenant, key: Key, piece: Piece) -> Response:
    """Get samples of a signal. With a ``step`` above 1, each column has the lowest and the highest
    of that many samples."""
    return piece.of(tenant, key)


@router.get(
    "/ecgs/{ecg_id}/samples",
    dependencies=[*USES, in_pieces()],
    response_class=Response,
    responses=ANSWERS,
)
def get_ecg_samples(request: Request, scope: AccountScope, key: EcgKey, piece: Piece) -> Response:
    """Get samples of one of your ECGs, as of a scan."""
    note_scans(request, [key])
    return piece.of(scope, key)
