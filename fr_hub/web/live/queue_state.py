"""The queue of a tenant, as watchers are told it."""

from common.domain.scan import Priority
from common.domain.states import shown
from common.domain.tenant import Tenant
from common.domain.types import utc_now
from common.store.scan_pages import Asked
from common.store.unit_parts import WebStore
from fr_hub.web.live.messages import Event


def queue_event(store: WebStore, tenant: Tenant) -> Event:
    """How many scans are in each state, and which wait, as an event without number and time.

    Raises:
        StoreError: MongoDB failed.
    """
    counts, waiting = store.scan_counts.of(Asked(tenant)), store.scan_counts.waiting(tenant)
    states: dict[str, int] = {}
    for state, number in counts.states.items():
        states[shown(state)] = states.get(shown(state), 0) + number
    oldest = waiting.oldest_at
    return {
        "at": utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "kind": "queue",
        "states": states,
        "priorities": {str(one): waiting.priorities.get(str(one), 0) for one in Priority},
        "oldest_waiting_at": None if oldest is None else oldest.isoformat().replace("+00:00", "Z"),
    }
