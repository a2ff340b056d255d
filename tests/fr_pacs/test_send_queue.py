"""The send queue: scans that wait, are in flight or postponed, and the order that they keep."""

from types import SimpleNamespace

import pytest

from fr_pacs.send_queue import OVERHEAD_BYTES, PendingScan, SendQueue
from fr_pacs.sources.base import LoadedScan
from tests.factories import make_scan

LARGE_BYTES = 500_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still; a test sets ``now``."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("fr_pacs.send_queue.time", clock)
    return clock


def queue_of(*sizes: int) -> SendQueue:
    """A queue of scans with so many bytes of voxels, labelled by their place."""
    queue = SendQueue()
    for number, size in enumerate(sizes):
        scan, voxels = make_scan(voxels=bytes(size), shape=(size // 10, 10))
        queue.add(str(number), LoadedScan(scan, voxels))
    return queue


def labels(scans: list[PendingScan]) -> str:
    """Their labels, together."""
    return "".join(scan.label for scan in scans)


def start(queue: SendQueue, limit: int = 100) -> list[PendingScan]:
    """Put the next batch in flight."""
    batch = queue.next_batch(limit)
    queue.start(batch)
    return batch


def test_small_scans_are_sent_together_and_a_large_one_alone() -> None:
    queue = queue_of(100, 100, 100, LARGE_BYTES, 100)
    assert labels(start(queue, 2)) == "01"
    assert labels(start(queue)) == "2"
    assert labels(start(queue)) == "3"
    assert labels(start(queue)) == "4"
    assert queue.next_batch(100) == []
    assert len(queue) == 5


def test_memory_is_counted_until_a_scan_is_removed() -> None:
    queue = queue_of(100, 200)
    assert queue.bytes == 300 + 2 * OVERHEAD_BYTES
    batch = start(queue)
    [removed] = queue.remove([batch[0].scan_id, "unknown", batch[0].scan_id])
    assert removed is batch[0]
    assert queue.bytes == 200 + OVERHEAD_BYTES
    assert labels(queue.pending()) == "1"


def test_a_scan_is_new_the_first_time_only() -> None:
    queue = queue_of(100, 100)
    first = queue.next_batch(1)
    assert queue.start(first) == first
    queue.requeue_in_flight()
    both = queue.next_batch(2)
    assert labels(both) == "01"
    assert labels(queue.start(both)) == "1"


def test_a_lost_connection_returns_scans_in_flight_to_the_front_in_order() -> None:
    queue = queue_of(100, 100, 100, 100)
    start(queue, 3)
    queue.requeue_in_flight()
    assert not queue.in_flight
    assert labels(list(queue.waiting)) == "0123"


def test_a_postponed_scan_waits_until_it_is_due_and_then_comes_by_its_age(
    clock: SimpleNamespace,
) -> None:
    queue = queue_of(100, 100, 100)
    first, second = start(queue, 2)
    queue.postpone(second.scan_id, 1.0)
    queue.postpone(first.scan_id, 2.0)
    queue.postpone("unknown", 5.0)
    assert queue.due_in() == 1.0
    queue.requeue_due()
    assert labels(list(queue.waiting)) == "2"
    clock.now += 1.5
    queue.requeue_due()
    assert labels(list(queue.waiting)) == "12"
    assert queue.due_in() == 0.5
    clock.now += 1
    assert queue.due_in() == 0
    queue.requeue_due()
    assert labels(list(queue.waiting)) == "012"
    assert queue.due_in() is None
    assert len(queue) == 3
