"""The trail is verified once at a time, and its result is kept for a while."""

import asyncio
import threading

import pytest

from common.audit.verification import AuditVerdict, AuditVerifier
from common.errors import StoreUnavailable
from common.runtime.logger import get_log
from common.store.db_manager import DBManager
from fr_hub.web import trail_check
from fr_hub.web.trail_check import TrailCheck


class Gated:
    """Verifies once the gate is open, and counts how often."""

    def __init__(self, store: DBManager) -> None:
        self.store = store
        self.gate = threading.Event()
        self.count = 0

    def __call__(self) -> AuditVerdict:
        self.count += 1
        assert self.gate.wait(30)
        return AuditVerifier(self.store).run()


def test_those_who_ask_together_get_one_verification(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = Gated(store)
    check = TrailCheck(verify, get_log())

    async def run() -> None:
        assert await check.result(0.01) is None  # it takes longer
        assert check.last is None
        waiting = [asyncio.create_task(check.result(30)) for _ in range(3)]
        await asyncio.sleep(0)
        verify.gate.set()
        first, *others = await asyncio.gather(*waiting)
        assert first is not None
        assert others == [first, first]
        assert first.verdict.chains == 0
        assert await check.result() is check.last is first
        assert verify.count == 1
        monkeypatch.setattr(trail_check, "FRESH_S", 0)
        assert await check.result() is not first
        assert verify.count == 2

    asyncio.run(run())


def test_what_prevents_it_is_told_and_the_next_request_tries_again() -> None:
    tries = 0

    def fail() -> AuditVerdict:
        nonlocal tries
        tries += 1
        raise StoreUnavailable("away")

    async def run() -> None:
        check = TrailCheck(fail, get_log())
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await check.result()

    asyncio.run(run())
    assert tries == 2
