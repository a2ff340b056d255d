"""Measure records and compare what was found with the truth."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from common.domain.ecg_measures import EcgMeasures, Measured
from fr_brain.analyzers.ecg.measure import measure
from fr_pacs.sources.ecg.model import SyntheticEcg
from tests.evaluation.ecg.matching import BeatCounts, match_beats
from tests.evaluation.ecg.peers import detect
from tests.evaluation.ecg.rows import EVALUATION_SEEDS, EcgRow, records_of
from tests.evaluation.intervals import Figure, bootstrap, wilson

INTERVALS = ("pr", "qrs", "qt", "axis")


@dataclass(frozen=True, slots=True)
class EcgOutcome:
    """One record, compared with its truth."""

    beats: BeatCounts
    errors: dict[str, float | None]
    """Absolute errors of PR, QRS and QT in ms, and of the axis in degrees; None: withheld."""
    seconds: float
    """CPU time."""
    peers: dict[str, BeatCounts] = field(default_factory=dict)


def evaluate_row(
    row: EcgRow, records: int, peers: Sequence[str], seeds: range = EVALUATION_SEEDS
) -> list[EcgOutcome]:
    """The outcomes of a row."""
    return [evaluate_record(record, peers) for record in records_of(row, records, seeds)]


def evaluate_record(record: SyntheticEcg, peers: Sequence[str]) -> EcgOutcome:
    """The outcome of a record."""
    started = time.process_time()
    found = measure(record.samples, record.hz, record.leads)
    seconds = time.process_time() - started
    times = list(record.truth.times_s)
    return EcgOutcome(
        beats=match_beats(times, times_of(found)),
        errors=_errors(found, record),
        seconds=seconds,
        peers={
            peer: match_beats(times, detect(peer, record.samples, record.hz, record.leads))
            for peer in peers
        },
    )


def times_of(found: EcgMeasures) -> list[float]:
    """The times of the beats found, s."""
    return [] if found.peaks is None else [time / 1000 for time in found.peaks.times_ms()]


def _errors(found: EcgMeasures, record: SyntheticEcg) -> dict[str, float | None]:
    truth = record.truth
    true = {"pr": truth.pr_ms, "qrs": truth.qrs_ms, "qt": truth.qt_ms}
    measured = {"pr": found.pr_ms, "qrs": found.qrs_ms, "qt": found.qt_ms}
    errors = {name: _apart(measured[name], true[name]) for name in true}
    turn = _apart(found.axis_degrees, truth.axis_degrees)
    errors["axis"] = None if turn is None else min(turn, 360 - turn)
    return errors


def _apart(measured: Measured, true: float | None) -> float | None:
    return None if measured.value is None or true is None else abs(measured.value - true)


def figures_of(outcomes: Sequence[EcgOutcome]) -> dict[str, Figure]:
    """The figures of a row: sensitivity and precision with Wilson intervals; F1 with a bootstrap
    interval over records; median errors, each with the share that was withheld; beats found where
    there is no heart; the F1 of each peer."""
    beats = sum((outcome.beats for outcome in outcomes), BeatCounts())
    figures = {
        "sensitivity": wilson(beats.common, beats.true),
        "precision": wilson(beats.common, beats.found),
        "f1": bootstrap(outcomes, lambda some: _total(some).f1),
        "false_beats": Figure(float(beats.found - beats.common)),
    }
    for name in INTERVALS:
        known = [error for one in outcomes if (error := one.errors[name]) is not None]
        figures[f"{name}_error"] = Figure(float(np.median(known)) if known else None)
        figures[f"{name}_withheld"] = Figure(1 - len(known) / len(outcomes))
    for peer in outcomes[0].peers:
        total = sum((outcome.peers[peer] for outcome in outcomes), BeatCounts())
        for name in ("f1", "sensitivity", "precision"):
            figures[f"{peer} {name}"] = Figure(getattr(total, name))
        figures[f"{peer} false_beats"] = Figure(float(total.found - total.common))
    figures["seconds"] = Figure(float(np.median([outcome.seconds for outcome in outcomes])))
    return figures


def _total(outcomes: Sequence[EcgOutcome]) -> BeatCounts:
    return sum((outcome.beats for outcome in outcomes), BeatCounts())


def missed_by(row: EcgRow, figures: dict[str, Figure]) -> list[str]:
    """Describe the goals that a row misses; an unmeasured figure misses its goal."""
    missed = []
    for sign, goals in ((1, row.at_least), (-1, row.at_most)):
        for name, goal in goals.items():
            value = figures[name].value
            if value is None or sign * value < sign * goal:
                missed.append(f"{name} {value}, {'at least' if sign > 0 else 'at most'} {goal}")
    own = figures["f1"].value or 0
    for name, figure in figures.items():
        if row.beats_peers and name.endswith(" f1") and (figure.value or 0) >= own:
            missed.append(f"F1 {own:.4f}, {name} {figure.value:.4f}")
    return missed
