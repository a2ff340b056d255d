"""Reports: as JSON, text, PDF and CSV, with their pictures, revisions and changes."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from common.domain.findings import Verdict
from common.domain.report import REVISION_MAX, BrainReport
from common.domain.report_changes import changes
from common.domain.report_index import ABOUT_REPORT, about_report
from common.domain.report_schema import report_schema
from common.domain.report_text import report_text
from common.domain.user import Right
from common.store.scan_pages import Asked, KeyPage, Place
from fr_hub.web.absences import GONE, absent
from fr_hub.web.access import CurrentTenant, requires
from fr_hub.web.context import Context
from fr_hub.web.etags import content_etag, is_known
from fr_hub.web.models import Answer, ListAnswer, Plain, one_of
from fr_hub.web.openapi import ETAG, NOT_MODIFIED, a_file
from fr_hub.web.problems import Problem
from fr_hub.web.report_pdf import report_pdf
from fr_hub.web.routes.scans import Key
from fr_hub.web.scan_models import AskedScans

router = APIRouter(tags=["reports"])

_PAGE = 200
_READ = [requires(Right.READ)]
_KNOWN: dict[int | str, dict[str, Any]] = {200: {"headers": ETAG}, 304: NOT_MODIFIED, **GONE}

_SCHEMA = {
    "type": "object",
    "title": "Schema",
    "required": ["$schema", "$id", "title", "version", "properties"],
    "properties": {
        **{name: {"type": "string"} for name in ("$schema", "$id", "title")},
        "version": {"type": "integer"},
        "properties": {
            "type": "object",
            "additionalProperties": {"type": "object", "description": "schema of a field"},
        },
    },
}

RevisionNumber = Annotated[
    int | None,
    Query(ge=1, le=REVISION_MAX, description="revision of the report; default: the current one"),
]


def _content_of(kind: str) -> dict[int | str, dict[str, Any]]:
    return {200: a_file(kind, headers=ETAG), 304: NOT_MODIFIED, **GONE}


class RevisionItem(Answer):
    """A revision of a report."""

    revision: int
    analyzer: str | None
    version: str | None
    analysed_at: datetime | None
    verdict: Verdict | None


class Revisions(ListAnswer):
    """The revisions of a report, the current one first."""

    items: list[RevisionItem]


class ChangedField(Answer):
    """A field of the report whose value has changed; null: the report does not have it."""

    field: str
    before: Plain
    after: Plain


class Changes(Answer):
    """What changed between two revisions of a report."""

    before: int
    after: int
    changes: list[ChangedField]


@router.get("/scans/{key}/report", dependencies=_READ, response_model=BrainReport, responses=_KNOWN)
def get_report(
    context: Context,
    tenant: CurrentTenant,
    request: Request,
    key: Key,
    revision: RevisionNumber = None,
) -> Response:
    """The report as JSON, see `/reports/schema.json`."""
    report = _report(context, tenant, key, revision)
    return _content(request, report.model_dump_json().encode(), "application/json")


@router.get(
    "/scans/{key}/report.txt",
    dependencies=_READ,
    response_class=Response,
    responses=_content_of("text/plain"),
)
def get_report_text(
    context: Context,
    tenant: CurrentTenant,
    request: Request,
    key: Key,
    revision: RevisionNumber = None,
) -> Response:
    """The report as plain text."""
    report = _report(context, tenant, key, revision)
    return _content(request, report_text(report).encode(), "text/plain; charset=utf-8")


@router.get(
    "/scans/{key}/report.pdf",
    dependencies=_READ,
    response_class=Response,
    responses=_content_of("application/pdf"),
)
def get_report_pdf(
    context: Context,
    tenant: CurrentTenant,
    request: Request,
    key: Key,
    revision: RevisionNumber = None,
) -> Response:
    """The report's text and picture as PDF."""
    report = _report(context, tenant, key, revision)
    picture = context.store.report_reader.picture(tenant, key, report.revision)
    return _content(
        request, report_pdf(report, picture), "application/pdf", f"{report.scan_id}.pdf"
    )


