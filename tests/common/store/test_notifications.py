"""Notifications: a wait ends early when there is work, and a lost one hides nothing."""

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pymongo import MongoClient

from common.errors import StoreError, StoreUnavailable
from common.store.collections import Collection, Notification
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.notifications import NotificationListener, Notifications, Subscription
from tests.factories import (
    inside,
    make_claimable,
    make_report,
    make_reports,
    make_scan,
    migrate,
    opened,
    own_mongod,
)
from tests.running import until

LONG_S = 30.0
SHORT_S = 0.1


@contextlib.contextmanager
def subscribed(store: DBManager, what: Notification, poll_s: float) -> Iterator[Subscription]:
    """A subscription after its first wait, which is a false alarm."""
    with contextlib.closing(store.connection.subscribe(what, poll_s)) as subscription:
        assert subscription.wait()
        yield subscription


def wakes(subscription: Subscription, publish: object, within: float = LONG_S / 3) -> bool:
    """Whether ``publish`` ends a wait that has begun, in time."""
    assert callable(publish)
    with ThreadPoolExecutor(1) as thread:
        woken = thread.submit(subscription.wait)
        time.sleep(0.05)  # for the wait to have begun; begun later, it ends all the sooner
        began = time.monotonic()
        publish()
        return woken.result(LONG_S) and time.monotonic() - began < within


def test_the_first_wait_ends_immediately_as_earlier_work_was_not_announced(
    store: DBManager,
) -> None:
    with contextlib.closing(store.connection.subscribe(Notification.SCAN, LONG_S)) as subscription:
        began = time.monotonic()
        assert subscription.wait()
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("what", Notification)
def test_a_notification_ends_a_wait(store: DBManager, what: Notification) -> None:
    with subscribed(store, what, LONG_S) as subscription:
        for _ in range(3):
            assert wakes(subscription, lambda: store.connection.notifications.publish(what))


@pytest.mark.parametrize(("scans", "named"), [(1, True), (2, False)])
def test_a_notification_names_a_scan_that_comes_alone(
    store: DBManager, scans: int, named: bool
) -> None:
    with subscribed(store, Notification.SCAN, LONG_S) as subscription:
        assert subscription.named is None
        added = make_claimable(store, scans)
        assert subscription.wait()
        assert subscription.named == (added[0].key if named else None)


def test_a_notification_names_a_report_that_comes_alone(store: DBManager) -> None:
    with subscribed(store, Notification.REPORT, LONG_S) as subscription:
        [report] = make_reports(store, 1)
        assert subscription.wait()
        assert subscription.named == report.key


def test_notifications_that_come_together_name_nothing(store: DBManager) -> None:
    with subscribed(store, Notification.SCAN, SHORT_S) as subscription:
        for name in ("a", "b"):
            store.connection.notifications.publish(Notification.SCAN, [name])
        until(lambda: inside(store, Collection.NOTIFICATIONS).count_documents({"named": "b"}))
        assert subscription.wait()
        assert subscription.named is None
        store.connection.notifications.publish(Notification.SCAN, ["c"])
        assert subscription.wait()
        assert subscription.named == "c"
        assert not subscription.wait()
        assert subscription.named is None


def test_a_ring_between_two_waits_ends_the_next_and_only_that(store: DBManager) -> None:
    with subscribed(store, Notification.SCAN, SHORT_S) as subscription:
        for _ in range(3):
            store.connection.notifications.publish(Notification.SCAN)
        assert subscription.wait()
        while subscription.wait():  # those that were not taken with the first
            pass
        assert not subscription.wait()


def test_without_a_ring_a_wait_lasts_the_poll_interval(store: DBManager) -> None:
    with subscribed(store, Notification.SCAN, 0.3) as subscription:
        began = time.monotonic()
        assert not subscription.wait()
        assert 0.25 < time.monotonic() - began < 2


def test_the_other_kind_wakes_nobody(store: DBManager) -> None:
    with subscribed(store, Notification.SCAN, SHORT_S) as subscription:
        store.connection.notifications.publish(Notification.REPORT)
        assert not subscription.wait()
        store.connection.notifications.publish(Notification.REPORT)
        store.connection.notifications.publish(Notification.SCAN)
        assert subscription.wait()


def test_many_of_the_other_kind_do_not_make_a_wait_endless(store: DBManager) -> None:
    over = threading.Event()

    def publish() -> None:
        while not over.is_set():
            store.connection.notifications.publish(Notification.REPORT)

    with subscribed(store, Notification.SCAN, 0.2) as subscription, ThreadPoolExecutor(1) as thread:
        publishing = thread.submit(publish)
        began = time.monotonic()
        subscription.wait()  # True only if the collection wrapped past it
        assert time.monotonic() - began < 3
        over.set()
        publishing.result()


def test_everybody_who_waits_is_woken(store: DBManager) -> None:
    with contextlib.ExitStack() as stack:
        subscriptions = [
            stack.enter_context(subscribed(store, Notification.SCAN, LONG_S)) for _ in range(3)
        ]
        store.connection.notifications.publish(Notification.SCAN)
        with ThreadPoolExecutor(3) as threads:
            assert all(threads.map(Subscription.wait, subscriptions))


