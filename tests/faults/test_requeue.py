"""Only scans that kills have failed are requeued."""

from common.store.db_manager import DBManager
from common.store.endings import NO_ANSWER
from tests.factories import make_failed, state_of
from tests.faults.requeue import requeue_killed


def test_scans_that_kills_have_failed_are_requeued_and_no_others(store: DBManager) -> None:
    [killed] = make_failed(store, 1, NO_ANSWER, owner="a")
    [meant] = make_failed(store, 1, NO_ANSWER, owner="b")
    [other] = make_failed(store, 1, "no brain in it", owner="c")
    assert requeue_killed(store, {meant}) == 1
    assert [state_of(store, key) for key in (killed, meant, other)] == ["To Do", "Error", "Error"]
    assert requeue_killed(store, {meant}) == 0
