"""Whether the audit trail is whole."""

from collections.abc import Mapping
from datetime import datetime

from fastapi import APIRouter, Response

from common.audit.verification import NAMED, AuditVerdict, Finding
from common.domain.scan_key import pacs_of
from common.domain.tenant import Tenant
from common.domain.types import DEFAULT_TENANT
from common.domain.user import Right
from common.store.tenancy import is_owned
from fr_hub.web.access import CurrentTenant, requires
from fr_hub.web.context import Context
from fr_hub.web.models import Answer

router = APIRouter(prefix="/audit", tags=["audit"])


class TrailFinding(Answer):
    """One kind of finding."""

    what: str
    count: int
    """The tenant `default` gets the count for all tenants, other tenants only for their scans."""
    named: list[str]
    """The first findings: keys of the tenant's scans, and, in the tenant `default`, places in the
    trail."""


class TrailResult(Answer):
    """The result of a verification of the trail, as `fr audit` has it. Only auditors of the tenant
    `default` get the numbers of the whole trail; for others, they are null."""

    checked_at: datetime
    whole: bool
    """Nothing is missing and nothing was changed, in the part of any tenant."""
    entries: int | None
    """Number of entries."""
    chains: int | None
    """Number of chains: each start of a process writes one."""
    open_chains: int | None
    """Chains without an end: the processes that write them are running, or were killed."""
    not_anchored: int | None
    """Entries at the ends of chains that no other chain names yet: their removal would go
    unnoticed."""
    events: dict[str, int] | None
    """Number of events by kind."""
    problems: TrailFinding | None
    """What was changed or removed."""
    gaps: list[TrailFinding]
    """What is missing in the trail or in the store, compared with the other one."""
    notes: list[TrailFinding]
    """For information."""


class TrailCheckAnswer(Answer):
    """The last verification of the trail."""

    running: bool
    """A verification is still running: ask again for its result."""
    result: TrailResult | None
    """Null if no verification has ended since this process started."""


@router.get(
    "/verify",
    dependencies=[requires(Right.AUDIT)],
    responses={
        202: {"model": TrailCheckAnswer, "description": "The verification is running: ask again"}
    },
)
async def verify_trail(
    context: Context, tenant: CurrentTenant, response: Response
) -> TrailCheckAnswer:
    """Verify the audit trail, and compare it with the store. This reads the whole trail, so the
    result is kept for a minute. If it takes longer than 20 s, the answer is 202: ask again."""
    check = context.trail_check
    found = await check.result()
    if found is None:
        response.status_code = 202
        response.headers["Retry-After"] = "20"
    last = found or check.last
    result = None if last is None else _shown(last.verdict, last.at, tenant)
    return TrailCheckAnswer(running=found is None, result=result)


def _shown(verdict: AuditVerdict, at: datetime, tenant: Tenant) -> TrailResult:
    is_all = tenant.name == DEFAULT_TENANT  # its auditors serve the whole installation
    return TrailResult(
        checked_at=at,
        whole=not verdict.total,
        entries=verdict.entries if is_all else None,
        chains=verdict.chains if is_all else None,
        open_chains=verdict.open_chains if is_all else None,
        not_anchored=verdict.not_anchored if is_all else None,
        events=verdict.events if is_all else None,
        problems=_all("removed or changed", verdict.problems, tenant) if is_all else None,
        gaps=_seen(verdict.gaps, tenant),
        notes=_seen(verdict.notes, tenant),
    )


def _seen(findings: Mapping[str, Finding], tenant: Tenant) -> list[TrailFinding]:
    seen = _all if tenant.name == DEFAULT_TENANT else _own
    return [seen(what, finding, tenant) for what, finding in findings.items()]


def _all(what: str, finding: Finding, tenant: Tenant) -> TrailFinding:
    """A finding, with all of its numbers; the scans of other tenants are not named."""
    named = [name for name in finding.named if not _is_another_ones(name, tenant)]
    return TrailFinding(what=what, count=finding.count, named=named)


def _own(what: str, finding: Finding, tenant: Tenant) -> TrailFinding:
    """What a finding says of a tenant's scans."""
    own = [one for pacs, one in finding.of_pacs.items() if tenant.owns(pacs)]
    named = [name for one in own for name in one.named]
    return TrailFinding(what=what, count=sum(one.count for one in own), named=named[:NAMED])


def _is_another_ones(name: str, tenant: Tenant) -> bool:
    key = name.partition(": ")[0]  # of a damaged one, what is wrong follows
    return pacs_of(key) is not None and not is_owned(tenant, key)
