"""Why a part of a scan is not there: it may have been erased with the scan."""

from typing import Any

from common.domain.tenant import Tenant
from fr_hub.web.context import WebContext
from fr_hub.web.models import known_state
from fr_hub.web.problems import Problem

GONE: dict[int | str, dict[str, Any]] = {
    410: {
        "description": "Gone: the scan was erased, or retention removed it (`code` is `erased` or "
        "`purged`). Only its state is left."
    }
}
"""For ``responses`` of a route that answers with a part of a scan."""

_WHY = {
    "erased": "was erased: its voxels, reports and pictures were deleted, for good.",
    "purged": "was removed by retention: its voxels, reports and pictures are no longer stored.",
}


def absent(
    context: WebContext, tenant: Tenant, key: str, otherwise: Problem, what: str = "scan"
) -> Problem:
    """The problem of a scan that lacks what was asked for: 410 if nothing is left of the scan.

    Args:
        otherwise: the problem if the scan is there, or does not exist for the tenant.
        what: what users call the scan.
    """
    found = context.store.scan_pages.these(tenant, [key])
    return (found and gone(known_state(found[0].listed.state), what)) or otherwise


def gone(state: str, what: str) -> Problem | None:
    """The problem of a scan of which nothing is left; None if this is not its state."""
    why = _WHY.get(state)
    return None if why is None else Problem(410, state, f"This {what} {why}")
