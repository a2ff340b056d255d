"""A command's own chain in the audit trail."""

from pathlib import Path

import pytest

from common.audit.recorded_command import recorded_command
from common.errors import StoreUnavailable
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside, opened, own_mongod


def test_a_command_has_a_chain_of_its_own_with_who_ran_it(store: DBManager) -> None:
    with recorded_command(store, "requeue", get_log()) as recorded:
        recorded.failed_scans.requeue(["one"])
    entries = inside(store, Collection.AUDIT).find(sort=[("_id", 1)])
    events = [event for entry in entries for event in entry["events"]]
    assert [event["kind"] for event in events] == ["opened", "requeue", "closed"]
    assert events[0]["unit"] == "requeue"
    assert events[0]["by"]


def test_a_command_whose_events_cannot_be_written_changes_nothing_and_fails(tmp_path: Path) -> None:
    with own_mongod(tmp_path) as mongod, opened(mongod.uri, "fr", timeout_s=1) as store:
        mongod.kill()
        with (
            pytest.raises(StoreUnavailable),
            recorded_command(store, "requeue", get_log(), 0.2) as recorded,
        ):
            recorded.failed_scans.requeue(["one"])
