"""The ECG rows of ``make evaluate``. Exit code 1: a goal was missed."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.evaluation.ecg.outcomes import INTERVALS, evaluate_row, figures_of, missed_by
from tests.evaluation.ecg.peers import installed_peers
from tests.evaluation.ecg.real import (
    RealOutcome,
    device_errors,
    evaluate_real,
    folder,
    read_records,
)
from tests.evaluation.ecg.rows import ECG_ROWS, EVALUATION_SEEDS, RECORDS, TUNING_SEEDS
from tests.evaluation.intervals import Figure


def main(arguments: list[str] | None = None) -> int:
    """Evaluate the rows and the real records."""
    parser = argparse.ArgumentParser(prog="make evaluate-ecg", description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS, help="records per row")
    parser.add_argument("--only", default="", help="rows whose names contain this; real")
    parser.add_argument("--json", type=Path, default=None, help="file to write the results to")
    parser.add_argument("--tuning", action="store_true", help="on the seeds for developing")
    options = parser.parse_args(arguments)
    peers = installed_peers()
    seeds = TUNING_SEEDS if options.tuning else EVALUATION_SEEDS
    rows = [row for row in ECG_ROWS if options.only in row.name]
    with_real = options.only in "real"
    if not rows and not with_real:
        sys.stderr.write(f"ONLY={options.only} matches no row\n")
        return 2
    sys.stdout.write(_head(options.records, peers))
    results: dict[str, dict[str, Figure]] = {}
    lines, missed_any = [], False
    for row in rows:
        results[row.name] = figures_of(evaluate_row(row, options.records, peers, seeds))
        sys.stdout.write(_line(row.name, results[row.name], peers))
        missed = missed_by(row, results[row.name])
        missed_any |= bool(missed)
        lines.append(f"- {row.name}: {'missed: ' + '; '.join(missed) if missed else 'goals met'}")
    real = [evaluate_real(record, peers) for record in read_records()] if with_real else []
    lines += [_real(outcome) for outcome in real]
    if with_real and folder() is None:
        lines.append("- ECG_RECORDS is not set: no records of MIT-BIH")
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    if options.json is not None:
        options.json.write_text(json.dumps(_document(results, real), indent=1) + "\n")
    return int(missed_any or any(outcome.wrong for outcome in real))


def _head(records: int, peers: Sequence[str]) -> str:
    columns = ["set", "sensitivity", "precision", "F1", "false beats"]
    columns += [f"{name} (withheld)" for name in ("PR ms", "QRS ms", "QT ms", "axis °")]
    columns += [f"{peer} se/pr/F1" for peer in peers] + ["s"]
    return (
        f"{records} held-out records per row; medians of absolute errors; "
        "[95 % confidence].\n\n"
        f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
    )


def _line(name: str, figures: Mapping[str, Figure], peers: Sequence[str]) -> str:
    cells = [_cell(figures[one]) for one in ("sensitivity", "precision", "f1")]
    cells.append(f"{figures['false_beats'].value or 0:.0f}")
    for one in INTERVALS:
        value, withheld = figures[f"{one}_error"].value, figures[f"{one}_withheld"].value or 0
        cells.append("-" if value is None else f"{value:.1f} ({withheld:.0%})")
    for peer in peers:
        own = [figures[f"{peer} {one}"].value for one in ("sensitivity", "precision", "f1")]
        false = f", {figures[f'{peer} false_beats'].value or 0:.0f} false"
        cells.append("/".join("-" if one is None else f"{one:.3f}" for one in own) + false)
    cells.append(f"{figures['seconds'].value or 0:.2f}")
    return f"| {name} | {' | '.join(cells)} |\n"


def _cell(figure: Figure) -> str:
    if figure.value is None:
        return "-"
    return f"{figure.value:.4f} [{figure.low or 0:.3f}, {figure.high or 0:.3f}]"


def _real(outcome: RealOutcome) -> str:
    found = outcome.found
    parts = [f"verdict {found.verdict}, rhythm {found.rhythm.name}, {outcome.seconds:.2f} s"]
    counts = {"this": outcome.beats, **outcome.peers} if outcome.beats else {}
    for name, beats in counts.items():
        if beats is not None:
            parts.append(
                f"{name}: sensitivity {beats.sensitivity or 0:.4f}, precision "
                f"{beats.precision or 0:.4f} ({beats.true - beats.common} missed, "
                f"{beats.found - beats.common} false)"
            )
    if outcome.name == "waveform_ecg.dcm":
        parts.append(f"differences to the device: {device_errors(found)}")
    verdict = "missed: " + "; ".join(outcome.wrong) if outcome.wrong else "goals met"
    return f"- {outcome.name}: {'; '.join(parts)}: {verdict}"


def _document(
    results: Mapping[str, Mapping[str, Figure]], real: Sequence[RealOutcome]
) -> dict[str, Any]:
    return {
        "rows": {
            name: {one: figure.value for one, figure in figures.items()}
            for name, figures in results.items()
        },
        "real": {outcome.name: outcome.found.model_dump() for outcome in real},
    }


if __name__ == "__main__":
    sys.exit(main())
