"""The supervisor finds waiting scans that no claim would."""

from structlog.testing import capture_logs

from common.runtime.logger import get_log
from common.store.db_manager import DBManager
from common.store.unit_parts import brain_parts
from fr_brain.queue_check import QueueCheck
from tests.factories import edit, make_claimable, state_of
from tests.running import until


def test_types_that_nobody_reads_are_logged_and_damaged_scans_fail(store: DBManager) -> None:
    make_claimable(store, 3, scan_type="ecg")
    damaged, good = make_claimable(store, 2)
    edit(store, damaged.key, attempts="many")
    check = QueueCheck(brain_parts(store), lambda: frozenset({"grid"}), get_log(), 1.0, every_s=300)
    try:
        with capture_logs() as logs:
            check.check()
    finally:
        check.close()
    assert (state_of(store, damaged.key), state_of(store, good.key)) == ("Error", "To Do")
    [failed, unread] = logs
    assert failed["scans"] == 1
    assert (unread["scan_type"], unread["scans"]) == ("ecg", 3)


def test_nothing_is_logged_of_types_while_it_is_not_known_which_are_read(store: DBManager) -> None:
    make_claimable(store, 1, scan_type="ecg")
    check = QueueCheck(brain_parts(store), lambda: None, get_log(), 1.0, every_s=300)
    with capture_logs() as logs:
        check.check()
    check.close()
    assert logs == []


def test_it_checks_again_and_again_until_closed(store: DBManager) -> None:
    check = QueueCheck(brain_parts(store), lambda: None, get_log(), 1.0, every_s=0.01)
    [scan] = make_claimable(store, 1)
    edit(store, scan.key, attempts="many")
    until(lambda: state_of(store, scan.key) == "Error")
    check.close()
    check._thread.join(30)
    assert not check._thread.is_alive()
