"""How many scans a processor claims at once, and which, on a real MongoDB."""

import dataclasses
import os
import time
from typing import Any

import pytest

from common.domain.states import ReportGenerated
from common.runtime.logger import get_log
from common.settings.brain import BrainSettings
from common.settings.pacs import PacsSettings
from common.store.claim_documents import RETRY_PAUSES
from common.store.db_manager import DBManager
from common.store.unit_parts import brain_parts
from fr_brain.analyzers.grid import GridAnalyzer
from fr_brain.claiming import BATCH_S, OTHERS_FIRST_PAUSES, PREFETCH_BELOW_S, Claimer
from fr_brain.scan_types import ScanTypes
from tests.factories import document_of, edit, expire, make_claimable
from tests.fr_brain.processors import (
    QUICK_S,
    Gate,
    PlantedAnalyzer,
    brain_settings,
    in_state,
    processing,
)
from tests.running import until


def claimer(store: DBManager, seconds_per_scan: float = BATCH_S, **given: Any) -> Claimer:
    """A claimer that has measured so many seconds a scan."""
    types = ScanTypes(["grid", "volume"])
    made = Claimer(
        brain_settings(**given), brain_parts(store), "the processor", types, frozenset(), get_log()
    )
    made.seconds_per_scan = seconds_per_scan
    return made


def sizes_of_claims(store: DBManager, seconds_per_scan: float, processes: int) -> list[int]:
    """The sizes of the batches in which one of so many processors claims all that waits."""
    made = claimer(store, seconds_per_scan, brain_processes=processes)
    sizes = []
    while claims := made.claim():
        sizes.append(len(claims))
    return sizes


# --- shares --------------------------------------------------------------------------------------


