"""Whatever owners, senders and people do in whatever order, a scan has one report, of the right
revision, and all earlier ones as history. ``HYPOTHESIS_PROFILE=long`` looks longer."""

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from common.store import claim_queue
from tests.common.store.store_model import DONE, TO_DO
from tests.common.store.test_store_model import IDS, SCANS, SOME, Owners
from tests.factories import LONG_AGO, edit, migrate
from tests.stateful import bounded


class Reanalysing(Owners):
    """Owners, and an operator who requeues scans."""

    @precondition(lambda self: self.model.any(DONE))
    @rule(which=SOME, revision=st.integers(1, 2))
    def schedule(self, which: list[int], revision: int) -> None:
        ids = [IDS[i] for i in which]
        scheduled = self.store.revisions.schedule_reanalysis(ids, revision)
        again = self.model.schedule_reanalysis(ids, revision)
        assert scheduled == len(again)
        for scan_id in again:  # in this order, though they were scheduled together
            turn = self.pauses(scan_id)
            self.model.scans[scan_id].turn = turn
            edit(self.store, scan_id, turn_at=LONG_AGO + timedelta(seconds=turn))
        assert self.store.revisions.schedule_reanalysis(ids, revision) == 0, "scheduled twice"

    @precondition(lambda self: self.model.any(DONE))
    @rule(killed=st.booleans())
    def analyse_again(self, killed: bool) -> None:
        """All at once, perhaps with an owner that is killed beside its report."""
        self.schedule(list(range(len(SCANS))), 1)
        self.check()
        if killed:
            self.complete_killed(0)
            for owner in "abc":
                self.dies(owner)
            self.check()
        self.complete([0, 1, 2])

    def more_to_do(self) -> None:
        super().more_to_do()
        if not self.model.any(TO_DO):
            self.schedule(list(range(len(SCANS))), 1)
            self.check()


@pytest.mark.long
def test_whatever_is_reanalyzed_the_store_matches_its_model(
    mongodb_uri: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(mongodb_uri, database)
    # The look at retried scans is left out for a while otherwise.
    monkeypatch.setattr(claim_queue, "RETRIED_LOOK_S", 0.0)

    class Here(Reanalysing):
        def __init__(self) -> None:
            super().__init__(mongodb_uri, database)

    run_state_machine_as_test(Here, settings=bounded(35, 40))