def test_the_store_rings_when_there_is_something_to_do(store: DBManager) -> None:
    make_claimable(store, 3)
    with (
        subscribed(store, Notification.SCAN, LONG_S) as brain,
        subscribed(store, Notification.REPORT, LONG_S) as hub,
    ):
        assert wakes(brain, lambda: store.scans.add([NewScan(*make_scan())]))
        one, two, three = store.claims.claim("a", 3, 60)
        assert wakes(brain, lambda: store.claims.release("a", never_started=[one]))
        assert wakes(brain, lambda: store.claims.fail(two, "cause", 5))
        assert wakes(brain, lambda: store.claims.release("a"))
        assert wakes(hub, lambda: store.claims.complete([(three, make_report(three.scan))]))


def test_a_collection_that_wrapped_past_a_waiter_loses_it_nothing(store: DBManager) -> None:
    with subscribed(store, Notification.SCAN, SHORT_S) as subscription:
        inside(store, Collection.NOTIFICATIONS).insert_many(
            [{"what": Notification.REPORT, "filler": "x" * 1000} for _ in range(200)]
        )
        assert subscription.wait()  # it cannot know what it did not see
        while subscription.wait():
            pass
        store.connection.notifications.publish(Notification.SCAN)
        assert subscription.wait()
        assert inside(store, Collection.NOTIFICATIONS).count_documents({}) < 100


def test_without_a_bell_a_waiter_polls(store: DBManager) -> None:
    inside(store, Collection.NOTIFICATIONS).drop()
    with subscribed(store, Notification.SCAN, SHORT_S) as subscription:
        began = time.monotonic()
        assert subscription.wait()
        assert time.monotonic() - began >= SHORT_S


def test_making_the_bell_again_keeps_it(store: DBManager) -> None:
    notifications = inside(store, Collection.NOTIFICATIONS)
    before = notifications.count_documents({})
    assert before
    migrate(store.connection.uri, store.connection.name)
    assert notifications.count_documents({}) == before
    assert notifications.options()["capped"] is True


@pytest.mark.long
def test_a_subscription_reports_an_unreachable_mongodb_and_recovers(tmp_path: Path) -> None:
    with (
        own_mongod(tmp_path) as running,
        opened(running.uri, "fr", timeout_s=2) as store,
        # Waited for twice: a restarted mongod keeps no cursor open before a notification.
        subscribed(store, Notification.SCAN, 3.0) as subscription,
        ThreadPoolExecutor(1) as thread,
    ):
        gone = thread.submit(subscription.wait)
        running.kill()
        with pytest.raises(StoreUnavailable):
            gone.result(LONG_S)
        with own_mongod(tmp_path):
            assert subscription.wait()  # work from the outage was not announced
            store.connection.notifications.publish(Notification.SCAN)
            assert subscription.wait()


def test_publishing_to_an_unreachable_mongodb_raises_nothing() -> None:
    with MongoClient[dict[str, object]]("mongodb://127.0.0.1:1/", timeoutMS=50) as client:
        Notifications(client["fr"]).publish(Notification.SCAN)


def test_what_rang_just_before_the_store_was_closed_is_heard(
    store: DBManager, mongodb_uri: str
) -> None:
    other = DBManager(mongodb_uri, store.connection.name)

    def ring_and_leave() -> None:
        other.scans.add([NewScan(*make_scan())])
        other.close()

    with subscribed(store, Notification.SCAN, LONG_S) as subscription:
        assert wakes(subscription, ring_and_leave)
    other.close()


def test_closing_a_waiter_ends_its_wait_with_an_error(store: DBManager) -> None:
    with subscribed(store, Notification.SCAN, 0.5) as subscription, ThreadPoolExecutor(1) as thread:
        wait = thread.submit(lambda: [subscription.wait() for _ in range(3)])
        subscription.close()
        with pytest.raises(StoreError):
            wait.result(LONG_S)


def test_a_listener_hears_each_wake_up_until_it_is_closed(store: DBManager) -> None:
    notified = threading.Semaphore(0)
    with contextlib.closing(
        NotificationListener(
            store.connection.subscribe(Notification.SCAN, LONG_S), lambda _: notified.release(), 0.1
        )
    ):
        assert notified.acquire(timeout=10)  # earlier work was not announced
        for _ in range(3):
            store.scans.add([NewScan(*make_scan())])
            assert notified.acquire(timeout=10)
    while notified.acquire(timeout=0.5):  # false alarms are allowed
        pass
    store.scans.add([NewScan(*make_scan())])
    assert not notified.acquire(timeout=0.5)


def test_a_listener_survives_an_unreachable_mongodb(tmp_path: Path) -> None:
    notified = threading.Semaphore(0)
    with (
        own_mongod(tmp_path) as running,
        opened(running.uri, "fr") as store,
        contextlib.closing(
            NotificationListener(
                store.connection.subscribe(Notification.SCAN, 0.2),
                lambda _: notified.release(),
                0.1,
            )
        ),
    ):
        assert notified.acquire(timeout=10)
        running.kill()
        with own_mongod(tmp_path):
            assert notified.acquire(timeout=30)  # work from the outage was not announced
            store.scans.add([NewScan(*make_scan())])
            assert notified.acquire(timeout=10)
