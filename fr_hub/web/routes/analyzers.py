"""Analyzers by the reports that they made, and failed scans by their causes."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import TypeAdapter, ValidationError

from common.domain.types import Document
from common.domain.user import Right
from fr_hub.web.access import CurrentTenant, requires
from fr_hub.web.context import Context
from fr_hub.web.cursors import Cursor, Limit, cursor_of, not_a_cursor, values_of
from fr_hub.web.models import Answer, ListAnswer, Plain
from fr_hub.web.scan_models import ScanPage, ScanSummary

router = APIRouter(tags=["reports"])

_READ = [requires(Right.READ)]


_Parameter = Plain | tuple[float, ...]
_PARAMETER: TypeAdapter[_Parameter] = TypeAdapter(_Parameter)


class Version(Answer):
    """A version of an analyzer, and how many scans have a report by it."""

    version: str
    scans: int
    newest_at: datetime


class Analyzer(Version):
    """An analyzer: the version that made the newest report, and the other ones."""

    name: str
    parameters: dict[str, _Parameter]
    """Of the newest report."""
    older: list[Version]


class Installed(Answer):
    """An analyzer of a running Fr-BRAIN."""

    name: str
    version: str
    scan_types: list[str]
    """Types of scan that it reads."""


class Analyzers(ListAnswer):
    """All analyzers that made a report, and those that can make one now."""

    items: list[Analyzer]
    installed: list[Installed]
    """A reanalysis may choose one of these."""


class FailureCause(Answer):
    """Why scans failed."""

    cause: str
    count: int
    newest_at: datetime | None
    example_ids: list[str]


class Failures(ListAnswer):
    """Why scans failed that are failed now, the most frequent cause first."""

    items: list[FailureCause]
    complete: bool
    """False if so many scans failed that only the latest were counted."""


@router.get("/analyzers", dependencies=_READ)
def list_analyzers(context: Context, tenant: CurrentTenant) -> Analyzers:
    """The analyzers that made the reports."""
    parts = context.store.analyzer_list
    items = []
    for name, group in groupby(parts.versions(tenant), key=lambda one: one.name):
        newest, *others = (
            Version(version=one.version, scans=one.scans, newest_at=one.newest_at) for one in group
        )
        parameters = dict(_whole(parts.parameters(tenant, name, newest.version)))
        items.append(
            Analyzer(name=name, parameters=parameters, older=others, **newest.model_dump())
        )
    installed = [
        Installed(name=one.name, version=one.version, scan_types=list(one.types))
        for one in context.store.units.analyzers()
    ]
    return Analyzers(items=items, installed=installed, total=len(items))


def _whole(stored: Document) -> Iterator[tuple[str, _Parameter]]:
    """The parameters that are not damaged."""
    for name, value in stored.items():
        with contextlib.suppress(ValidationError):
            yield name, _PARAMETER.validate_python(value)


@router.get("/analyzers/{name}/scans", dependencies=_READ)
def list_scans_of_analyzer(
    context: Context,
    tenant: CurrentTenant,
    name: Annotated[str, Path(max_length=64)],
    version: Annotated[str, Query(max_length=32)],
    limit: Limit = 50,
    after: Cursor = None,
) -> ScanPage:
    """List the scans whose current report is by this version of the analyzer, the newest report
    first."""
    place = None
    if after is not None:
        match values_of(after):
            case [int(at), str(key)]:
                place = at, key
            case _:
                raise not_a_cursor()
    keys, later = context.store.analyzer_list.scans(tenant, name, version, limit, place)
    found = context.store.scan_pages.these(tenant, keys)
    following = None if later is None else cursor_of(later)
    return ScanPage(items=list(map(ScanSummary.of, found)), next=following)


@router.get("/failures", dependencies=_READ)
def list_failures(context: Context, tenant: CurrentTenant) -> Failures:
    """Why scans failed."""
    found = context.store.failure_causes.of(tenant)
    items = [
        FailureCause(
            cause=one.cause, count=one.count, newest_at=one.newest_at, example_ids=one.examples
        )
        for one in found.causes
    ]
    total = len(items) if found.complete else None
    return Failures(items=items, complete=found.complete, total=total)
