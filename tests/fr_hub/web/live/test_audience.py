"""What an audience is told: filtered, merged, with a position from which nothing is missed."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from common.domain.states import ReportGenerated
from common.domain.tenant import tenants_of
from common.store.feed_documents import Change, ChangeKind, Step, measurement_changed, scans_changed
from fr_hub.web.live.audience import Audience
from fr_hub.web.live.ring import Batch
from fr_hub.web.live.watcher import Watcher

TENANTS = tenants_of({"north": ("mr-1",)})
STATES = (ReportGenerated.TO_DO, ReportGenerated.IN_PROGRESS, ReportGenerated.DONE)


def scan(key: str, state: ReportGenerated = ReportGenerated.TO_DO) -> Change:
    return scans_changed([key], state, Step.NEW, fence=0)


def watched(
    act: Callable[[Audience, Watcher], Any],
    *,
    personal: bool = False,
    hosts: bool = False,
    tenant: str = "default",
) -> list[dict[str, Any]]:
    """The messages that a watcher gets, until what is held has been told."""

    async def run() -> list[dict[str, Any]]:
        audience = Audience(TENANTS[tenant], personal=personal, hosts=hosts)
        watcher = Watcher("ada")
        audience.watchers.add(watcher)
        act(audience, watcher)
        while audience._timer is not None:
            # After the timer that is set now, and what it sets.
            loop = asyncio.get_running_loop()
            passed = loop.create_future()
            loop.call_at(audience._timer.when(), passed.set_result, None)
            await passed
        watcher.put(_END)
        found = [json.loads(one.text) for one in await watcher.next()]
        return found[:-1]

    return asyncio.run(run())


class _End:
    size, text, server_sent = 0, "{}", b""


_END: Any = _End()


def take(audience: Audience, *changes: Change) -> None:
    for n, change in enumerate(changes, 1):
        audience.take(Batch(n, n - 1, n, [change]))


def test_the_first_change_is_told_at_once_and_later_ones_together() -> None:
    told = watched(lambda audience, _: take(audience, *(scan("a@pacs-1", s) for s in STATES)))
    assert [[e["state"] for e in one["events"]] for one in told] == [["waiting"], ["done"]]
    assert [one["position"] for one in told] == [1, 3]


def test_a_position_is_not_past_what_is_held() -> None:
    told = watched(
        lambda audience, _: take(audience, scan("a@p"), scan("a@p", STATES[1]), scan("b@p"))
    )
    assert [[e["key"] for e in one["events"]] for one in told] == [["a@p"], ["b@p"], ["a@p"]]
    assert [one["position"] for one in told] == [1, 1, 3]


def test_a_tenant_sees_its_own_scans_alone() -> None:
    changes = (scan("a@mr-1"), scan("b@pacs-1"), scan("c@web"), scan("d@web-north"))
    for tenant, seen in (("north", ["a@mr-1", "d@web-north"]), ("default", ["b@pacs-1", "c@web"])):
        told = watched(lambda audience, _: take(audience, *changes), tenant=tenant)
        assert [e["key"] for one in told for e in one["events"]] == seen


def test_measurements_need_the_right_and_the_tenant() -> None:
    changes = [measurement_changed("m", name, "p", "created") for name in ("north", "default")]
    assert not watched(lambda audience, _: take(audience, *changes))
    (told,) = watched(lambda audience, _: take(audience, *changes), personal=True)
    assert [e["kind"] for e in told["events"]] == ["measurement"]


def test_a_replay_has_the_last_of_each() -> None:
    batches = [Batch(n, n - 1, n, [scan("a@p", s)]) for n, s in enumerate(STATES, 1)]
    (told,) = watched(lambda audience, watcher: audience.replay(watcher, batches))
    assert [e["state"] for e in told["events"]] == ["done"]
    assert told["position"] == 3


def test_a_reset_ends_what_is_held() -> None:
    def act(audience: Audience, _: Watcher) -> None:
        take(audience, scan("a@p"), scan("a@p", STATES[1]))
        audience.reset()

    told = watched(act)
    assert [[e["kind"] for e in one["events"]] for one in told] == [["scan"], ["reset"]]
    assert told[-1]["position"] == 2


@pytest.mark.parametrize("hosts", [True, False])
def test_hosts_are_told_to_those_who_may_see_them(hosts: bool) -> None:
    facts = {"unit": "fr-hub", "host": "node-7", "version": "1", "state": "running"}
    unit = Change(ChangeKind.UNIT, ["node-7-12-ab"], facts)
    [told] = watched(lambda audience, _: take(audience, unit), hosts=hosts)
    [event] = told["events"]
    assert (event["id"], event["host"]) == (("node-7-12-ab", "node-7") if hosts else ("ab", None))


def test_an_event_without_a_state_hides_the_one_before() -> None:
    unknown = Change(ChangeKind.SCAN, ["a@p"])
    changes = [scan("a@p"), scan("a@p", ReportGenerated.IN_PROGRESS), unknown]
    batches = [Batch(n, n - 1, n, [change]) for n, change in enumerate(changes, 1)]
    (told,) = watched(lambda audience, watcher: audience.replay(watcher, batches))
    (event,) = told["events"]
    assert "state" not in event
    _, merged = watched(lambda audience, _: take(audience, *changes))
    assert all("state" not in event for event in merged["events"])
