"""What operators do to scans: many at once, each with its outcome, or a dry run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Response

from common.domain.tenant import Tenant
from common.domain.user import Right
from common.store.unit_parts import WebStore
from fr_hub.web import scan_changes
from fr_hub.web.access import CurrentTenant, CurrentUser, requires
from fr_hub.web.context import Context, WebContext
from fr_hub.web.idempotency import Creation, CurrentCreation, answered_once
from fr_hub.web.scan_changes import Outcomes, Scans, ScansOfAnalyzer, ScansWithPriority

router = APIRouter(prefix="/scans", tags=["scans"])

_Wanted = TypeVar("_Wanted", bound=Scans)
_Change = Callable[[WebStore, Tenant, _Wanted, str], Outcomes]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks for a change."""

    context: WebContext
    tenant: Tenant
    user: str
    creation: Creation
    response: Response

    def once(self, wanted: _Wanted, change: _Change[_Wanted]) -> Outcomes:
        """Make a change; if it is asked for again with its Idempotency-Key, only answer."""

        def act() -> Outcomes:
            return change(self.context.store, self.tenant, wanted, self.user)

        requests = self.context.store.requests
        return answered_once(self.creation, requests, self.response, wanted, Outcomes, act)


async def _asked(
    context: Context,
    tenant: CurrentTenant,
    user: CurrentUser,
    creation: CurrentCreation,
    response: Response,
) -> _Asked:
    return _Asked(context, tenant, user.user, creation, response)


Asked = Annotated[_Asked, Depends(_asked)]
"""The type of a route's parameter that gets who asks."""


@router.post("/requeue", dependencies=[requires(Right.OPERATE)])
def requeue(asked: Asked, wanted: Scans) -> Outcomes:
    """Return scans to the queue that failed, or lost their report, for as many attempts as a new
    scan has."""
    return asked.once(wanted, scan_changes.requeue)


@router.post("/reanalyze", dependencies=[requires(Right.OPERATE)])
def reanalyze(asked: Asked, wanted: ScansOfAnalyzer) -> Outcomes:
    """Analyse scans again with the analyzers that are installed now, or with one that `using`
    names. Their reports get a new revision; the earlier ones are kept."""
    return asked.once(wanted, scan_changes.reanalyze)


@router.post("/priority", dependencies=[requires(Right.OPERATE)])
def prioritize(asked: Asked, wanted: ScansWithPriority) -> Outcomes:
    """Change the priority of waiting scans."""
    return asked.once(wanted, scan_changes.prioritize)


@router.post("/erase", dependencies=[requires(Right.OPERATE)])
def erase(asked: Asked, wanted: Scans) -> Outcomes:
    """Erase scans: voxels, reports, history, pictures and label maps. This cannot be undone, and Fr
    refuses an erased scan if it is sent again."""
    return asked.once(wanted, scan_changes.erase)
