"""A unit says that it is there."""

import pytest

from common.store import feed
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.presence import present
from tests.factories import inside
from tests.running import until


def test_a_unit_is_there_from_its_start_to_its_end(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BEAT_S", 0.01)

    def states() -> dict[str, str]:
        return {one.unit: one.state for one in store.units.all()}

    with present(store.units, store.connection.feed, "fr-hub", lambda: ["mr-1"]):
        until(lambda: states() == {"fr-hub": "running", "fr-pacs": "connected"}, 10)
        first = inside(store, Collection.EVENTS).find_one()
        assert first is not None
        assert first["o"]
    assert states()["fr-hub"] == "stopped"
    told = [one["e"][0] for one in inside(store, Collection.EVENTS).find({"e": {"$exists": True}})]
    assert [(kind, facts["state"]) for kind, _, facts in told] == [
        ("unit", "running"),
        ("unit", "stopped"),
    ]
