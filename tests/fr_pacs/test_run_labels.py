"""Labels of scans: of this run first, then of earlier ones; in bounded memory."""

import pytest

from fr_pacs import run_labels
from fr_pacs.run_labels import RunLabels
from fr_pacs.sources.base import Origin

ONE, TWO = Origin("one.nii"), Origin("two.nii")


def test_a_scan_has_the_labels_of_all_its_files() -> None:
    labels = RunLabels({})
    assert labels.add("a", "one.nii", ONE) is None
    assert labels.add("a", "two.nii", TWO) == "one.nii"
    assert labels.add("b", "synthetic 1") is None
    assert labels.all_of("a") == ("one.nii", "two.nii")
    assert labels.origins_of("a") == [ONE, TWO]
    assert (labels.first_origin_of("a"), labels.first_origin_of("b")) == (ONE, None)
    assert (labels.all_of("c"), labels.origins_of("b"), labels.first_of("c")) == ((), [], None)


def test_an_earlier_run_is_asked_last_and_its_label_is_concealed() -> None:
    labels = RunLabels({"a": "earlier.nii", "b": "b.nii"}, lambda label: f"hash of {label}")
    labels.add("a", "one.nii")
    assert labels.first_of("a") == "one.nii"
    assert labels.first_of("b") == "hash of b.nii"


def test_a_source_that_remembers_is_asked_too() -> None:
    labels = RunLabels({"b": "of the ledger"}, lambda label: f"hash of {label}")
    labels.ask(lambda scan_id: [("one.nii", ONE)] if scan_id in "ab" else [])
    assert labels.first_of("a") == "hash of one.nii"
    assert labels.first_of("b") == "hash of of the ledger"
    assert labels.origins_of("a") == [labels.first_origin_of("a")] == [ONE]
    labels.add("a", "two.nii", TWO)
    labels.add("a", "one.nii", ONE)
    assert labels.origins_of("a") == [TWO, ONE]
    assert labels.origins_of("c") == []


def test_a_file_that_holds_another_image_now_is_no_longer_a_place_of_the_first_one() -> None:
    labels = RunLabels({})
    earlier = {"a": [("one.nii", ONE)], "old": [("two.nii", TWO)]}
    labels.ask(lambda scan_id: earlier.get(scan_id, []))
    labels.add("a", "one.nii", ONE)
    labels.add("b", "one.nii", ONE)
    assert (labels.origins_of("a"), labels.origins_of("b")) == ([], [ONE])
    assert (labels.has("a", "one.nii"), labels.first_of("a")) == (False, None)
    assert labels.add("a", "one.nii", ONE) is None  # and back again
    assert (labels.origins_of("a"), labels.origins_of("b")) == ([ONE], [])
    labels.add("a", "two.nii", TWO)
    labels.withdraw([ONE])
    assert (labels.origins_of("a"), labels.origins_of("old")) == ([TWO], [])
    grown, series = (Origin("1.dcm", f"series of {n} slices") for n in (3, 2))
    labels.add("c", "1.dcm", series)
    labels.add("d", "1.dcm", grown)
    assert (labels.origins_of("c"), labels.origins_of("d")) == ([], [grown])


def test_what_is_known_of_places_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_labels, "KEPT", 2)
    labels = RunLabels({})
    labels.ask(lambda _: [])
    for name in "abc":
        labels.add(name, name, Origin(name))
    labels.withdraw(map(Origin, "defg"))
    assert len(labels._holders) == 2


def test_a_scan_can_be_forgotten() -> None:
    labels = RunLabels({})
    labels.add("a", "one.nii")
    assert (labels.has("a", "one.nii"), labels.has("a", "two.nii")) == (True, False)
    labels.forget("a")
    labels.forget("b")
    assert labels.add("a", "two.nii") is None


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_labels, "KEPT", 2)
    labels = RunLabels({})
    for name in "abc":
        labels.add(name, name)
    assert [labels.first_of(name) for name in "abc"] == [None, "b", "c"]
