"""The queue as watchers are told it."""

from common.domain.scan import Priority
from common.domain.tenant import tenants_of
from common.store.db_manager import DBManager
from common.store.unit_parts import web_parts
from fr_hub.web.live.queue_state import queue_event
from tests.factories import make_claimable


def test_the_queue_is_that_of_the_tenant(store: DBManager) -> None:
    make_claimable(store, 2, priority=Priority.STAT)
    make_claimable(store, 1, pacs="mr-1")
    store.claims.claim("owner-1-1-1", 1, 30.0)
    tenants = tenants_of({"north": ("mr-1",)})
    mine, north = (queue_event(web_parts(store), tenants[name]) for name in ("default", "north"))
    assert mine["kind"] == "queue"
    assert mine["states"] == {"waiting": 1, "analysing": 1}
    assert mine["priorities"] == {"stat": 1, "urgent": 0, "routine": 0, "background": 0}
    assert str(mine["oldest_waiting_at"]).endswith("Z")
    assert north["states"] == {"waiting": 1}
