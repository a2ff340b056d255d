"""When reports and notices are due, whatever the server's clock showed when their time was set."""

from datetime import timedelta
from typing import Any

import pytest

from common.domain.types import utc_now
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.due_times import LONGEST_DELAY_S, due, too_far_ahead
from tests.factories import LONG_AGO, inside

AHEAD = timedelta(seconds=LONGEST_DELAY_S)


@pytest.mark.parametrize(
    ("at", "is_due", "is_too_far"),
    [
        (LONG_AGO, True, False),
        (AHEAD / 2, False, False),
        (AHEAD, False, False),
        (2 * AHEAD, False, True),
        (None, True, False),
        ("text", True, False),
        ({"a": 1}, True, False),
    ],
    ids=str,
)
def test_a_time_is_due_when_it_has_come_or_is_none_or_is_too_far_ahead(
    store: DBManager, at: Any, is_due: bool, is_too_far: bool
) -> None:
    meta = inside(store, Collection.META)
    meta.insert_one({"_id": "x", "at": utc_now() + at if isinstance(at, timedelta) else at})
    this = {"_id": "x"}
    assert (meta.find_one({**this, **due("at")}) is not None) == is_due
    assert (meta.find_one({**this, **too_far_ahead("at")}) is not None) == is_too_far


def test_a_time_that_is_missing_is_due(store: DBManager) -> None:
    inside(store, Collection.META).insert_one({"_id": "x"})
    assert inside(store, Collection.META).find_one({"_id": "x", **due("at")}) is not None
