"""What operators do to scans: many at once, each with its outcome, or a dry run."""

from fastapi import APIRouter

from common.domain.user import Right
from fr_hub.web import scan_changes
from fr_hub.web.access import CurrentTenant, CurrentUser, requires
from fr_hub.web.context import Context
from fr_hub.web.scan_changes import Outcomes, Scans, ScansOfAnalyzer, ScansWithPriority

router = APIRouter(prefix="/scans", tags=["scans"])


@router.post("/requeue", dependencies=[requires(Right.OPERATE)])
def requeue(context: Context, tenant: CurrentTenant, user: CurrentUser, wanted: Scans) -> Outcomes:
    """Return failed scans to the queue, with all their attempts."""
    return scan_changes.requeue(context.store, tenant, wanted, user.user)


@router.post("/reanalyze", dependencies=[requires(Right.OPERATE)])
def reanalyze(
    context: Context, tenant: CurrentTenant, user: CurrentUser, wanted: ScansOfAnalyzer
) -> Outcomes:
    """Analyse scans again with the analyzers that are installed now. Their reports get a new
    revision; the earlier ones are kept."""
    return scan_changes.reanalyze(context.store, tenant, wanted, user.user)


@router.post("/priority", dependencies=[requires(Right.OPERATE)])
def prioritize(
    context: Context, tenant: CurrentTenant, user: CurrentUser, wanted: ScansWithPriority
) -> Outcomes:
    """Change the priority of waiting scans."""
    return scan_changes.prioritize(context.store, tenant, wanted, user.user)


@router.post("/erase", dependencies=[requires(Right.OPERATE)])
def erase(context: Context, tenant: CurrentTenant, user: CurrentUser, wanted: Scans) -> Outcomes:
    """Erase scans: voxels, reports, history, pictures and label maps. Nothing brings them back, and
    a scan that was erased is refused when it comes again."""
    return scan_changes.erase(context.store, tenant, wanted, user.user)
