"""A user who has much replayed waits, and nobody else does."""

import asyncio

import pytest

from fr_hub.web.live.replays import BURST, LEAST, PER_S, ReplayPace


def test_who_asks_again_and_again_waits_and_others_do_not() -> None:
    now = [100.0]
    pace = ReplayPace(lambda: now[0])
    for _ in range(BURST // LEAST):
        assert pace.wait_s("ada") == 0
        pace.count("ada", 0)
    pace.count("ada", 2 * PER_S)
    assert pace.wait_s("ada") == pytest.approx(2)
    assert pace.wait_s("eve") == 0
    now[0] += 2
    assert pace.wait_s("ada") < 0.001


def test_a_turn_comes_and_users_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pace = ReplayPace(lambda: now[0])
    pace.count("ada", BURST + PER_S)
    asyncio.run(pace.turn("ada"))
    assert sum(pauses) == pytest.approx(1)
    now[0] += 1000
    for n in range(3000):
        pace.count(f"user-{n}", 1)
        now[0] += 1
    assert len(pace._free_at) <= 1001
