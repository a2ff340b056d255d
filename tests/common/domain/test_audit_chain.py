"""A chain of entries: every change to it shows, except for the removal of its end."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.domain.audit_chain import FIRST, Chain, Head, digest, heads_in, make_entry, only_anchors
from common.domain.audit_events import Kind, event
from common.domain.types import Document

AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)

FEW = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

a_head = st.builds(
    Head, st.sampled_from(["b", "c/d"]), st.integers(0, 9), st.integers(0, 99).map("{:064x}".format)
)
an_event = st.builds(
    event,
    st.sampled_from([kind for kind in Kind if kind is not Kind.CLOSED]),
    st.lists(st.sampled_from(["one", "two"]), max_size=2),
    peer=st.none() | st.text(max_size=3),
    cause=st.none() | st.text(max_size=3),
    facts=st.dictionaries(st.sampled_from(["attempt", "count"]), st.integers(0, 2**40)),
)


@st.composite
def chains(draw: st.DrawFn, least: int = 1) -> list[Document]:
    """An intact chain, as MongoDB returns it."""
    batches = draw(st.lists(st.lists(an_event, min_size=1, max_size=2), min_size=least, max_size=4))
    prev, entries = FIRST, []
    for seq, events in enumerate(batches):
        begun = [event(Kind.OPENED)] if seq == 0 else []
        heads = draw(st.lists(a_head, max_size=2))
        entry = make_entry("a", seq, prev, [*begun, *events], heads)
        entries.append(stored(entry))
        prev = entry["hash"]
    return entries


def stored(entry: Document) -> Document:
    """The entry as MongoDB returns it."""
    return bson.decode(bson.encode(entry), AWARE)


def problems(entries: Sequence[Document]) -> list[str]:
    chain = Chain("a")
    return [str(problem) for entry in entries for problem in chain.check(entry)]


@FEW
@given(chains())
def test_an_untouched_chain_is_intact(entries: list[Document]) -> None:
    chain = Chain("a")
    for entry in entries:
        assert not list(chain.check(entry))
        assert chain.intact
    assert (chain.entries, chain.seq, chain.hash) == (
        len(entries),
        len(entries) - 1,
        entries[-1]["hash"],
    )
    assert chain.events["opened"] >= 1


@FEW
@given(chains(), st.randoms())
def test_the_order_of_an_entrys_own_fields_means_nothing(
    entries: list[Document], random: Any
) -> None:
    shuffled = []
    for entry in entries:
        names = list(entry)
        random.shuffle(names)
        shuffled.append({name: entry[name] for name in names})
    assert not problems(shuffled)


@FEW
@given(chains(least=2), st.data())
def test_a_removed_entry_is_a_problem_unless_it_was_the_last(
    entries: list[Document], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(entries) - 2))
    assert problems([*entries[:at], *entries[at + 1 :]])
    assert not problems(entries[:-1])  # what the anchors of other chains are for


@FEW
@given(chains(least=2), st.data())
def test_entries_in_another_order_show(entries: list[Document], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(entries))))
    if order != sorted(order):
        assert problems([entries[n] for n in order])


@FEW
@given(chains(), st.data())
def test_an_entry_twice_shows(entries: list[Document], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(entries) - 1))
    to = data.draw(st.integers(0, len(entries)))
    assert problems([*entries[:to], entries[at], *entries[to:]])


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value inside."""
    found = [way] if way else []
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ()
    )
    for name, part in inside:
        found += places(part, (*way, name))
    return found


@FEW
@given(chains(), st.data())
def test_any_value_that_was_changed_added_or_removed_shows(
    entries: list[Document], data: st.DataObject
) -> None:
    changed = copy.deepcopy(entries)
    at = data.draw(st.integers(0, len(entries) - 1))
    *way, last = data.draw(st.sampled_from(places(changed[at])))
    part: Any = changed[at]
    for name in way:
        part = part[name]
    how = data.draw(st.sampled_from(["change", "remove", "add"]))
    if how == "remove":
        del part[last]
    elif how == "change":
        part[last] = {"other": part[last]}
    elif isinstance(part, dict):
        part["another"] = 1
    else:
        part.append("another")
    assert problems(changed)


@FEW
@given(chains(least=2), st.data())
def test_an_entry_with_a_hash_made_anew_breaks_the_one_after_it(
    entries: list[Document], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(entries) - 2))
    forged = copy.deepcopy(entries[at])
    forged["events"].append(event(Kind.SEND, ["forged"]))
    forged["hash"] = digest(forged)
    assert problems([*entries[:at], forged, *entries[at + 1 :]])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda e: e.clear(),
        lambda e: e.update(events=None),
        lambda e: e.update(_id=7),
        lambda e: e["_id"].update(seq="1"),
        lambda e: e.update(hash=None),
        lambda e: e.update(events=["x"]),
        lambda e: e.update(heads=[{"at": "nowhere", "hash": ""}]),
        lambda e: e.update(prev=object()),
    ],
)
def test_a_document_that_is_not_an_entry_is_a_problem_and_no_error(
    spoil: Callable[[Document], None],
) -> None:
    entry = make_entry("a", 0, FIRST, [event(Kind.OPENED)])
    spoil(entry)
    chain = Chain("a")
    assert list(chain.check(entry))
    assert not chain.intact


def test_a_chain_without_its_begin_or_continued_after_its_end_is_a_problem() -> None:
    first = make_entry("a", 0, FIRST, [event(Kind.CONNECT)])
    assert "does not begin" in problems([first])[0]
    opened = make_entry("a", 0, FIRST, [event(Kind.OPENED)])
    closed = make_entry("a", 1, opened["hash"], [event(Kind.CLOSED)])
    more = make_entry("a", 2, closed["hash"], [event(Kind.SEND)])
    assert not problems([opened, closed])
    assert "after the chain was closed" in problems([opened, closed, more])[0]


@FEW
@given(st.lists(a_head, max_size=3))
def test_what_an_entry_anchors_can_be_read_from_it(heads: list[Head]) -> None:
    anchor = event(Kind.ANCHOR, facts={"last": 7})
    entry = stored(make_entry("a", 8, FIRST, [anchor], heads))
    assert heads_in(entry) == heads
    assert only_anchors(entry) == 7
    assert only_anchors(make_entry("a", 0, FIRST, [anchor, event(Kind.SEND)])) is None


@pytest.mark.parametrize(("at", "digest_"), [("a", "0" * 64), ("a/x", "0" * 64), ("a/1", "0")])
def test_an_invalid_head_is_refused(at: str, digest_: str) -> None:
    with pytest.raises(ValueError, match="not the place and hash"):
        Head.parse(at, digest_)
