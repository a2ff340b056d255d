"""Which types a processor claims."""

import time

import pytest

from fr_brain.scan_types import FIRST_PAUSE_S, LONGEST_PAUSE_S, ScanTypes


def test_a_dropped_type_is_claimed_again_after_a_pause_that_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    types = ScanTypes(["grid", "volume"])
    assert types.claimable() == {"grid", "volume"}
    assert types.drop("grid") == FIRST_PAUSE_S
    assert types.claimable() == {"volume"}
    now += FIRST_PAUSE_S
    assert types.claimable() == {"grid", "volume"}
    pauses = [types.drop("grid") for _ in range(9)]
    assert pauses[:2] == [2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S
