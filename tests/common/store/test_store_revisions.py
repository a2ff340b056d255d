"""Whatever owners, senders and people do in whatever order, a scan has one report, of the right
revision, and all earlier ones as history. ``HYPOTHESIS_PROFILE=long`` looks longer."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from tests.common.store.store_model import DONE, TO_DO
from tests.common.store.test_store_model import IDS, SCANS, SOME, Owners
from tests.factories import opened
from tests.stateful import bounded


class Reanalysing(Owners):
    """Owners, and an operator who requeues scans."""

    @precondition(lambda self: self.model.any(DONE))
    @rule(which=SOME, revision=st.integers(1, 2))
    def schedule(self, which: list[int], revision: int) -> None:
        ids = [IDS[i] for i in which]
        assert self.store.revisions.schedule_reanalysis(
            ids, revision
        ) == self.model.schedule_reanalysis(ids, revision)
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


def test_whatever_is_reanalyzed_the_store_matches_its_model(
    mongodb_uri: str, database: str
) -> None:
    with opened(mongodb_uri, database) as store:

        class Here(Reanalysing):
            def __init__(self) -> None:
                super().__init__(store)

        run_state_machine_as_test(Here, settings=bounded(35, 40))
