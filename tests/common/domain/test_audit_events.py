"""Events of the audit trail: what they hold, and how repeated ones are counted."""

import bson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.domain.audit_events import IDS_KEPT, Kind, RepeatCounter, event

FEW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_text_that_bson_cannot_hold_does_not_keep_an_event_from_being_written() -> None:
    one = event(Kind.ERROR, ["scan"], cause="\ud800 and \0 and " + "long " * 100)
    assert len(bson.decode(bson.encode(one))["cause"]) == 300


some_refusals = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["limit", "hash"]), st.floats(0, 50)),
    max_size=60,
)


@FEW
@given(some_refusals, st.integers(1, 5))
def test_repeats_are_counted_and_none_is_lost(
    refusals: list[tuple[str, str, float]], max_keys: int
) -> None:
    repeats, seconds, told = RepeatCounter(60, max_keys), 0.0, []
    for peer, code, later in refusals:
        seconds += later
        told += repeats.due(seconds)
        one = repeats.add(event(Kind.REFUSE, ["scan"], peer=peer, outcome=code), seconds)
        told += [] if one is None else [one]
    told += repeats.due(seconds, every=True)
    assert sum(one.get("count", 1) for one in told) == len(refusals)
    assert repeats.next_due() == float("inf")


def test_a_flood_is_one_event_immediately_and_one_a_minute() -> None:
    repeats = RepeatCounter()
    told = [repeats.add(event(Kind.REFUSE, [f"s{n}"], peer="x"), 0) for n in range(1000)]
    assert [one["ids"] for one in told if one] == [["s0"]]
    assert repeats.due(59) == []
    assert repeats.next_due() == 60
    [rest] = repeats.due(60)
    assert (rest["count"], len(rest["ids"])) == (999, IDS_KEPT)
    assert repeats.due(120) == []
    assert (
        repeats.add(event(Kind.REFUSE, peer="x"), 121) is not None
    )  # quiet for a minute: recorded immediately


def test_a_peer_with_many_names_is_counted_as_one() -> None:
    repeats = RepeatCounter(max_keys=3)
    told = [repeats.add(event(Kind.REFUSE, peer=f"name-{n}"), 0) for n in range(100)]
    assert [one["peer"] for one in told if one] == ["name-0", "name-1", "name-2", "others"]
    [rest] = repeats.due(0, every=True)
    assert (rest["peer"], rest["count"]) == ("others", 96)


def test_guesses_at_an_account_do_not_vanish_among_other_refusals() -> None:
    repeats = RepeatCounter(max_keys=2)

    def told(peer: str, route: str, account: str | None = None) -> object:
        facts = {"route": route, "account": account, "tenant": account and "north"}
        one = repeats.add(event(Kind.REFUSE, peer=peer, outcome="no", facts=facts), 0)
        return one and (one["peer"], one.get("account"), one.get("tenant"))

    assert told("a", "scans") == ("a", None, None)
    assert told("a", "scans", "eve") == ("a", "eve", "north")
    assert told("a", "session", "eve") == ("others", "eve", "north"), "beyond the keys"
    assert told("b", "session", "bob") == ("others", "bob", "north")
    assert told("b", "session", "jim") == ("others", None, None), "beyond twice as many"
    assert told("b", "session", "tom") is None
    assert told("a", "scans", "eve") is None
    counted = {(one["peer"], one.get("account")): one["count"] for one in repeats.due(60)}
    assert counted == {("others", None): 1, ("a", "eve"): 1}


def test_an_event_has_its_facts_and_no_empty_fields() -> None:
    one = event(Kind.SCHEDULE_REANALYSIS, ["a", "b"], outcome="to be analysed again")
    assert one.keys() == {"kind", "at", "ids", "outcome"}
    assert (one["kind"], one["ids"]) == ("schedule_reanalysis", ["a", "b"])
    assert event(Kind.CLAIM, facts={"attempt": 2, "owner": None}).keys() == {
        "kind",
        "at",
        "attempt",
    }
