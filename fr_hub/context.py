"""What most of Fr-HUB's objects work with."""

from dataclasses import dataclass

from common.audit.writer import AuditWriter
from common.runtime.logger import Log
from common.settings.hub import HubSettings
from fr_hub.async_store import AsyncStore
from fr_hub.memory_budget import MemoryBudget


@dataclass(frozen=True, slots=True)
class HubContext:
    """One running Fr-HUB."""

    settings: HubSettings
    store: AsyncStore
    audit: AuditWriter
    log: Log
    memory_budget: MemoryBudget
    """For the scans and reports in transit."""


def memory_budget(settings: HubSettings) -> MemoryBudget:
    """The budget that the settings allow, with a share for each known Fr-PACS."""
    return MemoryBudget(settings.hub_memory_mib * 2**20, settings.hub_pacs)
