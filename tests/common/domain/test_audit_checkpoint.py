"""Checkpoints: signed, split into parts, and whole again only if nothing is missing or changed."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.domain import audit_checkpoint
from common.domain.audit_chain import Head, make_entry
from common.domain.audit_checkpoint import Checkpoint, public_hex
from common.domain.types import Document

pytestmark = pytest.mark.unit

KEY = Ed25519PrivateKey.generate()
MADE = Checkpoint(
    entries=7,
    chains=3,
    tombstones=1,
    first="2026-01-01T00:00:00.000+00:00",
    last="2026-01-31T00:00:00.000+00:00",
    blake3="ab" * 32,
    heads=tuple(Head("fr-hub-1", n, "cd" * 32) for n in range(3)),
).signed(KEY)


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Document]:
    monkeypatch.setattr(audit_checkpoint, "HEADS_PER_PART", 2)
    parts = list(MADE.parts())
    return [make_entry("p", n, "0" * 64, [one], heads) for n, (one, heads) in enumerate(parts)]


def test_a_checkpoint_is_the_same_after_both_ways_of_storing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Checkpoint.from_document(MADE.to_document()) == MADE
    assert len(recorded(monkeypatch)) == 2
    assert Checkpoint.from_entries(recorded(monkeypatch)) == MADE
    assert MADE.began < MADE.ended
    assert MADE.public_key == public_hex(KEY)


@pytest.mark.parametrize(
    "change",
    [
        {"entries": 8},
        {"chains": 4},
        {"tombstones": 0},
        {"first": MADE.last},
        {"last": MADE.first},
        {"blake3": "ba" * 32},
        {"heads": MADE.heads[:2]},
        {"heads": MADE.heads[::-1]},
        {"public_key": public_hex(Ed25519PrivateKey.generate())},
        {"public_key": "no key"},
        {"signature": "00" * 64},
        {"signature": ""},
    ],
)
def test_the_signature_is_of_all_of_it(change: Any) -> None:
    assert MADE.is_signed
    assert not replace(MADE, **change).is_signed


def test_a_part_that_is_missing_or_changed_makes_it_none(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = recorded(monkeypatch)
    for entries in ([], [first], [second], [second, first], [first, first, second]):
        assert Checkpoint.from_entries(entries) is None
    changed = {**second, "events": [{**second["events"][0], "entries": "7"}]}
    assert Checkpoint.from_entries([first, changed]) is None
    assert Checkpoint.from_entries([first, {**second, "heads": []}]) is None


@pytest.mark.parametrize("document", [None, [], "text", {}, {**MADE.to_document(), "entries": "7"}])
def test_what_is_no_checkpoint_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="not a checkpoint"):
        Checkpoint.from_document(document)
