"""The connection to Fr-HUB: when it is opened, which refusal is final, when it is retried."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from common.errors import PeerAway, ProtocolError, Refusal
from common.runtime.logger import AvailabilityLog, get_log
from common.settings.pacs import PacsSettings
from common.wire.messages import Nack
from fr_pacs.hub_connection import FINAL_AFTER, HubConnection
from tests.fr_pacs.streams import Hub, pacs_settings
from tests.running import POLICY, until


@pytest.fixture
def settings() -> PacsSettings:
    return pacs_settings()


@pytest.fixture
def connection(settings: PacsSettings) -> Iterator[HubConnection]:
    with contextlib.closing(
        HubConnection(settings, AvailabilityLog(get_log(), "Fr-HUB"), POLICY)
    ) as connection:
        yield connection


def opened(connection: HubConnection) -> tuple[threading.Thread, list[Any]]:
    """Open the connection in a thread: it waits for the hub's welcome. Its result, or error."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(connection.open())
        except ProtocolError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_the_window_is_what_the_hub_welcomes_with(
    settings: PacsSettings, connection: HubConnection
) -> None:
    with Hub(settings) as hub:
        thread, outcome = opened(connection)
        with contextlib.closing(hub.accept(window=7)):
            thread.join(10)
            assert outcome == [7]
            assert connection.channel is not None
            assert connection.open() is None  # it is open already
    connection.close()
    connection.close()
    assert connection.channel is None


def test_an_unreachable_hub_is_tried_again_later(connection: HubConnection) -> None:
    assert connection.open() is None
    assert connection.channel is None
    assert 0 <= connection.due_in() <= 0.1


@pytest.mark.parametrize("acknowledged", [False, True])
def test_pauses_grow_with_each_try_and_start_small_after_an_acknowledgement(
    settings: PacsSettings,
    connection: HubConnection,
    monkeypatch: pytest.MonkeyPatch,
    acknowledged: bool,
) -> None:
    failures: list[int] = []

    def pause(count: int) -> float:
        failures.append(count)
        return 0.0

    monkeypatch.setattr("fr_pacs.hub_connection.backoff_s", pause)
    for _ in range(3):
        connection.lost(PeerAway("for this test"))
    with Hub(settings) as hub:
        thread, _ = opened(connection)
        with contextlib.closing(hub.accept()):
            thread.join(10)
    if acknowledged:
        connection.proved()
    connection.lost(PeerAway("for this test"))
    assert failures == [0, 1, 2, 0 if acknowledged else 3]


def test_a_try_that_is_not_due_is_not_made(
    settings: PacsSettings, connection: HubConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fr_pacs.hub_connection.backoff_s", lambda _: 60.0)
    connection.lost(PeerAway("for this test"))
    with Hub(settings):
        assert connection.open() is None  # it would wait for a welcome
    assert 59 < connection.due_in() <= 60


def refused(hub: Hub, connection: HubConnection, code: Refusal, *, retry: bool) -> Any:
    """What opening a connection gives that the hub refuses."""
    until(lambda: connection.due_in() == 0)
    thread, outcome = opened(connection)
    with contextlib.closing(hub.accept_in_silence()) as channel:
        channel.send(Nack(None, code, "for this test", retry=retry))
        thread.join(10)
    [result] = outcome
    return result


def welcomed(hub: Hub, connection: HubConnection) -> Any:
    """What opening a connection gives that the hub accepts; closes it again."""
    until(lambda: connection.due_in() == 0)
    thread, outcome = opened(connection)
    with contextlib.closing(hub.accept(window=3)):
        thread.join(10)
    connection.close()
    return outcome


@pytest.mark.parametrize(
    ("code", "retry", "final"),
    [
        (Refusal.UNKNOWN_PACS, False, True),
        (Refusal.UNAUTHENTICATED, False, True),
        (Refusal.LIMIT, True, False),
        (Refusal.MALFORMED, False, False),
    ],
)
def test_a_refusal_that_no_retry_can_fix_is_raised_when_it_repeats(
    settings: PacsSettings, connection: HubConnection, code: Refusal, retry: bool, final: bool
) -> None:
    with Hub(settings) as hub:
        tries = [refused(hub, connection, code, retry=retry) for _ in range(FINAL_AFTER)]
        assert tries[:-1] == [None] * (FINAL_AFTER - 1)
        assert isinstance(tries[-1], ProtocolError) == final


def test_refusals_between_which_the_hub_welcomes_this_unit_are_damage_on_the_way(
    settings: PacsSettings, connection: HubConnection
) -> None:
    with Hub(settings) as hub:
        for _ in range(FINAL_AFTER):
            assert refused(hub, connection, Refusal.UNAUTHENTICATED, retry=False) is None
            assert welcomed(hub, connection) == [3]
