"""Whatever owners, senders and people do in whatever order, a scan has one report, of the right
revision, and all earlier ones as history. ``HYPOTHESIS_PROFILE=long`` looks longer."""

from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.common.test_store_model import IDS, Owners
from tests.factories import opened
from tests.stateful import bounded


class Reanalysing(Owners):
    """Owners, and somebody who puts scans back."""

    @rule(which=st.integers(0, 2), wrong=st.booleans())
    def put_back(self, which: int, wrong: bool) -> None:
        scan = self.model.scans.get(IDS[which])
        revision = (1 if scan is None else scan.revision) + wrong
        expected = self.model.put_back([IDS[which]], revision)
        assert self.store.put_back([IDS[which]], revision) == expected
        assert self.store.put_back([IDS[which]], revision) == 0, "put back twice"


def test_whatever_is_put_back_the_store_is_as_its_model(mongodb_uri: str, database: str) -> None:
    with opened(mongodb_uri, database) as store:

        class Here(Reanalysing):
            def __init__(self) -> None:
                super().__init__(store)

        run_state_machine_as_test(Here, settings=bounded(20, 40))
