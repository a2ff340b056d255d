"""A state machine over a store and its model: what is looked at after each step."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.commands.verify import verify
from common.domain.states import TRANSITIONS, ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Claim
from tests.common.store.store_model import DONE, IN_PROGRESS, TO_DO, Model
from tests.factories import LONG_AGO, document_of, edit, inside


class Compared(RuleBasedStateMachine):
    """The store is empty at first. Rules change it and its model alike.

    Args:
        uri: of MongoDB.
        database: a migrated one.
    """

    def __init__(self, uri: str, database: str) -> None:
        super().__init__()
        # Each machine opens its own store, because earlier claims decide which scans come next.
        self.store = store = DBManager(uri, database, 10.0)
        for name in (Collection.SCANS, Collection.REPORTS, Collection.HISTORY):
            inside(store, name).delete_many({})
        self.seen: dict[str, Any] = {}
        self.model = Model()
        self.ticks = 0
        self.given: list[Claim] = []
        self.verified: Any = None

    def teardown(self) -> None:
        super().teardown()
        self.store.close()

    def check(self) -> None:
        """Hold what changed since the last check to the legal transitions."""
        now = self.stored(Collection.SCANS)
        assert self.seen.keys() <= now.keys(), "a scan is gone"
        for scan_id, scan in now.items():
            assert ("lease_until" in scan) == (scan["report_generated"] == IN_PROGRESS)
            assert ("done_at" in scan) == (scan["report_generated"] == DONE)
            before = self.seen.get(scan_id)
            if before is None:
                assert scan["report_generated"] == TO_DO
            else:
                self.look_at(before, scan)
        self.seen = now

    def look_at(self, before: Any, scan: Any) -> None:
        was, state = (ReportGenerated(one["report_generated"]) for one in (before, scan))
        claimed = scan["fence"] != before["fence"]
        if was is not state or claimed:
            assert state in TRANSITIONS[was], f"from {was} to {state}"
        if claimed:
            assert scan["fence"] == before["fence"] + 1
            assert state is IN_PROGRESS
        else:
            assert scan.get("owner") == before.get("owner"), "another holder under one fence"
        for field in ("scan", "voxels", "received_at"):
            assert scan[field] == before[field]

    @invariant()
    def promises_hold(self) -> None:
        self.check()
        reports, history = self.stored(Collection.REPORTS), self.stored(Collection.HISTORY)
        self.model.compare(self.seen, reports, {str(key): d for key, d in history.items()})

    @precondition(lambda self: self.verified != self.seen)
    @rule()
    def verify(self) -> None:
        self.verified = self.seen
        found = {kind: ids for kind, ids in verify(self.store).by_kind().items() if ids}
        beside = tuple(self.model.errors_reported())
        assert found == ({"Error with a report": beside} if beside else {})

    def stored(self, name: Collection) -> dict[Any, Any]:
        return {str(one["_id"]): one for one in inside(self.store, name).find()}

    def unchanged(self, scan_id: str, call: Callable[[], Any]) -> Any:
        """What ``call`` returns, which must change nothing of the scan and its report."""
        both = (Collection.SCANS, Collection.REPORTS)
        before = [document_of(self.store, scan_id, name) for name in both]
        result = call()
        assert [document_of(self.store, scan_id, name) for name in both] == before
        return result

    def tick(self) -> datetime:
        """A time long ago, later than those before."""
        self.ticks += 1
        return LONG_AGO + timedelta(seconds=self.ticks)

    # --- claims ---

    def held(self) -> list[Claim]:
        return [claim for claim in self.given if self.model.of(claim).held_by(claim)]

    def lease_ends(self, scan_id: str) -> None:
        scan = self.model.scans.get(scan_id)
        if scan is not None and scan.state is IN_PROGRESS and scan.ended is None:
            edit(self.store, scan_id, lease_until=self.tick())
            scan.ended = self.ticks
