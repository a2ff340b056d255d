"""Whether the audit trail is whole."""

from datetime import datetime

from fastapi import APIRouter, Response

from common.audit.verification import NO_TRAIL, SCHEMA, AuditVerdict, Finding
from common.domain.scan_key import pacs_of
from common.domain.tenant import Tenant
from common.domain.types import DEFAULT_TENANT
from common.domain.user import Right
from common.store.tenancy import is_owned
from fr_hub.web.access import CurrentTenant, requires
from fr_hub.web.context import Context
from fr_hub.web.models import Answer

router = APIRouter(prefix="/audit", tags=["audit"])

_OF_THE_WHOLE = (SCHEMA, NO_TRAIL)
"""Findings about no scan: those of all tenants."""


class TrailFinding(Answer):
    """One kind of finding."""

    what: str
    count: int
    named: list[str]
    """The first of them: keys of the tenant's scans, and, in the tenant `default`, places in the
    trail."""


class TrailResult(Answer):
    """The result of a verification of the trail, as `fr audit` has it."""

    checked_at: datetime
    whole: bool
    """There is no gap and no problem, whichever tenant's."""
    entries: int
    chains: int
    open_chains: int
    """Chains without an end: their writers run, or were killed."""
    not_anchored: int
    """Entries at the ends of chains that no other chain names yet: their removal would go
    unnoticed."""
    events: dict[str, int]
    """Numbers of events by kind."""
    problems: TrailFinding
    """What was changed or removed."""
    gaps: list[TrailFinding]
    """What the trail should have and has not, or has and the store has not."""
    notes: list[TrailFinding]
    """For information."""


class TrailCheckAnswer(Answer):
    """The last verification of the trail."""

    running: bool
    """One is under way, which takes long: ask again for its result."""
    result: TrailResult | None
    """Null: none has ended since this process began."""


@router.get(
    "/verify",
    dependencies=[requires(Right.AUDIT)],
    responses={202: {"model": TrailCheckAnswer, "description": "It is under way: ask again"}},
)
async def verify_trail(
    context: Context, tenant: CurrentTenant, response: Response
) -> TrailCheckAnswer:
    """Verify the audit trail, and compare it with the store. Reads all of it: a result is kept for
    a minute, and one that takes more than 20 s comes with a later request (202)."""
    check = context.trail_check
    found = await check.result()
    if found is None:
        response.status_code = 202
        response.headers["Retry-After"] = "20"
    last = found or check.last
    result = None if last is None else _shown(last.verdict, last.at, tenant)
    return TrailCheckAnswer(running=found is None, result=result)


def _shown(verdict: AuditVerdict, at: datetime, tenant: Tenant) -> TrailResult:
    return TrailResult(
        checked_at=at,
        whole=not verdict.total,
        entries=verdict.entries,
        chains=verdict.chains,
        open_chains=verdict.open_chains,
        not_anchored=verdict.not_anchored,
        events=verdict.events,
        problems=_seen("removed or changed", verdict.problems, tenant, of_all=True),
        gaps=[_seen(k, f, tenant, of_all=k in _OF_THE_WHOLE) for k, f in verdict.gaps.items()],
        notes=[_seen(k, f, tenant) for k, f in verdict.notes.items()],
    )


def _seen(what: str, finding: Finding, tenant: Tenant, *, of_all: bool = False) -> TrailFinding:
    """What a tenant may know of a finding; what it is not told of its scans is not counted."""
    named = [name for name in finding.named if _may_see(name, tenant)]
    hidden = 0 if of_all else len(finding.named) - len(named)
    return TrailFinding(what=what, count=finding.count - hidden, named=named)


def _may_see(name: str, tenant: Tenant) -> bool:
    key = name.partition(": ")[0]  # of a damaged one, what is wrong follows
    return tenant.name == DEFAULT_TENANT if pacs_of(key) is None else is_owned(tenant, key)