def test_many_processors_claim_their_shares_of_a_backlog(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    make_claimable(store, 120)
    claimed = sizes_of_claims(store, seconds_per_scan=0.125, processes=32)
    # A quarter of a second of work; then an equal share of the rest, until that is less.
    assert claimed[:3] == [2, 118 // 32, 115 // 32]
    assert claimed == [2, *sorted(claimed[1:], reverse=True)]
    assert sum(claimed) == 120


def test_a_share_takes_about_a_second_at_most(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    make_claimable(store, 600)
    assert sizes_of_claims(store, seconds_per_scan=0.125, processes=32)[:3] == [2, 8, 8]


@pytest.mark.parametrize(("seconds_per_scan", "at_once"), [(1.5, 1), (0.125, 2)])
def test_few_processors_claim_a_quarter_of_a_second_of_work_however_many_scans_wait(
    store: DBManager, seconds_per_scan: float, at_once: int
) -> None:
    make_claimable(store, 20)
    claimed = sizes_of_claims(store, seconds_per_scan, processes=os.cpu_count() or 1)
    assert claimed == [at_once] * (20 // at_once)


def test_a_scan_whose_attempts_were_used_up_by_dying_processors_moves_to_error(
    store: DBManager,
) -> None:
    scan, other = make_claimable(store, 2)
    edit(store, scan.key, attempts=3)
    analyzer = PlantedAnalyzer()
    with processing(store, analyzer, brain_attempts=3):
        until(lambda: in_state(store, ReportGenerated.ERROR) == 1)
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    assert analyzer.calls == [other.key]
    [(scan_id, cause, _)] = store.queries.errors()
    assert scan_id == scan.key
    assert "processor ended or stopped answering" in cause


def test_a_claim_that_expired_without_a_report_is_taken_over(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    store.claims.claim("somebody who died", 1, 30)
    expire(store, scan.key)
    with processing(store, PlantedAnalyzer()):
        until(lambda: in_state(store, ReportGenerated.DONE) == 1)
    document = document_of(store, scan.key)
    assert (document["owner"], document["attempts"]) == ("the processor", 2)


def test_all_that_a_dead_processor_held_is_taken_over_without_waiting_for_another_check(
    store: DBManager,
) -> None:
    scans = make_claimable(store, 20)
    assert len(store.claims.claim("dead", 20, 60)) == 20
    expire(store, *(scan.key for scan in scans))
    # The next check for expired claims is in 30 s.
    with processing(store, GridAnalyzer(), brain_lease_s=300.0):
        until(lambda: in_state(store, ReportGenerated.DONE) == 20)


@pytest.mark.parametrize(("attempts", "held"), [(5, 3), (2, 1)])
def test_scans_that_may_kill_a_processor_are_claimed_together_only_if_each_can_be_alone_later(
    store: DBManager, attempts: int, held: int
) -> None:
    scans = make_claimable(store, 3)
    store.claims.claim("dead", 3, 60)
    expire(store, *(scan.key for scan in scans))
    gate = Gate()
    with processing(store, gate, seconds_per_scan=QUICK_S, brain_attempts=attempts) as running:
        gate.begun()
        owners = [document_of(store, scan.key)["owner"] for scan in scans]
        assert owners.count("the processor") == len(running.processor._lease._held) == held
        gate.open()
        until(lambda: in_state(store, ReportGenerated.DONE) == 3)


# --- one claim after another ---------------------------------------------------------------------


def test_more_waits_until_the_last_scans_are_claimed(store: DBManager) -> None:
    make_claimable(store, 3)
    made = claimer(store, BATCH_S / 2)
    assert len(made.claim()) == 2
    assert made.more_waiting
    assert len(made.claim()) == 1
    assert not made.more_waiting
    assert made.claim() == []


@pytest.mark.parametrize(
    ("store_s", "claimed"), [(0.01, 2), (0.11, 4), (0.22, 8), (60.0, 10)], ids=str
)
def test_while_a_backlog_waits_a_slow_store_is_asked_for_more_at_once(
    store: DBManager, store_s: float, claimed: int
) -> None:
    make_claimable(store, 13)
    made = claimer(store, 0.1)
    for _ in range(20):
        made.measure_store(store_s)
    assert len(made.claim()) == 2  # whether more scans wait is not known yet
    assert len(made.claim()) == claimed


def test_no_batch_is_larger_than_the_setting(store: DBManager) -> None:
    make_claimable(store, 5)
    assert len(claimer(store, 1e-6, brain_batch=4).claim()) == 4


def test_expired_claims_come_before_scans_that_wait(store: DBManager) -> None:
    expired, waiting = make_claimable(store, 2)
    store.claims.claim("dead", 1, 60)
    expire(store, expired.key)
    made = claimer(store)
    assert [claim.scan.key for claim in made.claim()] == [expired.key]
    assert [claim.scan.key for claim in made.claim()] == [waiting.key]


def test_only_one_scan_that_was_never_claimed_is_claimed_ahead(store: DBManager) -> None:
    first, second = make_claimable(store, 2)
    for scan in (first, second):
        edit(store, scan.key, attempts=1)
    assert claimer(store, 0.01).claim_next() == []
    edit(store, first.key, attempts=0)
    [claim] = claimer(store, 0.01).claim_next()
    assert claim.scan == first
    assert in_state(store, ReportGenerated.TO_DO) == 1


def test_nothing_is_claimed_ahead_of_slow_scans_or_beside_a_retried_one(store: DBManager) -> None:
    make_claimable(store, 2)
    made = claimer(store)
    assert not made.may_claim_next(store.claims.claim("a", 1, 60)[0])  # a check for expiry is due
    [current] = made.claim()
    assert made.may_claim_next(current)
    assert not made.may_claim_next(dataclasses.replace(current, attempts=2))
    made.measure(1, 10 * PREFETCH_BELOW_S)
    assert not made.may_claim_next(current)


def test_one_slow_scan_only_halves_the_way_to_its_time(store: DBManager) -> None:
    made = claimer(store, 1.0)
    made.measure(2, 6.0)
    assert made.seconds_per_scan == pytest.approx(2.0)


def test_a_sender_waits_longer_than_all_attempts_take_by_default() -> None:
    brain = BrainSettings.model_fields
    attempts, pause_s = brain["brain_attempts"].default, brain["brain_retry_pause_s"].default
    pauses = sum(RETRY_PAUSES[: attempts - 1]) + OTHERS_FIRST_PAUSES
    assert pauses * pause_s < 0.8 * PacsSettings.model_fields["report_patience_s"].default


# --- a scan that a notification named -------------------------------------------------------------


def test_a_named_scan_is_claimed_alone(store: DBManager) -> None:
    made = claimer(store, seconds_per_scan=0.001)
    assert made.claim() == []
    first, second = make_claimable(store, 2)
    assert [one.key for one in made.claim(named=second.key)] == [second.key]
    assert not made.more_waiting
    # Another processor has claimed it by now, so this one searches.
    assert [one.key for one in made.claim(named=second.key)] == [first.key]


def test_names_that_keep_coming_do_not_keep_a_processor_from_searching(store: DBManager) -> None:
    made = claimer(store, seconds_per_scan=0.001, brain_poll_s=0.2)
    [waits] = make_claimable(store, 1)
    edit(store, waits.key, attempts=1)  # its pause is over, which nothing announces
    made._searched = time.monotonic()

    def claim_the_next() -> bool:
        [named] = make_claimable(store, 1)
        claims = made.claim(named=None if made.more_waiting else named.key)
        return waits.key in {one.key for one in claims}

    until(claim_the_next)


def test_expired_claims_come_before_a_named_scan(store: DBManager) -> None:
    expired, named = make_claimable(store, 2)
    store.claims.claim_named("dead", expired.key, 60)
    expire(store, expired.key)
    assert [one.key for one in claimer(store).claim(named=named.key)] == [expired.key]