@router.get(
    "/scans/{key}/picture.png",
    dependencies=_READ,
    response_class=Response,
    responses=_content_of("image/png"),
)
def get_picture(
    context: Context,
    tenant: CurrentTenant,
    request: Request,
    key: Key,
    revision: RevisionNumber = None,
) -> Response:
    """The picture of the report."""
    png = context.store.report_reader.picture(tenant, key, revision)
    if png is None:
        missing = Problem(
            404,
            "not_found",
            "There is no picture of this report: Fr-BRAIN draws them with BRAIN_PICTURES=1.",
        )
        raise absent(context, tenant, key, missing)
    return _content(request, png, "image/png")


@router.get("/scans/{key}/revisions", dependencies=_READ, responses=GONE)
def list_revisions(context: Context, tenant: CurrentTenant, key: Key) -> Revisions:
    """The revisions of the report."""
    found = context.store.report_reader.revisions(tenant, key)
    if not found:
        raise absent(context, tenant, key, no_report())
    names = RevisionItem.model_fields
    items = [
        RevisionItem(
            **{name: getattr(one, name) for name in names if name != "verdict"},
            verdict=one_of(Verdict, one.verdict),
        )
        for one in found
    ]
    return Revisions(items=items, total=len(items))


@router.get("/scans/{key}/changes", dependencies=_READ, responses=GONE)
def list_changes(
    context: Context,
    tenant: CurrentTenant,
    key: Key,
    before: Annotated[int, Query(alias="from", ge=1, le=REVISION_MAX)],
    after: Annotated[int, Query(alias="to", ge=1, le=REVISION_MAX)],
) -> Changes:
    """What changed between two revisions of the report."""
    old, new = (_report(context, tenant, key, revision) for revision in (before, after))
    found = [
        ChangedField(field=one.field, before=one.before, after=one.after)
        for one in changes(old, new)
    ]
    return Changes(before=before, after=after, changes=found)


@router.get(
    "/reports/schema.json",
    dependencies=_READ,
    response_class=JSONResponse,
    responses={200: {"content": {"application/json": {"schema": _SCHEMA}}}},
)
def get_schema() -> Response:
    """The JSON schema of a report."""
    return JSONResponse(report_schema())


@router.get(
    "/reports.csv",
    dependencies=_READ,
    response_class=Response,
    responses={200: a_file("text/csv")},
)
def export_reports(context: Context, asked: AskedScans) -> Response:
    """Export the main results of the reports of these scans, a row for each report. The file is
    streamed: it is complete only if the transfer ends without an error."""
    # Read before the answer begins, so that an unreachable database gives a problem.
    first = context.store.scan_pages.keys(asked, _PAGE)
    headers = {
        "Content-Disposition": 'attachment; filename="reports.csv"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(
        _rows(context, asked, first), 200, headers, media_type="text/csv; charset=utf-8"
    )


def _rows(context: Context, asked: Asked, page: KeyPage) -> Iterator[str]:
    written = io.StringIO()
    writer = csv.DictWriter(written, list(ABOUT_REPORT))
    writer.writeheader()
    after: Place | None
    while True:
        for report in context.store.report_reader.of(asked.tenant, page.keys):
            writer.writerow(about_report(report))
        yield written.getvalue()
        written.seek(0)
        written.truncate()
        if (after := page.next) is None:
            return
        page = context.store.scan_pages.keys(asked, _PAGE, after)


def _report(context: Context, tenant: CurrentTenant, key: str, revision: int | None) -> BrainReport:
    report = context.store.report_reader.get(tenant, key, revision)
    if report is None:
        raise absent(context, tenant, key, no_report())
    return report


def no_report() -> Problem:
    """The problem of a report that does not exist."""
    return Problem(
        404,
        "no_report",
        "There is no such report; check the scan's id, its state and the revision.",
    )


def _content(request: Request, content: bytes, kind: str, name: str | None = None) -> Response:
    headers = {
        "ETag": content_etag(content),
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(content, 200, headers, media_type=kind)
