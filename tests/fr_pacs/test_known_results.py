"""What is known of the results of scans, in bounded memory."""

import pytest

from fr_pacs import known_results
from fr_pacs.known_results import KnownResults
from fr_pacs.ledger import Ledger


def test_the_latest_revision_and_the_last_cause_are_known() -> None:
    known = KnownResults(Ledger(None))
    assert not known.has_report("a")
    known.note_report("a", 2)
    known.note_report("a", 1)
    assert known.has_report("a", 2)
    assert not known.has_report("a", 3)
    known.note_failure("b", "no brain in it")
    assert known.has_failure("b", "no brain in it")
    assert not known.has_failure("b", "another one")


def test_those_in_the_ledger_are_known() -> None:
    ledger = Ledger(None)
    ledger.reported.extend(["a", "b/3"])
    ledger.failed.append(("c", "no brain in it"))
    known = KnownResults(ledger)
    assert [known.has_report("a", n) for n in (1, 2)] == [True, False]
    assert [known.has_report("b", n) for n in (3, 4)] == [True, False]
    assert known.has_failure("c", "no brain in it")


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_results, "KEPT", 2)
    known = KnownResults(Ledger(None))
    for name in "abac":
        known.note_report(name, 1)
        known.note_failure(name, "cause")
    assert [name for name in "abc" if known.has_report(name)] == ["a", "c"]
    assert [name for name in "abc" if known.has_failure(name, "cause")] == ["a", "c"]
