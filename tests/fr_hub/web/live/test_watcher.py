"""The queue of a client."""

import asyncio

from fr_hub.web.live.messages import message, told
from fr_hub.web.live.watcher import UNREAD_MAX, Watcher


def test_messages_come_in_order_and_together() -> None:
    async def run() -> None:
        watcher = Watcher("ada")
        waiting = asyncio.ensure_future(watcher.next())
        await asyncio.sleep(0)
        first, second = message(1, [told("ready", 1)]), message(2, [])
        watcher.put(first)
        watcher.put(second)
        assert await waiting == [first, second]

    asyncio.run(run())


def test_a_client_that_does_not_read_is_let_go() -> None:
    async def run() -> None:
        watcher = Watcher("ada")
        large = message(1, [{"kind": "x" * (UNREAD_MAX // 4)}])
        watcher.put(large)
        assert not watcher.ended.done()
        watcher.put(large)
        watcher.put(large)
        assert watcher.ended.result()
        assert await watcher.next() == []

    asyncio.run(run())


def test_the_end_ends_a_wait() -> None:
    async def run() -> None:
        watcher = Watcher("ada")
        waiting = asyncio.ensure_future(watcher.next())
        await asyncio.sleep(0)
        watcher.end()
        watcher.end(slow=True)  # it has ended already
        assert await waiting == []
        assert not watcher.ended.result()

    asyncio.run(run())


def test_a_large_message_alone_lets_nobody_go() -> None:
    async def run() -> None:
        watcher = Watcher("ada")
        replay = message(1, [{"kind": "x" * (2 * UNREAD_MAX)}])
        watcher.put(replay)
        assert await watcher.next() == [replay]
        watcher.put(replay)
        assert not watcher.ended.done()

    asyncio.run(run())
