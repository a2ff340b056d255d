"""Scans: a list of them."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from common.domain.user import Right
from common.store.scan_list import Wanted
from fr_hub.web.access import CurrentTenant, requires
from fr_hub.web.context import Context

router = APIRouter(prefix="/scans", tags=["scans"])


class Scan(BaseModel):
    """A scan in a list."""

    key: str
    state: str
    received_at: datetime | None


class ScanPage(BaseModel):
    """Some scans, the newest first."""

    items: list[Scan]
    next: str | None = None


@router.get("", dependencies=[requires(Right.READ)])
def list_scans(context: Context, tenant: CurrentTenant) -> ScanPage:
    """The newest scans."""
    found = context.store.scan_list.scans(Wanted(limit=50))
    mine = [one for one in found if one.pacs is not None and tenant.owns(one.pacs)]
    items = [Scan(key=one.key, state=one.state, received_at=one.received_at) for one in mine]
    return ScanPage(items=items)
