"""What the routes work with: settings, store, audit trail, log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from common.audit.writer import AuditWriter
from common.domain.tenant import Tenant
from common.runtime.logger import Log
from common.settings.web import WebSettings
from common.store.unit_parts import WebStore
from fr_hub.web.emergency import EmergencyAlarm
from fr_hub.web.guessing import Guessing
from fr_hub.web.passwords import Passwords
from fr_hub.web.trail_check import TrailCheck


@dataclass(frozen=True, slots=True)
class WebContext:
    """One for each process of the API."""

    settings: WebSettings
    store: WebStore
    audit: AuditWriter
    log: Log
    tenants: dict[str, Tenant]
    check_schema: Callable[[], object]
    """``DBManager.check_schema``."""
    trail_check: TrailCheck
    passwords: Passwords = field(default_factory=Passwords)
    guessing: Guessing = field(default_factory=Guessing)
    emergency: EmergencyAlarm = field(default_factory=EmergencyAlarm)


async def context_of(connection: HTTPConnection) -> WebContext:
    """The context of the application that serves this request or WebSocket."""
    context: WebContext = connection.app.state.context
    return context


Context = Annotated[WebContext, Depends(context_of)]
"""The type of a route's parameter that gets the context."""
