"""Verdicts and their reasons."""

from common.domain.ecg_measures import EcgLead
from fr_brain.analyzers.ecg.reasons import reasons_of


def test_good_leads_pass() -> None:
    lead = EcgLead(name="I", grade="good", usable=1.0)
    assert reasons_of([lead], 10, 10) == ("pass", (), ())


def test_problems_are_named_with_their_leads() -> None:
    leads = [
        EcgLead(name=f"L{n}", grade="usable", problems=("noisy",), usable=1.0) for n in range(14)
    ]
    verdict, (partly, noisy), flags = reasons_of(leads, 100, 40)
    assert verdict == "warn"
    assert partly.startswith("Beats can be judged in 40 of 100 s")
    assert noisy.startswith("Noisy: L0, L1")
    assert noisy.endswith("L11 and 2 more.")
    assert flags == ("partly_judged", "noisy")
