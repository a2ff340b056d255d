"""Whether this process runs, and whether it can do its work."""

from typing import Literal

from fastapi import APIRouter

from common.errors import SchemaOlder, StoreRefused, StoreUnavailable
from fr_hub.web.access import anyone, recorded_as
from fr_hub.web.context import Context
from fr_hub.web.models import Answer
from fr_hub.web.problems import Problem

router = APIRouter(prefix="/health", tags=["health"])


class Health(Answer):
    """The process is well; otherwise, the answer is an error."""

    status: Literal["ok"] = "ok"


@router.get("/ping", dependencies=[anyone(), recorded_as(None)])
def ping() -> Health:
    """Whether the process answers."""
    return Health()


@router.get("/ready", dependencies=[anyone(), recorded_as(None)])
def ready(context: Context) -> Health:
    """Whether the store can be reached and has this release's schema."""
    try:
        context.check_schema()
    except StoreUnavailable:
        raise Problem(
            503, "store_unavailable", "The database cannot be reached.", {"Retry-After": "5"}
        ) from None
    except (SchemaOlder, StoreRefused) as error:
        raise Problem(503, "schema", str(error)) from None
    return Health()
