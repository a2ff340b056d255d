"""What dead processors leave: their scans are released, and the cause is recorded."""

import tempfile
from pathlib import Path

import pytest

from common.domain.states import ReportGenerated
from common.errors import StoreError, StoreUnavailable
from common.runtime.logger import get_log
from common.store.db_manager import DBManager
from common.store.unit_parts import brain_parts
from fr_brain.current_scan import ScanInProgress
from fr_brain.dead_processors import DeadProcessor, DeadProcessors
from tests.factories import document_of, edit, make_claimable, opened, own_mongod, state_of
from tests.fr_brain.brain import BEGIN_S, HARMFUL_ANALYZER, brain
from tests.processes import stop
from tests.running import until


def died(store: DBManager, cause: str, attempts: int = 2) -> tuple[DeadProcessors, list[str]]:
    """A processor that died with two claims, the first one its current scan; its scans."""
    make_claimable(store, 2)
    claims = store.claims.claim("dead", 2, 60)
    current = ScanInProgress(claims[0].scan.key, claims[0].fence, "planted 7", 1.0)
    dead = DeadProcessors(brain_parts(store), attempts, 0.0, get_log())
    assert not dead
    dead.add(DeadProcessor(1, "dead", current, cause))
    return dead, [claim.scan.key for claim in claims]


def test_the_current_scan_gets_the_cause_and_the_others_are_released(store: DBManager) -> None:
    dead, (current, other) = died(store, "its processor ended: exit 7")
    edit(store, current, attempts=2)
    dead.clear()
    assert not dead
    [(scan_id, cause, _)] = store.queries.errors()
    assert (scan_id, cause) == (current, "analyzer planted 7: its processor ended: exit 7")
    assert state_of(store, other) == ReportGenerated.TO_DO
    assert document_of(store, other)["attempts"] == 1


def test_without_a_cause_the_current_scan_is_only_released(store: DBManager) -> None:
    dead, scans = died(store, "", attempts=1)
    dead.clear()
    assert {state_of(store, scan_id) for scan_id in scans} == {ReportGenerated.TO_DO}
    assert "error" not in document_of(store, scans[0])
    assert [document_of(store, scan_id)["attempts"] for scan_id in scans] == [0, 0]


def test_dead_processors_stay_pending_while_the_store_is_unavailable(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object, **__: object) -> int:
        raise StoreUnavailable("for the test")

    dead, scans = died(store, "its processor ended: exit 7")
    with monkeypatch.context() as patched:
        patched.setattr(store.claims, "release_dead", unavailable)
        dead.clear()
    assert dead
    dead.clear()
    assert not dead
    assert {state_of(store, scan_id) for scan_id in scans} == {ReportGenerated.TO_DO}


def test_a_processor_that_cannot_be_cleared_keeps_no_other_waiting(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> int:
        raise StoreError("for the test")

    dead, scans = died(store, "")
    make_claimable(store, 1)
    [other] = store.claims.claim("other", 1, 60)
    dead.add(DeadProcessor(2, "other", None, "its processor ended: exit 7"))
    with monkeypatch.context() as patched:
        patched.setattr(store.claims, "release", refused)
        dead.clear()
    assert dead
    assert state_of(store, other.key) == ReportGenerated.TO_DO
    dead.clear()
    assert not dead
    assert {state_of(store, key) for key in scans} == {ReportGenerated.TO_DO}


@pytest.mark.parametrize("cause", ["", "its processor ended: exit 7"])
def test_a_damaged_number_of_attempts_keeps_no_other_scan(store: DBManager, cause: str) -> None:
    dead, (current, other) = died(store, cause)
    edit(store, current, attempts="many")
    dead.clear()
    assert not dead
    assert state_of(store, other) == ReportGenerated.TO_DO
    assert store.supervision.fail_damaged() == 1
    assert state_of(store, current) == ReportGenerated.ERROR


@pytest.mark.long
def test_a_cause_is_recorded_once_mongodb_is_reachable_again(
    tmp_path: Path,
) -> None:
    with tempfile.TemporaryDirectory(prefix="fr-") as name:
        folder = Path(name)
        with own_mongod(folder) as mongod, opened(mongod.uri, "fr", timeout_s=1) as store:
            [scan] = make_claimable(store, 1, subject="hang_asleep")
            with brain(
                store,
                tmp_path,
                HARMFUL_ANALYZER,
                BRAIN_TIME_LIMIT_S="2",
                BRAIN_ATTEMPTS="1",
                BRAIN_LEASE_S="300",
            ) as running:
                running.wait_for_an_analysis()
                mongod.kill()
                until(lambda: "time limit of 2 s" in running.log(), BEGIN_S)
                with own_mongod(folder):
                    until(lambda: cause_of(store, scan.key), 60)
                    assert "time limit of 2 s" in cause_of(store, scan.key)
                    assert stop(running.process) == 0


def cause_of(store: DBManager, scan_id: str) -> str:
    """Why it failed; empty if it has not, or if MongoDB does not answer yet."""
    try:
        causes = {found.key: found.cause for found in store.failed_scans.all()}
    except StoreUnavailable:
        return ""
    return causes.get(scan_id, "")
