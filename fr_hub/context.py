"""What most of Fr-HUB's objects work with."""

from dataclasses import dataclass

from common.audit.writer import AuditWriter
from common.runtime.logger import Log
from common.settings.loading import HubSettings
from fr_hub.async_store import AsyncStore


@dataclass(frozen=True, slots=True)
class HubContext:
    """One running Fr-HUB."""

    settings: HubSettings
    store: AsyncStore
    audit: AuditWriter
    log: Log
